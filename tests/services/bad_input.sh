#!/usr/bin/env bash
# What a service must not believe: wrong JSON, wrong types, values outside their limits, ids that nobody has, steps that do not exist, bodies that are too large, and
# 500 clients at once. Each gets an answer that says what is wrong; nothing is written, nothing is published, and the service goes on. Texts that are SQL are texts:
# they come back from the table and from Kafka as they went in.
# tags: real-kafka slow asan
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

system_new orders
system_tables membership
relay_init
relay_start
service_start order-service
service_start product-service
service_start auth-service
TABLES='orders.customer_order products.product auth.member public.outbox public.member_outbox_event orders.request_answer products.request_answer auth.request_answer'

tables_have() { # COUNT, all together
  local table sql=''
  for table in $TABLES; do
    sql+="${sql:++}(SELECT count(*) FROM $table)"
  done
  assert_eq 'rows in all tables' "$1" "$(pg "SELECT $sql")"
}

# without MEMBER JSON: prints it without that member; with MEMBER VALUE JSON: with another value, which is JSON.
without() {
  jq -c "del(.$1)" <<<"$2"
}
with() {
  jq -c --argjson value "$2" ".$1 = \$value" <<<"$3"
}

order='{"customerId": "user-1001", "customerEmail": "user1001@example.com", "totalAmount": 12900, "currency": "KRW"}'
product='{"productName": "wireless-keyboard", "price": 59900, "currency": "KRW", "stockQuantity": 120}'
login='{"provider": "kakao", "code": "mina"}'
long=$(printf 'x%.0s' {1..1000})

# Not JSON at all, or not what it says it is.
while IFS='|' read -r service path; do
  for body in '{' '[' 'x' '{"a":}' '{"a": 1,}' "{'a': 1}" '{"a": 1} x' 'nul' '"' '{"a": "\ud800"}' '{"a": 01}' '{"a": NaN}' '{"a": 1, "a": 2' '{"customerId": "a\u0000b"}' '{"a": 99999999999999999999}'; do
    refused 400 - "$service" POST "$path" "$body"
  done
  refused 400 - "$service" POST "$path" "$(printf '{"a": "\xff\xfe"}')"
  refused 400 - "$service" POST "$path" "$(printf '[%.0s' {1..2000})"
  for body in '[]' '"text"' '1' 'null' 'true' '[{}]'; do
    refused 400 - "$service" POST "$path" "$body"
  done
  call "$service" POST "$path" '' -H 'Content-Type: text/plain' --data-binary "$order" && answered 415
  call "$service" POST "$path" && answered 400
  head -c 70000 /dev/zero | tr '\0' ' ' >"$RUN/large"
  call "$service" POST "$path" '' -H 'Content-Type: application/json' -H 'Expect: 100-continue' --data-binary "@$RUN/large" && answered 413
  call "$service" POST "$path" '' -H 'Content-Type: application/json' -H 'Transfer-Encoding: chunked' --data-binary "@$RUN/large" && answered 413
  call "$service" DELETE "$path" && answered 405
  call "$service" POST "$path/nothing/of/the/kind" "$order" && answered 404
done <<'PATHS'
order-service|/api/orders
product-service|/api/products
auth-service|/api/auth/oauth/login
PATHS

