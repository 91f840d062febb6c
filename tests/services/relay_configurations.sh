#!/usr/bin/env bash
# producers/<system>/relay.json with producers/<system>/topics.json and sql/<system>.sql: what each service's role writes by SQL arrives where docs/events/ says, under its
# key, with its headers, and a dead letter in the partition that it came from. In the members' database the old scheduler works beside the relay.
# tags:
# plugins: both
# shellcheck source=tests/e2e/harness.sh disable=SC2016
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

# These topics have the names that they have in production: what an earlier scenario left in them is told apart by keys that nobody else has.
uuid() {
  cat /proc/sys/kernel/random/uuid
}

# records TOPIC KEY: PARTITION|KEY|VALUE|HEADERS, in their order, without zero bytes, which no variable can hold.
records() {
  KCAT_FORMAT='%p|%k|%s|%h\n' read_topic "$1" | tr -d '\000' | awk -F '|' -v key="$2" '$2 == key'
}

has_records() {
  [ "$(records "$1" "$2" | wc -l)" = "$3" ]
}

# await_key TOPIC KEY COUNT: waits, then prints them.
await_key() {
  await "$3 records of $2 in $1" 20 has_records "$1" "$2" "$3"
  records "$1" "$2"
}

# field NUMBER LINE
field() {
  cut -d '|' -f "$1" <<<"$2"
}

# conforms TOPIC KEY COUNT [ARGUMENT]: so many records, and all of them as docs/events/ has it.
conforms() {
  local said
  said=$(kcat -C -b "$KAFKA" -q -e -o beginning -J -t "$1" | jq -c "select(.key == \"$2\")" | "$ROOT/tests/tools/check_events" ${4:+"$4"} 2>&1) || fail "$1 is not as docs/events/ has it: $said"
  assert_eq "records of $1 that were looked at" "$3 records, 0 mistakes" "$said"
}

# system NAME: its tables, its topics, its relay.
system() {
  pg_read <"$ROOT/sql/inbox.sql" >"$RUN/$1.sql.log" 2>&1 || fail "inbox.sql: $(cat "$RUN/$1.sql.log")"
  pg_read <"$ROOT/sql/$1.sql" >"$RUN/$1.sql.log" 2>&1 || fail "$1.sql: $(cat "$RUN/$1.sql.log")"
  topics_make "$ROOT/producers/$1/topics.json" >"$RUN/topics.log" 2>&1 || fail "topics of $1: $(cat "$RUN/topics.log")"
  RELAY_SETTINGS=(CDC_RELAY_CONFIG="$ROOT/producers/$1/relay.json" CDC_RELAY_POSTGRES_URL="postgresql://relay@127.0.0.1:$PG_PORT/$DB" CDC_RELAY_POSTGRES_PLUGIN="$PLUGIN"
    CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS="$KAFKA" CDC_RELAY_ADMIN_LISTEN=127.0.0.1:0)
  relay_command config config || fail "configuration of $1: $(cat "$RUN/config.err")"
  relay_init
  relay_checks_topics "$ROOT/producers/$1/topics.json"
  relay_start
}

CORRELATION=request-17
TRACE=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
headers_of() { # SOURCE
  echo "{\"source\": \"$1\", \"timestamp\": \"2026-01-25T10:15:30.123456Z\", \"version\": \"1.0\", \"correlationId\": \"$CORRELATION\", \"traceparent\": \"$TRACE\"}"
}

