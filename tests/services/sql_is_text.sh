#!/usr/bin/env bash
# Texts that are SQL, or would be something else to whom does not take care, are texts: in every field, header and query of every call, they come back from the table and from
# Kafka as they went in, or are refused where no text is wanted, with nothing written.
# tags: real-kafka slow asan
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

# shellcheck disable=SC2016
texts=("'; DROP TABLE orders.customer_order; --" "' OR '1'='1" "\$1" "\$\$; SELECT pg_sleep(10); \$\$" '%s%n%x' "\\'; --" "x'); DELETE FROM outbox;--" '${jndi:ldap://x}' '<script>' "line
break" 'ünï😀' '{"a": 1}' "', (SELECT version()), '")

# text_is TEXT: in $text, and as a word in $word, for what may have neither spaces nor other than ASCII; in $encoded, for a path or a query, where no line may end; as JSON in
# $json. In $headers are headers that a service reads or that others behind it might.
text_is() {
  text=$1
  word=$(LC_ALL=C tr -cd '!-~' <<<"${text// //**/}")
  encoded=$(jq -rn --arg text "${text//$'\n'/ }" '$text | @uri')
  json=$(jq -n --arg text "$text" '$text')
  CORRELATION_END=.$word
  headers=(-H "traceparent: 00-$word-b7ad6b7169203331-01" -H "Authorization: Bearer $word" -H "User-Agent: $word" -H "Cookie: $word=$word")
}

# object NAME VALUE...: JSON, of values that are JSON.
object() {
  jq -nc '[$ARGS.positional as $all | range(0; $all | length; 2) | {key: $all[.], value: ($all[. + 1] | fromjson)}] | from_entries' --args "$@"
}

# asked STATUS SERVICE METHOD PATH BODY: with all headers and, in the query, the text.
asked() {
  local key=$MINE.$((CALLS + 1)).$word
  call "$2" "$3" "$4?$encoded=$encoded" "$5" -H "Idempotency-Key: $key" "${headers[@]}"
  answered "$1"
  [ "$1" -ge 400 ] || echo "$key" >>"$RUN/keys"
}

# publishes TOPIC NAME VALUE...: the last call does, with these members, among others, in the body, its correlation id, and a trace of its own, since it was given none.
publishes() {
  jq -nc --arg topic "$1" --arg correlationId "$CORRELATION" --argjson body "$(object "${@:2}")" '$ARGS.named' >>"$RUN/expected"
}

# all_are_there OUTBOX CORRELATION-ID ANSWERS...: all of that is published and nothing else, the outbox has the correlation ids, and the tables of answers have the keys.
all_are_there() {
  local topic table correlation_ids keys
  correlation_ids=$(pg "SELECT $2 FROM $1")
  keys=$(for table in "${@:3}"; do pg "SELECT key FROM $table"; done)
  events_are "$(wc -l <"$RUN/expected")"
  system_topics | while read -r topic; do events "$topic"; done >"$RUN/published"
  assert_eq 'what is not in Kafka as it was sent' '' "$(jq -c --slurpfile published "$RUN/published" '. as $e | select([$published[]
    | select(.topic == $e.topic and .headers.correlationId == $e.correlationId and (.headers.traceparent | test("^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"))
      and (.body | with_entries(select(.key as $key | $e.body | has($key)))) == $e.body)] | length != 1)' "$RUN/expected")"
  assert_eq 'correlation ids in the outbox' "$(jq -r .correlationId "$RUN/expected" | LC_ALL=C sort)" "$(LC_ALL=C sort <<<"$correlation_ids")"
  assert_eq 'keys of answers' "$(LC_ALL=C sort "$RUN/keys")" "$(LC_ALL=C sort <<<"$keys")"
  rm "$RUN/expected" "$RUN/keys"
}

