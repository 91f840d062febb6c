#!/usr/bin/env bash
# The outbox changes its shape under a running stream: a column is added, renamed, dropped, gets another type; the table is truncated. What does not concern the relay goes
# by without a word. Where the payload's column is gone, the relay holds and names it, and no record without a payload is written; told where the payload is now, it
# goes on with that very row. At the end every row that was ever committed is in Kafka, in order.
# row: P-23 DDL during the stream
# expects: O1 O3 O7, or held with code 5
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start

n=0
changes=0
# one [COLUMN]: the next event, its payload in that column.
one() {
  n=$((n + 1))
  pg "INSERT INTO outbox (aggregatetype, aggregateid, type, ${1:-payload}) VALUES ('$T', 'k', 'E', '$n')"
}

arrived() {
  [ "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')" = "$(seq "$1" | paste -sd ' ')" ]
}

# change SQL: an event before, the change in the middle of a transaction with one before and one behind it, an event behind; all of them arrive.
change() {
  fault_begins ddl
  one
  n=$((n + 2))
  pg "BEGIN; INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '$((n - 1))'); $1;
      INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '$n'); COMMIT"
  one
  await "the events around: $1" 20 arrived $n
  assert_eq "state after: $1" streaming "$(relay_state)"
  fault_ends ddl
  changes=$((changes + 1))
}

change 'ALTER TABLE outbox ADD COLUMN note text DEFAULT repeat(chr(120), 10000)'
change 'ALTER TABLE outbox RENAME COLUMN created_at TO made_at'
change 'ALTER TABLE outbox DROP COLUMN note'
change 'ALTER TABLE outbox ALTER COLUMN payload TYPE jsonb'
change 'ALTER TABLE outbox ALTER COLUMN payload TYPE text'
change 'ALTER TABLE outbox ALTER COLUMN aggregateid TYPE varchar(300)'
change 'ALTER TABLE outbox DROP COLUMN headers CASCADE'

# payload_moves TO SQL: the payload's column goes away under the stream.
payload_moves() {
  local began problem
  fault_begins payload-moves
  one "$from"
  pg "$2"
  began=$EPOCHREALTIME
  one "$1"
  await_state held relay 30
  figure "detection_of_a_payload_that_is_gone_$1" "$(seconds_since "$began")" s
  problem=$(relay_get /status)
  assert_eq 'code and cause' '5 missing_column' "$(jq -r '"\(.problem.code) \(.problem.cause)"' <<<"$problem")"
  assert_match 'the words' "column \"$from\" of public.outbox" "$(jq -r .problem.text <<<"$problem")"
  arrived $((n - 1)) || fail 'what was written before the change is not all there is'
  relay_stop
  relay_set OUTBOX_0_TABLE_FIELD_EVENT_PAYLOAD "$1"
  relay_start
  await 'the row that was held' 30 arrived $n
  fault_ends payload-moves
  changes=$((changes + 1))
  from=$1
}

from=payload
payload_moves body 'ALTER TABLE outbox RENAME COLUMN payload TO body'
payload_moves content 'ALTER TABLE outbox DROP COLUMN body, ADD COLUMN content jsonb'

# Not in the stream, since the publication publishes inserts: nothing is taken back, and the next row follows the last.
fault_begins truncate
one content
pg 'TRUNCATE outbox'
one content
await 'the row behind the truncation' 20 arrived $n
assert_eq 'state after the truncation' streaming "$(relay_state)"
fault_ends truncate

# The table is dropped: what was committed before is sent all the same, and the next connection holds.
fault_begins drop-table
one content
pg 'DROP TABLE outbox CASCADE'
await 'the row of a table that is gone' 20 arrived $n
pg "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active" >/dev/null
await_state held relay 30
assert_eq 'code and cause' '3 table_missing' "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
fault_ends drop-table
relay_stop
figure changes $((changes + 2)) changes
figure records_without_a_payload "$(KCAT_FORMAT='%S\n' read_topic "$topic" | awk '$1 <= 0' | wc -l)" records
assert_eq 'records without a payload' 0 "$(KCAT_FORMAT='%S\n' read_topic "$topic" | awk '$1 <= 0' | wc -l)"
