#!/usr/bin/env bash
# Services are killed in the midst of load, again and again, as is the connection of one to its database. Afterwards every row has its event and every event its row,
# each once: an order and order.created.v1, a step and order.shipped.v1, a member and CREATED. What was answered 201 is there; what was not may be there or not.
# tags: real-kafka slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

system_new orders
# Both systems share a database here and have a relay each.
system_tables membership
relay_init
relay_start
service_start order-service

# orders_flow N: a client that makes orders and takes each one step further, as long as $RUN/load is there; it takes no answer for an answer.
orders_flow() {
  local i=0 answer order url=http://127.0.0.1:${SERVICE_PORT[order-service]}/api/orders customer
  customer='"customerId": "user-'$1'", "customerEmail": "user'$1'@example.com"'
  while [ -e "$RUN/load" ]; do
    i=$((i + 1))
    answer=$(curl -sS --max-time 10 -w '\n%{http_code}' -H 'Content-Type: application/json' -H "X-Correlation-Id: $MINE.$1.$i" -H "Idempotency-Key: $MINE.$1.$i" \
      --data "{$customer, \"totalAmount\": $i, \"currency\": \"KRW\"}" "$url" 2>/dev/null) || {
      sleep 0.02
      continue
    }
    echo "$(tail -n 1 <<<"$answer") $(head -n 1 <<<"$answer")" >>"$RUN/answers.$1"
    order=$(head -n 1 <<<"$answer" | jq -r '.orderId // empty')
    [ -z "$order" ] || curl -sS --max-time 10 -o /dev/null -H 'Content-Type: application/json' -H "X-Correlation-Id: $MINE.$1.$i.step" \
      --data "{$customer, \"previousStatus\": 20, \"currentStatus\": 25}" "$url/$order/status" 2>/dev/null || true
  done
}

orders_have_grown() { # since so many
  [ "$(pg 'SELECT count(*) FROM orders.customer_order')" -ge "$1" ]
}

: >"$RUN/load"
flows=()
for flow in 1 2 3 4; do
  orders_flow $flow &
  flows+=($!)
done
for kill in {1..8}; do
  await 'orders' 20 orders_have_grown $((kill * 25))
  service_kill order-service
  service_start order-service
done
for kill in {9..12}; do
  await 'orders' 20 orders_have_grown $((kill * 25))
  pg "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'order-service' AND datname = '$DB'" >>"$RUN/terminated"
done
await 'orders' 20 orders_have_grown 325
rm "$RUN/load"
wait "${flows[@]}"
assert_number 'connections that were ended' "$(awk '{ n += $1 } END { print n }' "$RUN/terminated")" '>' 3

relay_has_all
pg 'SELECT order_id FROM orders.customer_order ORDER BY 1' | LC_ALL=C sort >"$RUN/rows"
events order.created.v1 | jq -r .key | LC_ALL=C sort >"$RUN/events"
assert_same_file 'orders and their events' "$RUN/rows" "$RUN/events"
pg 'SELECT order_id FROM orders.customer_order WHERE status = 25' | LC_ALL=C sort >"$RUN/stepped"
events order.shipped.v1 | jq -r .key | LC_ALL=C sort >"$RUN/steps"
assert_same_file 'steps and their events' "$RUN/stepped" "$RUN/steps"
cat "$RUN"/answers.? | sed -n 's/^201 //p' | jq -r .orderId | LC_ALL=C sort -u >"$RUN/promised"
assert_eq 'orders that were answered and are not there' '' "$(LC_ALL=C comm -23 "$RUN/promised" "$RUN/rows")"
assert_number 'orders answered' "$(wc -l <"$RUN/promised")" '>' 200
assert_number 'steps' "$(wc -l <"$RUN/steps")" '>' 100
assert_eq 'answers other than 201 and 503' '' "$(cat "$RUN"/answers.? | grep -vE '^(201|503) ' | sort | uniq -c || true)"
process_stop order-service
relay_stop

# The same with members, and with the table of the old scheduler.
SYSTEM=membership
CDC_OLD_SLOT=$SLOT
while read -r topic partitions; do
  topic_is_there "$topic" "$partitions"
done < <(system_topics)
relay_set CONFIG "$ROOT/producers/membership/relay.json"
relay_set POSTGRES_SLOT "$CDC_OLD_SLOT"
relay_start
service_start auth-service
members_flow() {
  local i=0
  while [ -e "$RUN/load" ]; do
    i=$((i + 1))
    curl -sS --max-time 10 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' -H "X-Correlation-Id: $MINE.member.$1.$i" \
      --data "{\"provider\": \"kakao\", \"code\": \"p$((i / 2)):$1\"}" "http://127.0.0.1:${SERVICE_PORT[auth-service]}/api/auth/oauth/login" >>"$RUN/logins.$1" 2>/dev/null || sleep 0.02
  done
}
members_have_grown() {
  [ "$(pg 'SELECT count(*) FROM auth.member')" -ge "$1" ]
}
: >"$RUN/load"
flows=()
for flow in 1 2 3; do
  members_flow $flow &
  flows+=($!)
done
for kill in {1..5}; do
  await 'members' 20 members_have_grown $((kill * 15))
  service_kill auth-service
  service_start auth-service
done
await 'members' 20 members_have_grown 90
rm "$RUN/load"
wait "${flows[@]}"
relay_has_all
pg 'SELECT member_id FROM auth.member' | LC_ALL=C sort >"$RUN/rows"
events member-events | jq -r .key | LC_ALL=C sort >"$RUN/events"
assert_same_file 'members and their events' "$RUN/rows" "$RUN/events"
assert_eq 'answers to logins other than 200, 201 and 503' '' "$(cat "$RUN"/logins.? | grep -vxE '200|201|503|000' | sort | uniq -c || true)"
