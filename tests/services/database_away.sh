#!/usr/bin/env bash
# The database goes away under the services and comes back: requests are answered 503 meanwhile, with Retry-After, nobody has to be started again, and what was answered
# 201 before, between and after is there once, with its event.
# tags: real-kafka slow
# shellcheck disable=SC2034
POSTGRES=own OWN_POSTGRES=()
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

system_new orders
relay_init
relay_start
service_start order-service
order='{"customerId": "user-1001", "customerEmail": "user1001@example.com", "totalAmount": 12900, "currency": "KRW"}'

order_is_taken() {
  call order-service POST /api/orders "$order" && [ "$STATUS" = 201 ]
}

call order-service POST /api/orders "$order" && answered 201
for mode in INT QUIT; do # a fast shutdown, an immediate one
  process_stop own $mode
  call order-service POST /api/orders "$order" -H "Idempotency-Key: $MINE.$mode" && answered 503
  grep -qi '^retry-after: [0-9]' "$RUN/call.headers" || fail "a 503 without Retry-After: $(cat "$RUN/call.headers")"
  service_lives order-service || fail 'order-service has ended'
  ! service_is_ready order-service || fail 'order-service says it is ready, without a database'
  curl -sf --max-time 5 -o /dev/null "http://127.0.0.1:${SERVICE_PORT[order-service]}/livez" || fail 'order-service says it is dead, without a database'
  postgres_run own
  await 'an order after the database is back' 30 order_is_taken
  # What was refused may be asked again with the same key.
  call order-service POST /api/orders "$order" -H "Idempotency-Key: $MINE.$mode" && answered 201
  first=$ANSWER
  call order-service POST /api/orders "$order" -H "Idempotency-Key: $MINE.$mode" && answered 201
  assert_eq 'the answer to the same request' "$first" "$ANSWER"
done
await_state streaming
rows_are 5 orders.customer_order
relay_has_all
# A server that goes away has not been told of all that Kafka has, so that the relay may publish it again: the same event, by its id.
pg 'SELECT order_id FROM orders.customer_order' | LC_ALL=C sort >"$RUN/rows"
events order.created.v1 | jq -r '"\(.headers.id) \(.key)"' | LC_ALL=C sort -u | cut -d ' ' -f 2 | LC_ALL=C sort >"$RUN/events"
assert_same_file 'orders and their events' "$RUN/rows" "$RUN/events"
