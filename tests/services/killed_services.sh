#!/usr/bin/env bash
# Services are killed in the midst of load, again and again, and their connections to the database are ended. Afterwards every row has its event and every event its
# row, each once: an order and order.created.v1, a step and order.shipped.v1, a member and CREATED. What was answered 201 is there; what was not may be there or not.
# row: C-05 services killed under load, their sessions ended
# tags: real-kafka slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/http_load.bash
. "${BASH_SOURCE[0]%/*}/http_load.bash"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

system_new orders
# Both systems share a database here, and the members' relay takes over the slot.
system_tables membership
relay_init
relay_start
service_start order-service

# has_rows TABLE COUNT
has_rows() {
  [ "$(pg "SELECT count(*) FROM $1")" -ge "$2" ]
}
# grows TABLE: by some rows from now on.
grows() {
  await "rows of $1" 30 has_rows "$1" $(($(pg "SELECT count(*) FROM $1") + 20))
}

# killed_again_and_again NAME TABLE TIMES
killed_again_and_again() {
  local i
  for ((i = 0; i < $3; i++)); do
    grows "$2"
    fault_begins 'service killed'
    service_kill "$1"
    service_start "$1"
    fault_ends 'service killed'
  done
}

clients_start 'makes_orders 1' 'makes_orders 2' 'makes_orders 3' 'moves_orders 20 25'
killed_again_and_again order-service orders.customer_order "$(times 15 60)"
for _ in {1..5}; do
  grows orders.customer_order
  fault_begins 'sessions ended'
  pg "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'order-service' AND datname = '$DB'" >>"$RUN/terminated"
  fault_ends 'sessions ended' "$(tail -n 1 "$RUN/terminated")"
done
grows orders.customer_order
clients_stop
assert_number 'connections that were ended' "$(awk '{ n += $1 } END { print n }' "$RUN/terminated")" '>=' 5

relay_has_all
pg 'SELECT order_id FROM orders.customer_order' | LC_ALL=C sort >"$RUN/rows"
events order.created.v1 | jq -r .key | LC_ALL=C sort >"$RUN/events"
assert_same_file 'orders and their events' "$RUN/rows" "$RUN/events"
pg 'SELECT order_id FROM orders.customer_order WHERE status = 25' | LC_ALL=C sort >"$RUN/moved"
events order.shipped.v1 | jq -r .key | LC_ALL=C sort >"$RUN/steps"
assert_same_file 'steps and their events' "$RUN/moved" "$RUN/steps"
answers_with 201 "$RUN"/answers.orders.? | jq -r .orderId | LC_ALL=C sort >"$RUN/promised"
assert_eq 'orders that were answered and are not there' '' "$(LC_ALL=C comm -23 "$RUN/promised" "$RUN/rows")"
answers_with 200 "$RUN/answers.25" | jq -r .orderId | LC_ALL=C sort >"$RUN/promised.steps"
assert_eq 'steps that were answered and are not there' '' "$(LC_ALL=C comm -23 "$RUN/promised.steps" "$RUN/moved")"
assert_number 'steps' "$(wc -l <"$RUN/steps")" '>' 50
assert_eq 'answers to orders other than 201 and 503' '' "$(statuses_but '201|503|000' "$RUN"/answers.orders.?)"
# 409: the step before it was taken and not answered.
assert_eq 'answers to steps other than 200, 409 and 503' '' "$(statuses_but '200|409|503|000' "$RUN/answers.25")"
process_stop order-service
relay_stop

# The same with members, and with the table that has another shape.
SYSTEM=membership
system_topics_make
relay_set CONFIG "$ROOT/producers/membership/relay.json"
relay_start
service_start auth-service
clients_start 'logs_in 1' 'logs_in 2' 'logs_in 3'
killed_again_and_again auth-service auth.member "$(times 10 60)"
grows auth.member
clients_stop
relay_has_all
pg 'SELECT member_id FROM auth.member' | LC_ALL=C sort >"$RUN/rows"
events member-events | jq -r .key | LC_ALL=C sort >"$RUN/events"
assert_same_file 'members and their events' "$RUN/rows" "$RUN/events"
answers_with '20[01]' "$RUN"/answers.logins.? | jq -r .memberId | LC_ALL=C sort -u >"$RUN/promised"
assert_eq 'members that were answered and are not there' '' "$(LC_ALL=C comm -23 "$RUN/promised" "$RUN/rows")"
assert_eq 'answers to logins other than 200, 201 and 503' '' "$(statuses_but '200|201|503|000' "$RUN"/answers.logins.?)"
