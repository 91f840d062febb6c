#!/usr/bin/env bash
# One row becomes one record: topic by aggregate type, key, value byte for byte, the three headers, a timestamp of the commit; and PostgreSQL is told of it.
# tags: quick
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 3
relay_init
relay_start

# A json column keeps blanks, order and repetition.
before=$(date +%s)
id=$(pg "SELECT outbox_publish('$T', 'order-1', 'OrderPlaced', '{ \"b\":1,  \"a\" : [1.50, null], \"b\": \"é\" }')")
lsn=$(wal_end)
record=$(await_records "$topic" 1)
after=$(date +%s)

assert_eq 'key' order-1 "$(cut -d '|' -f 1 <<<"$record")"
assert_eq 'value' '{ "b":1,  "a" : [1.50, null], "b": "é" }' "$(cut -d '|' -f 2 <<<"$record")"
headers=$(cut -d '|' -f 3 <<<"$record")
assert_eq 'header id' "$id" "$(header id "$headers")"
assert_eq 'header eventType' OrderPlaced "$(header eventType "$headers")"
assert_match 'header lsn' '^[0-9A-F]+/[0-9A-F]+/0$' "$(header lsn "$headers")"
assert_eq 'count of headers' 3 "$(tr , '\n' <<<"$headers" | wc -l)"

KCAT_FORMAT='%T\n'
seconds=$(($(read_topic "$topic") / 1000))
assert_number 'timestamp, in seconds' $seconds '>=' $((before - 1))
assert_number 'timestamp, in seconds' $seconds '<=' $((after + 1))

await 'confirmation of the event' 20 slot_has_confirmed "$lsn"
relay_stop
assert_eq 'records after the end' 1 "$(read_topic "$topic" | wc -l)"
