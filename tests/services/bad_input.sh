#!/usr/bin/env bash
# What a service must not believe: wrong JSON, wrong types, values outside their limits, ids that nobody has, steps that do not exist, bodies that are too large, and
# 500 clients at once, also where each is refused under the lock of one row. Each gets an answer that says what is wrong; nothing is written, nothing is published, and the
# service goes on.
# tags: real-kafka slow asan
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

systems_start
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

# crowd_line FILE NUMBER SERVICE METHOD PATH BODY: one of 500 requests, for curl; every other one has a key.
crowd_line() {
  local key=''
  [ $(($2 % 2)) = 0 ] || key="header = \"Idempotency-Key: $MINE.crowd.$1.$2\"\n"
  printf 'next\nurl = "http://127.0.0.1:%s%s"\nrequest = "%s"\nheader = "Content-Type: application/json"\nheader = "X-Correlation-Id: %s.crowd.%s.%s"\n%bdata-binary = "%s"\noutput = "/dev/null"\nwrite-out = "%%{http_code}\\n"\nmax-time = 60\n' \
    "${SERVICE_PORT[$3]}" "$5" "$4" "$MINE" "$1" "$2" "$key" "${6//\"/\\\"}"
}

# crowd_asks: all of them at once.
crowd_asks() {
  curl -sS --parallel --parallel-immediate --parallel-max 250 -K "$RUN/crowd.1" >"$RUN/crowd.1.answers" 2>"$RUN/crowd.1.errors" &
  curl -sS --parallel --parallel-immediate --parallel-max 250 -K "$RUN/crowd.2" >"$RUN/crowd.2.answers" 2>"$RUN/crowd.2.errors" || true
  wait $! || true
  assert_eq 'answers to 500 clients' 500 "$(cat "$RUN"/crowd.?.answers | wc -l)"
}

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
    crowd_line $file "$i" order-service POST /api/orders "$body"
  done | sed 1d >"$RUN/crowd.$file"
done
crowd_asks
assert_eq 'answers that are neither 400 nor 503' '' "$(cat "$RUN"/crowd.?.answers | grep -vxE '400|503' | sort | uniq -c || true)"
tables_have 0
events_are 0

# And 500 that are refused for what is stored: each asks under a lock on the one order, or on the one member, for which all of them wait.
call order-service POST /api/orders "$order" && answered 201
steps=/api/orders/$(of_answer .orderId)/status
call auth-service POST /api/auth/oauth/login "$login" && answered 201
member=/api/members/$(of_answer .memberId)
call auth-service DELETE "$member" && answered 204
stored() {
  pg "SELECT o.xmin, o FROM orders.customer_order o" "SELECT m.xmin, m FROM auth.member m"
}
before=$(stored)
customer='"customerId": "user-1001", "customerEmail": "user1001@example.com"'
for file in 1 2; do
  for i in {1..250}; do
    service=order-service method=POST path=$steps
    case $((i % 6)) in
      0) body="{$customer, \"previousStatus\": 25, \"currentStatus\": 80}" ;;
      1) body="{$customer, \"previousStatus\": 20, \"currentStatus\": 80}" ;;
      2) body="{$customer, \"previousStatus\": 20, \"currentStatus\": 20}" ;;
      3) body="{${customer/1001/1002}, \"previousStatus\": 20, \"currentStatus\": 25}" ;;
      4) path=/api/orders/00000000-0000-4000-8000-000000000000/status body="{$customer, \"previousStatus\": 20, \"currentStatus\": 25}" ;;
      5) service=auth-service method=PUT path=$member body='{"nickname": "back"}' ;;
    esac
    crowd_line $file "$i" $service $method "$path" "$body"
  done | sed 1d >"$RUN/crowd.$file"
done
held_until_crowded "SELECT FROM orders.customer_order FOR UPDATE; SELECT FROM auth.member FOR UPDATE" COMMIT 12
crowd_asks
held_ends
assert_eq 'answers that are none of 404, 409, 422 and 503' '' "$(cat "$RUN"/crowd.?.answers | grep -vxE '404|409|422|503' | sort | uniq -c || true)"
for status in 404 409 422; do
  grep -qx $status "$RUN"/crowd.?.answers || fail "nobody got $status"
done
assert_eq 'order and member behind 500 clients' "$before" "$(stored)"
rows_are 1 public.outbox
rows_are 2 public.member_outbox_event
rows_are 0 orders.request_answer
events_are 1

for service in order-service product-service auth-service; do
  service_lives $service || fail "$service has ended"
  ! grep -aE 'user-100' "$RUN/$service.log" || fail "$service has logged what it was sent"
done
