#!/usr/bin/env bash
# The outbox is partitioned, and one of its partitions is made unlogged, which PostgreSQL allows also where the table itself is named in a publication. Rows there are in no log,
# and the walsender says nothing. The relay sees it within seconds, judges and holds; a relay that starts on such a table holds at once, and check says so, too.
# row: P-24 partition of the outbox made unlogged
# expects: held, code 3, within the interval of the second connection, and at a start; O3 O10
# tags: short
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
pg 'CREATE TABLE parted (LIKE outbox INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)' 'CREATE TABLE parted_rest PARTITION OF parted DEFAULT' \
  "ALTER PUBLICATION \"$SLOT\" ADD TABLE parted"
relay_set OUTBOX_0_TABLE public.parted
relay_init
insert_parted() {
  pg "INSERT INTO parted (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'Made', '$1')"
}
is_held() {
  await_state held relay 20
  assert_eq 'code and cause' '3 table_kind' "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
  assert_match 'the error' 'public\.parted has an unlogged partition' "$(relay_get /status | jq -r .problem.text)"
}
relay_start
insert_parted 1
await_records "$topic" 1 >/dev/null
await 'the first answer on the second connection' 20 relay_metric_is cdc_relay_slot_retained_bytes 'v >= 0'

fault_begins 'partition made unlogged'
began=$EPOCHREALTIME
pg 'ALTER TABLE parted_rest SET UNLOGGED'
insert_parted '"in no log"'
is_held
figure detection_of_a_partition_made_unlogged "$(seconds_since "$began")" s
pg 'ALTER TABLE parted_rest SET LOGGED'
fault_ends 'partition made unlogged'
await_state streaming relay 20
insert_parted 2
await_records "$topic" 2 >/dev/null
relay_stop

pg 'ALTER TABLE parted_rest SET UNLOGGED'
relay_start relay held
is_held
code=0
relay_command check check || code=$?
assert_eq 'exit code of check' 3 $code
pg 'ALTER TABLE parted_rest SET LOGGED' "CREATE TABLE parted_old PARTITION OF parted FOR VALUES FROM (MINVALUE) TO ('2020-01-01')"
await_state streaming relay 20
insert_parted 3
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
assert_eq 'values' '1 2 3' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