# Each member in turn: missing, null, of another type, outside its limits. The answer names it.
members() { # SERVICE PATH BODY; then lines MEMBER VALUE...
  local member value
  while read -r member values; do
    refused 400 "$member" "$1" POST "$2" "$(without "$member" "$3")"
    while read -r value; do
      refused 400 "$member" "$1" POST "$2" "$(with "$member" "$value" "$3")"
    done < <(jq -c '.[]' <<<"$values")
  done
}
members order-service /api/orders "$order" <<MEMBERS
customerId    [null, 1, true, [], {}, "", "   ", "$long"]
customerEmail [null, 1, [], "", "nobody", "@example.com", "user@", "a@b@c", "a b@example.com", "a@exa mple.com", "a\n@example.com", "$long@example.com"]
totalAmount   [null, "12900", "12,900", true, [], {}, 0, -1, 0.001, 1e300, 1234567890123456]
currency      [null, 1, "", "krw", "KR", "KRWW", "XXY", "₩", "US\$"]
MEMBERS
members product-service /api/products "$product" <<MEMBERS
productName   [null, 1, [], {}, "", "  ", "$long"]
price         [null, "1", 0, -0.01, 1e30]
currency      [null, 7, "", "won", "ABC1"]
stockQuantity [null, "1", -1, 1.5, 1e10, 99999999999, true]
MEMBERS
members auth-service /api/auth/oauth/login "$login" <<MEMBERS
provider      [null, 1, [], "", " ", "$long"]
code          [null, 1, {}, "", "$long"]
MEMBERS
refused 400 customerId order-service POST /api/orders '{}'
for name in customerEmail totalAmount currency; do
  [[ $ANSWER == *"$name"* ]] || fail "an answer that lists every mistake lacks $name: $ANSWER"
done
for id in 00000000-0000-4000-8000-000000000000 1 %27%20OR%201=1-- ..%2f..%2fetc%2fpasswd %00 %ff "$long$long"; do
  call order-service POST "/api/orders/$id/status" '{"customerId": "user-1001", "customerEmail": "user1001@example.com", "previousStatus": 20, "currentStatus": 25}'
  [[ $STATUS == 40[04] || $STATUS == 41[04] || $STATUS == 431 ]] || fail "$CALL: $STATUS $ANSWER"
done
for member in previousStatus currentStatus; do
  for value in null '"20"' 20.0 -1 true '[]' 1e3 99999999999; do
    refused 400 "$member" order-service POST /api/orders/00000000-0000-4000-8000-000000000000/status \
      "$(jq -c --arg value "$value" '.' <<<'{"customerId": "user-1001", "customerEmail": "user1001@example.com", "previousStatus": 20, "currentStatus": 25}' |
        sed -E "s/\"$member\":[0-9]+/\"$member\":$value/")"
  done
done
for id in 1 x 0 %27%20OR%201=1-- 1%00; do
  call auth-service GET "/api/members/$id"
  [[ $STATUS == 40[04] ]] || fail "$CALL: $STATUS $ANSWER"
done
for body in '{"nickname": 1}' '{"nickname": ""}' "{\"nickname\": \"$long\"}" '{"nickname": []}'; do
  refused 400 nickname auth-service PUT /api/members/1 "$body"
done
for body in '{"email": 1}' '{"email": "x"}' '{"email": ""}' '{"email": {}}'; do
  refused 400 email auth-service PUT /api/members/1 "$body"
done

# Headers that others would have to live with.
call order-service POST /api/orders "$order" -H "Idempotency-Key: $long" && answered 400
curl -sS --max-time 10 -o "$RUN/made.answer" -D "$RUN/made.headers" -H "X-Correlation-Id: $long" -H 'Content-Type: application/json' --data '{' \
  "http://127.0.0.1:${SERVICE_PORT[order-service]}/api/orders"
! grep -qi "^x-correlation-id:.*$long" "$RUN/made.headers" || fail 'a correlation id of 1000 characters is carried on'

tables_have 0
events_are 0

# 500 clients at once, all wrong.
for file in 1 2; do
  for i in {1..250}; do
    case $((i % 5)) in
      0) body='{' ;;
      1) body='{"customerId": 1}' ;;
      2) body='{"customerId": "u", "customerEmail": "u@example.com", "totalAmount": -5, "currency": "KRW"}' ;;
      3) body='[]' ;;
      4) body="{\"customerId\": \"$long\"}" ;;
    esac
    printf 'next\nurl = "http://127.0.0.1:%s/api/orders"\nheader = "Content-Type: application/json"\nheader = "X-Correlation-Id: %s.crowd.%s.%s"\ndata-binary = "%s"\noutput = "/dev/null"\nwrite-out = "%%{http_code}\\n"\nmax-time = 30\n' \
      "${SERVICE_PORT[order-service]}" "$MINE" "$file" "$i" "${body//\"/\\\"}"
  done | sed 1d >"$RUN/crowd.$file"
