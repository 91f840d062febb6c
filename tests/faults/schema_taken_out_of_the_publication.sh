#!/usr/bin/env bash
# The publication names the outbox's schema and not the table, and under a running stream that schema is taken out of it. The walsender says nothing; the publication's own
# row of the catalog stays as it was. The relay sees it within seconds, judges, holds, and goes on once the schema is back. Then the table is made unlogged, which PostgreSQL
# allows where the publication does not name it: its rows are in no log, and the walsender says nothing of that either.
# row: P-24 schema of the outbox taken out of the publication at run time, or its table made unlogged
# expects: held, code 3, within the interval of the second connection; O3 O10
# tags: short
# plugins: pgoutput
# needs: PostgreSQL 15
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
pg "ALTER PUBLICATION \"$SLOT\" SET TABLES IN SCHEMA public"
relay_start
insert k 1
await_records "$topic" 1 >/dev/null
await 'the first answer on the second connection' 20 relay_metric_is cdc_relay_slot_retained_bytes 'v >= 0'

fault_begins 'schema taken out of the publication'
began=$EPOCHREALTIME
pg "ALTER PUBLICATION \"$SLOT\" DROP TABLES IN SCHEMA public"
await_state held relay 20
figure detection_of_a_schema_taken_out "$(seconds_since "$began")" s
assert_eq 'code and cause' '3 not_published' "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
began=$EPOCHREALTIME
pg "ALTER PUBLICATION \"$SLOT\" ADD TABLES IN SCHEMA public"
fault_ends 'schema taken out of the publication'
await_state streaming relay 20
figure recovery "$(seconds_since "$began")" s

fault_begins 'table made unlogged'
began=$EPOCHREALTIME
pg 'ALTER TABLE outbox SET UNLOGGED'
insert k '"in no log"'
await_state held relay 20
figure detection_of_a_table_made_unlogged "$(seconds_since "$began")" s
assert_eq 'code and cause' '3 table_kind' "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
pg "$(relay_get /status | jq -r .problem.hint | sed 's/;.*//')"
fault_ends 'table made unlogged'
await_state streaming relay 20
insert k 2
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
assert_eq 'values' '1 2' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
