#!/usr/bin/env bash
# Events without a table: outbox_emit() takes the same way as a row, inside the same transaction and in the same order; a rolled back one, one of another prefix
# and one outside of a transaction publish nothing.
# tags: quick asan
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_set OUTBOX_1_MESSAGE_PREFIX outbox
relay_init
relay_start

id=$(
  pg_read <<SQL
BEGIN;
SELECT outbox_emit('$T', 'k', 'Emitted', '{"a" : "1\\u00e9", "n": 12345678901234567890.10}');
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'Inserted', '2');
COMMIT;
SQL
)
pg_read <<SQL >/dev/null
BEGIN;
SELECT outbox_emit('$T', 'k', 'Undone', '"rolled back"');
ROLLBACK;
SELECT pg_logical_emit_message(true, 'other', '{"aggregatetype": "$T", "aggregateid": "k", "payload": "other prefix"}');
SELECT pg_logical_emit_message(false, 'outbox', '{"aggregatetype": "$T", "aggregateid": "k", "payload": "not transactional"}');
SELECT outbox_emit('$T', 'k', 'Last', '3');
SQL

records=$(await_records "$topic" 3)
assert_eq 'values' '{"a" : "1\u00e9", "n": 12345678901234567890.10};2;3' "$(cut -d '|' -f 2 <<<"$records" | paste -sd ';')"
headers=$(head -n 1 <<<"$records" | cut -d '|' -f 3)
assert_eq 'header id' "$id" "$(header id "$headers")"
assert_eq 'header eventType' Emitted "$(header eventType "$headers")"
assert_match 'place in the transaction' '/0$' "$(header lsn "$headers")"
assert_match 'place of the row behind it' '/1$' "$(header lsn "$(sed -n 2p <<<"$records" | cut -d '|' -f 3)")"
relay_stop
assert_eq 'records after the end' 3 "$(read_topic "$topic" | wc -l)"