done
curl -sS --parallel --parallel-immediate --parallel-max 250 -K "$RUN/crowd.1" >"$RUN/crowd.1.answers" 2>"$RUN/crowd.1.errors" &
curl -sS --parallel --parallel-immediate --parallel-max 250 -K "$RUN/crowd.2" >"$RUN/crowd.2.answers" 2>"$RUN/crowd.2.errors" || true
wait $! || true
assert_eq 'answers to 500 clients' 500 "$(cat "$RUN"/crowd.?.answers | wc -l)"
assert_eq 'answers that are neither 400 nor 503' '' "$(cat "$RUN"/crowd.?.answers | grep -vxE '400|503' | sort | uniq -c || true)"
tables_have 0
events_are 0

# Texts that are SQL, or would be something else to whom does not take care.
count=0
# shellcheck disable=SC2016
for text in "'; DROP TABLE orders.customer_order; --" "' OR '1'='1" "\$1" "\$\$; SELECT pg_sleep(10); \$\$" '%s%n%x' "\\'; --" "Robert'); DELETE FROM outbox;--" '${jndi:ldap://x}' '<script>' "line
break" 'ünï😀' '{"a": 1}'; do
  body=$(jq -nc --arg text "$text" '{customerId: $text, customerEmail: "o'"'"'--;drop@example.com", totalAmount: 1, currency: "KRW"}')
  call order-service POST /api/orders "$body" -H "Idempotency-Key: $MINE.$((count + 1))';DROP/**/TABLE/**/orders.request_answer;--"
  answered 201
  event order.created.v1
  assert_eq 'customerId in Kafka' "$text" "$(of_event .body.customerId)"
  assert_eq 'customerId in the table' "$text" "$(pg "SELECT customer_id FROM orders.customer_order WHERE order_id = '$(of_answer .orderId)'")"
  assert_eq 'e-mail in the table' "o'--;drop@example.com" "$(pg "SELECT customer_email FROM orders.customer_order WHERE order_id = '$(of_answer .orderId)'")"
  call order-service POST "/api/orders/$(of_answer .orderId)/status" "$(jq -c 'del(.totalAmount, .currency) + {previousStatus: 20, currentStatus: 25}' <<<"$body")"
  answered 200
  call product-service POST /api/products "$(jq -nc --arg text "$text" '{productName: $text, price: 1, currency: "KRW", stockQuantity: 0}')"
  answered 201
  event product.created.v1
  assert_eq 'productName in Kafka' "$text" "$(of_event .body.productName)"
  assert_eq 'productName in the table' "$text" "$(pg "SELECT product_name FROM products.product WHERE product_id = '$(of_answer .productId)'")"
  call auth-service POST /api/auth/oauth/login "$(jq -nc --arg text "$text" '{provider: $text, code: "mina"}')"
  answered 201
  call auth-service PUT "/api/members/$(of_answer .memberId)" "$(jq -nc --arg text "$text" '{nickname: $text}')"
  answered 200
  assert_eq 'provider and nickname in the table' "$text $text" "$(pg "SELECT provider || ' ' || nickname FROM auth.member WHERE member_id = $(of_answer .memberId)")"
  assert_eq 'nickname in the outbox' "$text" "$(pg "SELECT payload::json ->> 'nickname' FROM member_outbox_event WHERE aggregate_id = $(of_answer .memberId) AND event_type = 'UPDATED'")"
  count=$((count + 1))
done
events_are $((count * 3))
rows_are $count orders.customer_order
rows_are $count products.product
rows_are $count auth.member
rows_are $((count * 2)) public.member_outbox_event

for service in order-service product-service auth-service; do
  service_lives $service || fail "$service has ended"
  ! grep -aE 'DROP TABLE|jndi|user-1001' "$RUN/$service.log" || fail "$service has logged what it was sent"
done
