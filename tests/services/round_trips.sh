#!/usr/bin/env bash
# How often each call of the three services waits for its database, counted at the socket: what docs/services.md says, and no more. A row that is locked stays locked through the
# waits behind it.
# tags: asan
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

system_tables inbox
system_tables membership
system_tables orders

coproc COUNTER { exec "$BUILD/tests/services/trip_counter" "$PG_PORT" 2>"$RUN/trip_counter.err"; }
counter=$COUNTER_PID
read -r counted_port <&"${COUNTER[0]}"

# counted_start NAME: the line takes one connection at a time. So there is one worker, and nobody asks /readyz, which has a connection of its own.
counted_start() {
  service_launch "$1" DATABASE_URL="host=127.0.0.1 port=$counted_port user=${1//-/_}_1 dbname=$DB sslmode=disable gssencmode=disable" HTTP_WORKERS=1
  await "$1" 20 curl -sf --max-time 5 -o /dev/null "http://127.0.0.1:${SERVICE_PORT[$1]}/livez"
}

# trips COUNT STATUS SERVICE METHOD PATH [BODY [CURL-ARGUMENT...]]: a call is answered so, and has waited so often.
trips() {
  local expected=$1 status=$2 counted
  shift 2
  echo >&"${COUNTER[1]}"
  read -r counted <&"${COUNTER[0]}"
  call "$@"
  answered "$status"
  echo >&"${COUNTER[1]}"
  read -r counted <&"${COUNTER[0]}"
  assert_eq "round trips of: $CALL" "$expected" "$counted"
}

# login TRIPS STATUS CODE [CURL-ARGUMENT...]
login() {
  trips "$1" "$2" auth-service POST /api/auth/oauth/login "{\"provider\": \"kakao\", \"code\": \"$3\"}" "${@:4}"
}

counted_start auth-service
call auth-service GET /api/members/1 # connects
answered 404
login 2 201 mina
mina=/api/members/$(of_answer .memberId)
login 2 200 mina
login 3 201 jun -H "Idempotency-Key: $MINE.jun"
login 3 200 jun -H "Idempotency-Key: $MINE.found"
login 2 201 jun -H "Idempotency-Key: $MINE.jun"
trips 2 200 auth-service GET "$mina"
trips 2 404 auth-service GET /api/members/999
trips 2 200 auth-service PUT "$mina" '{"nickname": "Mina", "email": "mina@example.com"}'
trips 2 200 auth-service PUT "$mina" '{"nickname": "Mina"}'
trips 2 200 auth-service PUT "$mina" '{"nickname": "mina"}' -H "Idempotency-Key: $MINE.renamed"
trips 2 200 auth-service PUT "$mina" '{"nickname": "mina"}' -H "Idempotency-Key: $MINE.renamed"
trips 2 404 auth-service PUT /api/members/999 '{"nickname": "nobody"}'
trips 2 204 auth-service DELETE "$mina" '' -H "Idempotency-Key: $MINE.withdrawn"
trips 2 204 auth-service DELETE "$mina"
trips 2 409 auth-service PUT "$mina" '{"nickname": "back"}'
login 2 403 mina
trips 2 404 auth-service DELETE /api/members/999
# The login that another one's is before, and that finds its member.
held_until_crowded "INSERT INTO auth.member (provider, provider_id, nickname) VALUES ('kakao', 'sora', 'sora')" COMMIT 1
login 2 200 sora
held_ends
process_stop auth-service

customer='"customerId": "user-1001", "customerEmail": "user1001@example.com"'
counted_start order-service
call order-service POST "/api/orders/00000000-0000-4000-8000-000000000000/status" "{$customer, \"previousStatus\": 20, \"currentStatus\": 25}" # connects
answered 404
trips 1 201 order-service POST /api/orders "{$customer, \"totalAmount\": 12900, \"currency\": \"KRW\"}"
order=/api/orders/$(of_answer .orderId)/status
trips 1 201 order-service POST /api/orders "{$customer, \"totalAmount\": 12900, \"currency\": \"KRW\"}" -H "Idempotency-Key: $MINE.order"
trips 2 201 order-service POST /api/orders "{$customer, \"totalAmount\": 12900, \"currency\": \"KRW\"}" -H "Idempotency-Key: $MINE.order"
trips 2 200 order-service POST "$order" "{$customer, \"previousStatus\": 20, \"currentStatus\": 25}"
trips 2 409 order-service POST "$order" "{$customer, \"previousStatus\": 20, \"currentStatus\": 25}"
trips 2 200 order-service POST "$order" "{$customer, \"previousStatus\": 25, \"currentStatus\": 80}" -H "Idempotency-Key: $MINE.step"
process_stop order-service

product='"price": 129000, "currency": "KRW", "stockQuantity": 50'
counted_start product-service
call product-service POST /api/products "{\"productName\": \"the first\", $product}" # connects
answered 201
trips 1 201 product-service POST /api/products "{\"productName\": \"keyboard\", $product}"
trips 1 201 product-service POST /api/products "{\"productName\": \"mouse\", $product}" -H "Idempotency-Key: $MINE.product"
process_stop product-service

counter_words=${COUNTER[1]}
exec {counter_words}>&-
wait "$counter" || fail "trip_counter: $(cat "$RUN/trip_counter.err")"