# assert_headers WHAT HEADERS NAME=VALUE...
assert_headers() {
  local what=$1 headers=$2 wanted
  shift 2
  for wanted in "$@"; do
    assert_eq "$what: header ${wanted%%=*}" "${wanted#*=}" "$(header "${wanted%%=*}" "$headers")"
  done
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Orders

system orders
order=$(uuid) product=$(uuid) made=$(uuid) shipped=$(uuid) offered=$(uuid)
customer='"customerId":"user-1001","customerEmail":"user1001@example.com"'
pg_read <<SQL
SET ROLE order_service;
INSERT INTO public.outbox (id, aggregatetype, aggregateid, type, payload, headers) VALUES ('$made', 'order.created.v1', '$order', 'OrderCreated',
  '{"eventId":"$made","orderId":"$order",$customer,"totalAmount":12900,"currency":"KRW","createdAt":"2026-01-25T10:15:30.123456Z"}', '$(headers_of order-service)');
INSERT INTO public.outbox (id, aggregatetype, aggregateid, type, payload, headers) VALUES ('$shipped', 'order.shipped.v1', '$order', 'OrderShipped',
  '{"eventId":"$shipped","orderId":"$order",$customer,"previousStatus":20,"currentStatus":25,"changedAt":"2026-01-25T10:15:31Z"}', '$(headers_of order-service)');
SET ROLE product_service;
INSERT INTO public.outbox (id, aggregatetype, aggregateid, type, payload, headers) VALUES ('$offered', 'product.created.v1', '$product', 'ProductCreated',
  '{"eventId":"$offered","productId":"$product","productName":"wireless-keyboard","price":59900.5,"currency":"KRW","stockQuantity":0,"createdAt":"2026-01-25T10:15:30Z"}', '$(headers_of product-service)');
SET ROLE notification_service;
INSERT INTO public.outbox_binary (id, aggregatetype, aggregateid, type, payload, headers, event_id, partition) SELECT gen_random_uuid(), 'order.created.v1.dlq', '$order', 'OrderCreated', E'\\\\x7b00ff', jsonb_build_array(
  jsonb_build_array('source', encode('order-service', 'base64')), jsonb_build_array('empty', NULL), jsonb_build_array('dlt.attempts', encode('4', 'base64'))), '$made', p FROM generate_series(0, 2) p;
INSERT INTO public.outbox_binary (id, aggregatetype, aggregateid, type, payload, event_id) VALUES (gen_random_uuid(), 'order.shipped.v1.dlq', '$order', NULL, NULL, 'order_123');
INSERT INTO public.outbox_binary (id, aggregatetype, aggregateid, type, payload) VALUES ('$shipped', 'order.shipped.v1.dlq', '$order', 'OrderShipped', '');
SQL

record=$(await_key order.created.v1 "$order" 1)
assert_match 'value of the order' "^\{\"eventId\":\"$made\",\"orderId\":\"$order\".*\"createdAt\":\"2026-01-25T10:15:30.123456Z\"\}$" "$(field 3 "$record")"
assert_headers 'order' "$(field 4 "$record")" "id=$made" eventType=OrderCreated source=order-service timestamp=2026-01-25T10:15:30.123456Z version=1.0 "correlationId=$CORRELATION" "traceparent=$TRACE"
await_key order.shipped.v1 "$order" 1 >/dev/null
await_key product.created.v1 "$product" 1 >/dev/null
conforms order.created.v1 "$order" 1
conforms order.shipped.v1 "$order" 1
conforms product.created.v1 "$product" 1

# Dead letters: the partition that was asked for, the event's id in each, bytes and headers as they were.
letters=$(await_key order.created.v1.dlq "$order" 3)
assert_eq 'partitions of the dead letters' '0 1 2' "$(cut -d '|' -f 1 <<<"$letters" | sort | paste -sd ' ')"
assert_headers 'dead letter' "$(field 4 "$(head -n 1 <<<"$letters")")" "id=$made" eventType=OrderCreated source=order-service dlt.attempts=4
assert_eq 'bytes of a dead letter' 7b00ff "$(kcat -C -b "$KAFKA" -q -e -o beginning -t order.created.v1.dlq -p 1 -D '' -f '%k %s\n' | grep -a "^$order " | tail -n 1 | sed -z 's/\n$//' | tail -c 3 | od -An -tx1 | tr -d ' \n')"
letters=$(await_key order.shipped.v1.dlq "$order" 2)
assert_eq 'dead letters without a partition, in one and in order' 1 "$(cut -d '|' -f 1 <<<"$letters" | sort -u | wc -l)"
assert_eq 'an id that is no uuid, then the own one of a row' "order_123 $shipped" "$(while read -r letter; do header id "$(field 4 "$letter")"; done <<<"$letters" | paste -sd ' ')"
assert_eq 'a null value and an empty one' '-1 0' "$(KCAT_FORMAT='%k %S\n' read_topic order.shipped.v1.dlq | sed -n "s/^$order //p" | tail -n 2 | paste -sd ' ')"
assert_eq 'no poison' '' "$(relay_log relay 'select(.event | test("poison|held")) | .event')"
relay_stop

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Membership

database_drop
database_new
system membership
member=$((RANDOM * 32768 * 32768 + RANDOM * 32768 + RANDOM + 1))
created=$(uuid) updated=$(uuid) deleted=$(uuid) old=$(uuid)
body() { # EVENT TYPE MORE
  echo "{\"eventId\":\"$1\",\"eventType\":\"$2\",\"memberId\":$member,\"timestamp\":\"2026-01-25T10:15:30.123456\",$3}"
}
columns='event_id, aggregate_type, aggregate_id, event_type, payload, correlation_id, causation_id, traceparent'
pg_read <<SQL
SET ROLE auth_service;
INSERT INTO public.member_outbox_event ($columns) VALUES ('$created', 'MEMBER', $member, 'CREATED', '$(body "$created" CREATED '"nickname":"anna","email":"anna@example.com"')', '$CORRELATION', NULL, '$TRACE');
INSERT INTO public.member_outbox_event ($columns) VALUES ('$updated', 'MEMBER', $member, 'UPDATED', '$(body "$updated" UPDATED '"nickname":"ann","changedFields":["nickname"]')', '$CORRELATION', '$created', '$TRACE');
RESET ROLE;
-- The old service: its own id, none of the new columns; then its scheduler.
INSERT INTO public.member_outbox_event (id, event_id, aggregate_type, aggregate_id, event_type, payload, published, created_at)
  VALUES (1, '$old', 'MEMBER', $member, 'UPDATED', '$(body "$old" UPDATED '"nickname":"anne","changedFields":["nickname"]')', false, '2026-01-25T10:15:30.123456');
UPDATE public.member_outbox_event SET published = true;
SET ROLE auth_service;
INSERT INTO public.member_outbox_event ($columns) VALUES ('$deleted', 'MEMBER', $member, 'DELETED', '$(body "$deleted" DELETED '"deletedAt":"2026-01-25T10:15:31"')', '$CORRELATION', NULL, '$TRACE');
SET ROLE dday_service;
INSERT INTO public.outbox_binary (id, aggregatetype, aggregateid, type, payload, event_id, partition) VALUES (gen_random_uuid(), 'member-events.DLT', '$member', 'CREATED', 'v', '$created', NULL);
INSERT INTO public.outbox_binary (id, aggregatetype, aggregateid, type, payload, event_id, partition) VALUES (gen_random_uuid(), 'member-events.DLT', '$member', 'CREATED', 'v', '$created', 0);
SQL

all=$(await_key member-events "$member" 4)
assert_eq 'ids in the order of their commits' "$created $updated $old $deleted" "$(while read -r line; do header id "$(field 4 "$line")"; done <<<"$all" | paste -sd ' ')"
assert_headers 'created' "$(field 4 "$(head -n 1 <<<"$all")")" eventType=CREATED source=auth-service version=1.0 "correlationId=$CORRELATION" "traceparent=$TRACE"
assert_match 'time of an event' '^20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}Z$' "$(header timestamp "$(field 4 "$(head -n 1 <<<"$all")")")"
assert_headers 'updated' "$(field 4 "$(sed -n 2p <<<"$all")")" "causationId=$created"
assert_eq 'time of the record of the old service' 1769336130123 "$(KCAT_FORMAT='%T %k %h\n' read_topic member-events | awk -v key="$member" '$2 == key' | grep -F "id=$old" | cut -d ' ' -f 1)"
# What the old service wrote has no correlation id: that header is there, and without a value.
kcat -C -b "$KAFKA" -q -e -o beginning -J -t member-events | jq -c "select(.key == \"$member\")" >"$RUN/members.json"
said=$(grep -vF "$old" "$RUN/members.json" | "$ROOT/tests/tools/check_events") || fail "member-events is not as docs/events/ has it: $said"
assert_eq 'records of auth-service' '3 records, 0 mistakes' "$said"
said=$(grep -F "\"$old" "$RUN/members.json" | "$ROOT/tests/tools/check_events" --lenient) || fail "the old service's record: $said"
# And that the script sees what is wrong.
sees() { # WHAT ID JQ-FILTER REGEX
  local said
  said=$(grep -F "\"$2" "$RUN/members.json" | jq -c "$3" | "$ROOT/tests/tools/check_events") && fail "$1 is no mistake"
  assert_match "$1" "$4" "$said"
}
sees 'a record of the old service without a correlation id' "$old" . 'header correlationId is missing'
sees 'another key' "$created" '.key = "x"' "the key is 'x' and memberId $member"
sees 'no key' "$created" '.key = null' 'the key is None'
sees 'another id in the header' "$created" ".headers[1] = \"$updated\"" "header id is $updated and eventId"
sees 'a trace of zeroes' "$created" '(.headers | index("traceparent")) as $i | .headers[$i + 1] = "00-00000000000000000000000000000000-b7ad6b7169203331-01"' 'header traceparent is'
sees 'a field that is missing' "$updated" '.payload |= (fromjson | del(.nickname) | tojson)' "'nickname' is a required property"
sees 'a null that should be absent' "$created" '.payload |= (fromjson | .email = null | tojson)' 'email: None is not of type'
sees 'a time with an offset' "$deleted" '.payload |= (fromjson | .deletedAt = "2026-01-25T10:15:31Z" | tojson)' 'deletedAt: .* does not match'
sees 'a type that nobody knows' "$deleted" '.payload |= sub("DELETED"; "GONE") | (.headers | index("eventType")) as $i | .headers[$i + 1] = "GONE"' 'no schema for topic member-events and type GONE'
sees 'a value that is no JSON' "$deleted" '.payload = "{"' 'the value is no JSON'

assert_eq 'dead letters, all in the one partition' '0 0' "$(await_key member-events.DLT "$member" 2 | cut -d '|' -f 1 | paste -sd ' ')"
await 'the count of updates' 40 relay_metric_is 'cdc_relay_ignored_operations_total{table="public.member_outbox_event",op="update"}' 'v >= 3'
assert_eq 'a line about updates' '' "$(relay_log relay 'select(.event == "updates_ignored") | .event')"
assert_eq 'no poison' '' "$(relay_log relay 'select(.event | test("poison|held")) | .event')"
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
relay_stop
