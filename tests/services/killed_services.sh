#!/usr/bin/env bash
# Services are killed in the midst of load, again and again, and their connections to the database are ended. Afterwards every row has its event and every event its
# row, each once: an order and order.created.v1, a step and order.shipped.v1, a member and CREATED. What was answered 201 is there; what was not may be there or not.
# tags: real-kafka slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

system_new orders
# Both systems share a database here, and the members' relay takes over the slot.
system_tables membership
relay_init
relay_start
service_start order-service

# ask_each NAME: a request for each line of its input, URL and body with a tab between, one after the other on one connection, so that the service always has one in
# hand; when it is gone, the rest fails at once. Answers, with their status behind a blank, go to $RUN/answers.NAME.
ask_each() {
  local url body number=0
  while IFS=$'\t' read -r url body; do
    number=$((number + 1))
    printf 'next\nurl = "%s"\nheader = "Content-Type: application/json"\nheader = "X-Correlation-Id: %s.%s.%s.%s"\ndata = "%s"\nwrite-out = " %%{http_code}\\n"\nmax-time = 10\n' \
      "$url" "$MINE" "$1" "$RANDOM" "$number" "${body//\"/\\\"}"
  done | sed 1d >"$RUN/asked.$1"
  [ ! -s "$RUN/asked.$1" ] || curl -s -K "$RUN/asked.$1" >>"$RUN/answers.$1" || true
}

# Clients: each goes on for as long as $RUN/load and this scenario are there.
is_loaded() {
  [ -e "$RUN/load" ] && kill -0 $$ 2>/dev/null
}
makes_orders() {
  local i
  while is_loaded; do
    for i in {1..40}; do
      printf '%s\t%s\n' "$ORDERS" "{\"customerId\": \"user-$1\", \"customerEmail\": \"user@example.com\", \"totalAmount\": $i, \"currency\": \"KRW\"}"
    done | ask_each "orders.$1"
  done
}
moves_orders() {
  while is_loaded; do
    pg "SELECT '$ORDERS/' || order_id || E'/status\t{\"customerId\": \"' || customer_id || '\", \"customerEmail\": \"user@example.com\", \"previousStatus\": 20, \"currentStatus\": 25}'
          FROM orders.customer_order WHERE status = 20 ORDER BY random() LIMIT 40" | ask_each steps
  done
}
logs_in() {
  local i first=0
  while is_loaded; do
    for i in {1..40}; do
      printf '%s\t%s\n' "$LOGIN" "{\"provider\": \"kakao\", \"code\": \"person-$((first + i / 2)):$1\"}"
    done | ask_each "logins.$1"
    first=$((first + 20))
  done
}

# clients_start COMMAND...: one client each, the words of its command in one argument.
clients_start() {
  local client
  : >"$RUN/load"
  CLIENTS=()
  for client in "$@"; do
    $client &
    CLIENTS+=($!)
  done
}
clients_stop() {
  rm "$RUN/load"
  wait "${CLIENTS[@]}"
}

# has_rows TABLE COUNT
has_rows() {
  [ "$(pg "SELECT count(*) FROM $1")" -ge "$2" ]
}
# grows TABLE: by some rows from now on.
grows() {
  await "rows of $1" 30 has_rows "$1" $(($(pg "SELECT count(*) FROM $1") + 20))
}

# statuses FILE...: which there were, other than what is said by the regular expression.
statuses_but() {
  local known=$1
  shift
  sed -nE 's/.* ([0-9]+)$/\1/p' "$@" | grep -vxE "$known" | sort | uniq -c || true
}

ORDERS=http://127.0.0.1:${SERVICE_PORT[order-service]}/api/orders
clients_start 'makes_orders 1' 'makes_orders 2' 'makes_orders 3' moves_orders
for _ in {1..15}; do
  grows orders.customer_order
  service_kill order-service
  service_start order-service
done
for _ in {1..5}; do
  grows orders.customer_order
  pg "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'order-service' AND datname = '$DB'" >>"$RUN/terminated"
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
sed -n 's/ 201$//p' "$RUN"/answers.orders.? | jq -r .orderId | LC_ALL=C sort >"$RUN/promised"
assert_eq 'orders that were answered and are not there' '' "$(LC_ALL=C comm -23 "$RUN/promised" "$RUN/rows")"
sed -n 's/ 200$//p' "$RUN/answers.steps" | jq -r .orderId | LC_ALL=C sort >"$RUN/promised.steps"
assert_eq 'steps that were answered and are not there' '' "$(LC_ALL=C comm -23 "$RUN/promised.steps" "$RUN/moved")"
assert_number 'steps' "$(wc -l <"$RUN/steps")" '>' 50
assert_eq 'answers to orders other than 201 and 503' '' "$(statuses_but '201|503|000' "$RUN"/answers.orders.?)"
# 409: the step before it was taken and not answered.
assert_eq 'answers to steps other than 200, 409 and 503' '' "$(statuses_but '200|409|503|000' "$RUN/answers.steps")"
process_stop order-service
relay_stop

# The same with members, and with the table that has another shape.
SYSTEM=membership
while read -r topic partitions; do
  topic_is_there "$topic" "$partitions"
done < <(system_topics)
relay_set CONFIG "$ROOT/producers/membership/relay.json"
relay_start
service_start auth-service
LOGIN=http://127.0.0.1:${SERVICE_PORT[auth-service]}/api/auth/oauth/login
clients_start 'logs_in 1' 'logs_in 2' 'logs_in 3'
for _ in {1..10}; do
  grows auth.member
  service_kill auth-service
  service_start auth-service
done
grows auth.member
clients_stop
relay_has_all
pg 'SELECT member_id FROM auth.member' | LC_ALL=C sort >"$RUN/rows"
events member-events | jq -r .key | LC_ALL=C sort >"$RUN/events"
assert_same_file 'members and their events' "$RUN/rows" "$RUN/events"
sed -n 's/ 20[01]$//p' "$RUN"/answers.logins.? | jq -r .memberId | LC_ALL=C sort -u >"$RUN/promised"
assert_eq 'members that were answered and are not there' '' "$(LC_ALL=C comm -23 "$RUN/promised" "$RUN/rows")"
assert_eq 'answers to logins other than 200, 201 and 503' '' "$(statuses_but '200|201|503|000' "$RUN"/answers.logins.?)"
