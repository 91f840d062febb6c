#!/usr/bin/env bash
# An event is taken once per consumer, whoever else has it in hand; and one that is given up is in its dead-letter topic once, with key, bytes, headers,
# partition and id as they were, read by an independent reader.
# tags: asan
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

export ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer"
program=$BUILD/tests/services/inbox_check

pg_read <"$ROOT/sql/inbox.sql"
pg 'CREATE SCHEMA notification' "SELECT public.inbox_create('notification')" >/dev/null

# The relay's entry is the one that consumers/runtime/dead_letter.h gives, but that topics begin with the scenario's name, which the check does not know.
relay_set OUTBOX_0_TABLE public.outbox_binary
relay_set OUTBOX_0_TABLE_FIELD_EVENT_ID event_id
relay_set OUTBOX_0_TABLE_FIELDS_ADDITIONAL_PLACEMENT partition:partition
# shellcheck disable=SC2016
relay_set OUTBOX_0_ROUTE_TOPIC_REPLACEMENT "outbox.event.$T."'${routedByValue}'
relay_set OUTBOX_0_ROUTE_TOPIC_ALLOW "outbox.event.$T.*"
relay_set OUTBOX_0_ROUTE_TOMBSTONE_ON_EMPTY_PAYLOAD true
for topic in order.created.v1.dlq a.dlq b.dlq limit.dlq; do
  topic_create "outbox.event.$T.$topic" 3
done
relay_init

count=0
for check in $("$program" --list); do
  echo "--- $check"
  "$program" "$PG_PORT" "$DB" "$check" 2>"$RUN/$check.err" || fail "$check: exit code $?: $(cat "$RUN/$check.err")"
  assert_eq "what $check printed on stderr" '' "$(cat "$RUN/$check.err")"
  count=$((count + 1))
done
assert_number 'checks' $count '>=' 9

relay_start relay
await_records "outbox.event.$T.limit.dlq" 4 >/dev/null # all that fits the table fits the relay
await_records "outbox.event.$T.b.dlq" 1 >/dev/null
KCAT_FORMAT='%p|%S|%h\n'
records=$(await_records "outbox.event.$T.a.dlq" 1)
assert_match 'a record without headers, type or value' '^2\|-1\|id=order.created.v1/2/41@1700000000000,eventType=NULL,' "$records"
KCAT_FORMAT='%p|%k|%s|%h\n'
records=$(await_records "outbox.event.$T.order.created.v1.dlq" 4 | tr -d '\0')
assert_eq 'dead letters' 4 "$(wc -l <<<"$records")"
while IFS='|' read -r partition key value headers; do
  assert_eq 'partition' 2 "$partition"
  assert_eq 'key' $'k\xff' "$key"
  assert_eq 'value' '{"n": 1}' "$value"
  assert_eq 'id' order_123 "$(header id "$headers")"
  assert_eq 'eventType' OrderCreated "$(header eventType "$headers")"
  assert_eq 'its own header' NULL "$(header note "$headers")"
  assert_eq 'the lsn that it had' 0/1/0 "$(header dlt.original.lsn "$headers")"
  assert_match 'the lsn that it has' '^[0-9A-F]+/[0-9A-F]+/[0-9]+$' "$(header lsn "$headers")"
  assert_eq 'Spring' order.created.v1 "$(header kafka_dlt-original-topic "$headers")"
  assert_eq 'Connect' 'sku 7 has no stock' "$(header __connect.errors.exception.message "$headers")"
  assert_eq 'ours' 4 "$(header dlt.attempts "$headers")"
done <<<"$records"
relay_stop relay
