#!/usr/bin/env bash
# Every call of the orders' document, as it is printed there, and the event of each, read back from Kafka: topic, key, headers and body. What is refused, and what is
# asked again with the same Idempotency-Key, publishes nothing; of equal requests at once, one takes the step.
# tags: real-kafka slow asan
# plugins: both
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

system_new orders
relay_init
relay_start
service_start order-service PGOPTIONS='-c lock_timeout=60s'
service_start product-service

# An order, and its two steps.
EVENT_TIMES=createdAt EVENT_TIME_FORM=$UTC_TIME
trace=0af7651916cd43dd8448eb211c80319c
customer='"customerId": "user-1001", "customerEmail": "user1001@example.com"'
call order-service POST /api/orders "{$customer, \"totalAmount\": 12900, \"currency\": \"KRW\"}" -H "traceparent: 00-$trace-b7ad6b7169203331-01"
answered 201
order=$(of_answer .orderId)
assert_match 'orderId' "$UUID" "$order"
assert_eq 'the answer to an order' "{\"orderId\":\"$order\",\"status\":20}" "$(jq -cS . <<<"$ANSWER")"
event order.created.v1
event_is "$order" OrderCreated order-service "{\"orderId\": \"$order\", $customer, \"totalAmount\": 12900, \"currency\": \"KRW\"}"
assert_match 'traceparent: the trace of the request, a span of its own, its flags' "^00-$trace-[0-9a-f]{16}-01$" "$(of_event .headers.traceparent)"
[ "$(of_event .headers.traceparent)" != "00-$trace-b7ad6b7169203331-01" ] || fail 'the event has the span of the request'
assert_eq 'the order as it is stored' "user-1001|user1001@example.com|12900|KRW|20" \
  "$(pg "SELECT customer_id, customer_email, trim_scale(total_amount), currency, status FROM orders.customer_order WHERE order_id = '$order'")"

# Steps that are none: in the document's order of refusals.
step() { # FROM TO [ORDER [CUSTOMER]]
  call order-service POST "/api/orders/${3:-$order}/status" "{${4:-$customer}, \"previousStatus\": $1, \"currentStatus\": $2}"
}
unknown=00000000-0000-4000-8000-000000000000
step 20 25 "$unknown" && answered 404
step 20 25 no-uuid && answered 404
step 25 80 && answered 409
step 20 80 && answered 422
step 20 20 && answered 422
step 20 25 "$order" '"customerId": "user-1002", "customerEmail": "user1001@example.com"' && answered 422
step 20 25 "$order" '"customerId": "user-1001", "customerEmail": "user1002@example.com"' && answered 422

EVENT_TIMES=changedAt
step 20 25 && answered 200
assert_eq 'the answer to a step' "{\"orderId\":\"$order\",\"status\":25}" "$(jq -cS . <<<"$ANSWER")"
event order.shipped.v1
event_is "$order" OrderShipped order-service "{\"orderId\": \"$order\", $customer, \"previousStatus\": 20, \"currentStatus\": 25}"
step 20 25 && answered 409
step 25 20 && answered 422
step 25 80 "${order^^}" && answered 200 # the same uuid, and so the same key
assert_eq 'the answer names the order as it was made' "{\"orderId\":\"$order\",\"status\":80}" "$(jq -cS . <<<"$ANSWER")"
event order.shipped.v1
event_is "$order" OrderShipped order-service "{\"orderId\": \"$order\", $customer, \"previousStatus\": 25, \"currentStatus\": 80}"
step 25 80 && answered 409
step 80 20 && answered 422
assert_eq 'the status that is stored' 80 "$(pg "SELECT status FROM orders.customer_order WHERE order_id = '$order'")"