# is WHAT EXPECTED ACTUAL
is() {
  assert_eq "$1 of: $CALL" "$2" "$3"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Orders and products

systems_start

for each in "${texts[@]}"; do
  text_is "$each"
  customer=(customerId "$json" customerEmail "$(jq -n --arg word "$word" '$word + "@" + $word')")
  asked 201 order-service POST /api/orders "$(object "${customer[@]}" totalAmount 1 currency '"KRW"')"
  order=$(of_answer .orderId)
  publishes order.created.v1 "${customer[@]}"
  is 'the row' "$text|$word@$word" "$(pg "SELECT customer_id, customer_email FROM orders.customer_order WHERE order_id = '$order'")"
  asked 200 order-service POST "/api/orders/$order/status" "$(object "${customer[@]}" previousStatus 20 currentStatus 25)"
  publishes order.shipped.v1 "${customer[@]}"
  asked 201 product-service POST /api/products "$(object productName "$json" price 1 currency '"KRW"' stockQuantity 0)"
  publishes product.created.v1 productName "$json"
  is 'the row' "$text" "$(pg "SELECT product_name FROM products.product WHERE product_id = '$(of_answer .productId)'")"

  # Where no text is wanted, or another one.
  asked 400 order-service POST /api/orders "$(object "${customer[@]}" totalAmount "$json" currency "$json")"
  is 'wrong fields' 'currency totalAmount' "$(of_answer '[.errors[].field] | sort | join(" ")')"
  asked 400 order-service POST "/api/orders/$order/status" "$(object "${customer[@]}" previousStatus "$json" currentStatus "$json")"
  is 'wrong fields' 'currentStatus previousStatus' "$(of_answer '[.errors[].field] | sort | join(" ")')"
  asked 400 product-service POST /api/products "$(object productName "$json" price "$json" currency "$json" stockQuantity "$json")"
  is 'wrong fields' 'currency price stockQuantity' "$(of_answer '[.errors[].field] | sort | join(" ")')"
  asked 422 order-service POST "/api/orders/$order/status" "$(object customerId '"x"' "${customer[@]:2}" previousStatus 25 currentStatus 80)"
  asked 404 order-service POST "/api/orders/$encoded/status" "$(object "${customer[@]}" previousStatus 20 currentStatus 25)"
done
all_are_there public.outbox "headers ->> 'correlationId'" orders.request_answer products.request_answer
rows_are ${#texts[@]} orders.customer_order
rows_are ${#texts[@]} products.product

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Members. Their relay goes on where that of the orders has ended.

relay_stop
system_new membership
relay_start
for each in "${texts[@]}"; do
  text_is "$each"
  person=$(jq -n --arg text "${text%%:*}" '$text') # as a code is read by what stands in for a provider
  asked 201 auth-service POST /api/auth/oauth/login "$(object provider "$json" code "$json")"
  member=$(of_answer .memberId)
  publishes member-events eventType '"CREATED"' memberId "$member" nickname "$person"
  is 'the row' "$text|${text%%:*}|${text%%:*}" "$(pg "SELECT provider, provider_id, nickname FROM auth.member WHERE member_id = $member")"
  asked 200 auth-service PUT "/api/members/$member" "$(object nickname "$json" email "$(jq -n --arg word "$word" '$word + "@" + $word')")"
  is 'the answer' "$text $word@$word" "$(of_answer '"\(.nickname) \(.email)"')"
  is 'the row' "$text|$word@$word" "$(pg "SELECT nickname, email FROM auth.member WHERE member_id = $member")"
  publishes member-events eventType '"UPDATED"' memberId "$member" nickname "$json"
  call auth-service GET "/api/members/$member?$encoded=$encoded" '' "${headers[@]}"
  answered 200
  asked 404 auth-service PUT "/api/members/$encoded" '{"nickname": "x"}'
  asked 404 auth-service DELETE "/api/members/$encoded" ''
  call auth-service GET "/api/members/$encoded" '' "${headers[@]}"
  answered 404
  asked 204 auth-service DELETE "/api/members/$member" ''
  publishes member-events eventType '"DELETED"' memberId "$member"
done
all_are_there public.member_outbox_event correlation_id auth.request_answer
rows_are ${#texts[@]} auth.member

for service in order-service product-service auth-service; do
  service_lives $service || fail "$service has ended"
  # A correlation id is in the log, and nothing else of a request: neither body, which may have spaces, nor path, where they are written otherwise.
  ! grep -aE 'DROP( |%20)TABLE' "$RUN/$service.log" || fail "$service has logged what it was sent"
done