# A step that began before the one that it follows, and waited: its time is the later one all the same, in the event and in the table.
call order-service POST /api/orders "{$customer, \"totalAmount\": 7, \"currency\": \"KRW\"}"
answered 201
late=$(of_answer .orderId)
ships() {
  step 20 25 "$late"
}
call_behind orders.request_answer ships order-service POST "/api/orders/$late/status" "{$customer, \"previousStatus\": 25, \"currentStatus\": 80}"
events_are 6
events order.shipped.v1 | jq -r --arg key "$late" 'select(.key == $key) | "\(.offset) \(.body.currentStatus) \(.body.changedAt)"' | sort -n | cut -d ' ' -f 2- >"$RUN/late"
assert_eq 'two steps of one order' '25 80' "$(cut -d ' ' -f 1 "$RUN/late" | xargs)"
assert_eq 'their times' "$(cut -d ' ' -f 2 "$RUN/late")" "$(cut -d ' ' -f 2 "$RUN/late" | LC_ALL=C sort -u)"
assert_eq 'the time of the last step in the table' "$(tail -n 1 "$RUN/late" | cut -d ' ' -f 2)" \
  "$(pg "SELECT to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM orders.customer_order WHERE order_id = '$late'")"

# Nor is it earlier where the order was made by a service with a clock that is an hour fast.
call order-service POST /api/orders "{$customer, \"totalAmount\": 7, \"currency\": \"KRW\"}"
answered 201
fast=$(pg "UPDATE orders.customer_order SET updated_at = now() + interval '1 hour' WHERE order_id = '$(of_answer .orderId)' RETURNING to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
step 20 25 "$(of_answer .orderId)" && answered 200
event order.shipped.v1
[[ $(of_event .body.changedAt) > $fast ]] || fail "the step behind $fast is an earlier one: $EVENT"

# The order that will fail later on is as good as any here.
EVENT_TIMES=createdAt
failing='"customerId": "fail-user-1", "customerEmail": "fail@example.com", "totalAmount": 5000, "currency": "KRW"'
call order-service POST /api/orders "{$failing}"
answered 201
event order.created.v1
event_is "$(of_answer .orderId)" OrderCreated order-service "{\"orderId\": \"$(of_answer .orderId)\", $failing}"

# Amounts are exact to the last digit, in the table and in the event's bytes.
call order-service POST /api/orders "{$customer, \"totalAmount\": 12900.55, \"currency\": \"USD\"}"
answered 201
event order.created.v1
assert_match 'the amount in the bytes of the event' '"totalAmount": ?12900\.55[,}]' "$(of_event .value)"
assert_eq 'the amount that is stored' 12900.55 "$(pg "SELECT trim_scale(total_amount) FROM orders.customer_order WHERE order_id = '$(of_answer .orderId)'")"

# A product.
keyboard='"productName": "wireless-keyboard", "price": 59900, "currency": "KRW", "stockQuantity": 120'
call product-service POST /api/products "{$keyboard}"
answered 201
product=$(of_answer .productId)
assert_eq 'the answer to a product' "{\"productId\":\"$product\"}" "$(jq -cS . <<<"$ANSWER")"
event product.created.v1
event_is "$product" ProductCreated product-service "{\"productId\": \"$product\", $keyboard}"
assert_eq 'the product as it is stored' 'wireless-keyboard|59900|KRW|120' \
  "$(pg "SELECT product_name, trim_scale(price), currency, stock_quantity FROM products.product WHERE product_id = '$product'")"
events_are 11

# The same request again, by its key: the first answer, nothing new. The same key for something else is refused.
call order-service POST /api/orders "{$customer, \"totalAmount\": 1, \"currency\": \"EUR\"}" -H "Idempotency-Key: $MINE"
answered 201
first=$ANSWER
for _ in 1 2 3; do
  call order-service POST /api/orders "{$customer, \"totalAmount\": 1, \"currency\": \"EUR\"}" -H "Idempotency-Key: $MINE"
  answered 201
  assert_eq 'the answer to the same request' "$(jq -cS . <<<"$first")" "$(jq -cS . <<<"$ANSWER")"
done
call order-service POST /api/orders "{$customer, \"totalAmount\": 2, \"currency\": \"EUR\"}" -H "Idempotency-Key: $MINE"
answered 422
call product-service POST /api/products "{$keyboard}" -H "Idempotency-Key: $MINE"
answered 201
call product-service POST /api/products "{$keyboard}" -H "Idempotency-Key: $MINE"
answered 201
events_are 13
rows_are 6 orders.customer_order
rows_are 2 products.product

# Twenty equal steps at once: eight of them, the service's workers, stand before the order's lock together.
order=$(jq -r .orderId <<<"$first")
held_until_crowded "SELECT FROM orders.customer_order WHERE order_id = '$order' FOR UPDATE" COMMIT 8
seq 20 | xargs -P 20 -I {} curl -sS --max-time 30 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' -H "X-Correlation-Id: $MINE.at-once.{}" \
  --data "{$customer, \"previousStatus\": 20, \"currentStatus\": 25}" "http://127.0.0.1:${SERVICE_PORT[order-service]}/api/orders/$order/status" >"$RUN/steps"
held_ends
assert_eq 'answers to twenty equal steps' '1 200 19 409' "$(sort "$RUN/steps" | uniq -c | xargs)"
events_are 14

# A step whose UPDATE meets a conflict that passes is done again, with nothing of the first attempt: the order is locked by its id in capitals, and both attempts find the
# letters that it was made with.
pg "CREATE SEQUENCE conflicts" \
  "CREATE FUNCTION conflict_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN
     IF nextval('public.conflicts') = 1 THEN RAISE serialization_failure; END IF; RETURN NEW; END \$\$" \
  "CREATE TRIGGER conflict_once BEFORE UPDATE ON orders.customer_order FOR EACH ROW EXECUTE FUNCTION conflict_once()" >/dev/null
EVENT_TIMES=changedAt
step 25 80 "${order^^}" && answered 200
event order.shipped.v1
event_is "$order" OrderShipped order-service "{\"orderId\": \"$order\", $customer, \"previousStatus\": 25, \"currentStatus\": 80}"
assert_eq 'attempts at the step' 2 "$(pg 'SELECT last_value FROM conflicts')"
pg "DROP TRIGGER conflict_once ON orders.customer_order"
events_are 15

# Twenty equal requests with one key at once: one order, and all get the same answer.
held_until_crowded "INSERT INTO orders.request_answer (key, route, digest) VALUES ('$MINE.2', '', '')" ROLLBACK 8
seq 20 | xargs -P 20 -I {} curl -sS --max-time 30 -o "$RUN/one-key.{}" -w '%{http_code}\n' -H 'Content-Type: application/json' -H "X-Correlation-Id: $MINE.one-key.{}" \
  -H "Idempotency-Key: $MINE.2" --data "{$customer, \"totalAmount\": 3, \"currency\": \"EUR\"}" "http://127.0.0.1:${SERVICE_PORT[order-service]}/api/orders" >"$RUN/one-key"
held_ends
assert_eq 'answers to one key' '20 201' "$(sort "$RUN/one-key" | uniq -c | xargs)"
assert_eq 'orders of one key' 1 "$(jq -r .orderId "$RUN"/one-key.* | sort -u | wc -l)"
events_are 16
rows_are 7 orders.customer_order

# A key whose order is there, while the table of answers is locked: the answer is not known then, and "nothing was done" would be a lie that makes a second order.
process_stop order-service
service_start order-service PGOPTIONS='-c lock_timeout=200'
again() {
  call order-service POST /api/orders "{$customer, \"totalAmount\": 4, \"currency\": \"EUR\"}" -H "Idempotency-Key: $MINE.3"
}
again && answered 201
made=$ANSWER
pg 'BEGIN; LOCK TABLE orders.request_answer IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)' >"$RUN/lock.log" 2>&1 &
lock=$!
answers_are_locked() {
  [ "$(pg "SELECT count(*) FROM pg_locks WHERE relation = 'orders.request_answer'::regclass AND mode = 'AccessExclusiveLock' AND granted")" = 1 ]
}
await 'the lock' 10 answers_are_locked
again && answered 503
assert_match 'what is said of a key whose order is there' 'this attempt did nothing; whether an earlier one' "$(of_answer .detail)"
pg "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%LOCK TABLE orders.request_answer%' AND pid <> pg_backend_pid()" >/dev/null
wait $lock || true
again && answered 201
assert_eq 'the answer to the same request, behind the lock' "$made" "$ANSWER"
events_are 17
rows_are 8 orders.customer_order
