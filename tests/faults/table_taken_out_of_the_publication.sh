#!/usr/bin/env bash
# Under a running stream the outbox is taken out of its publication, and later dropped and made anew, as a careless migration does. The walsender says nothing of either: rows
# of that table are just not there any more. The second connection sees within seconds that the catalog is not what it was; the relay reconnects, judges, holds and
# says which statement mends it; run as it is told, the relay goes on at once. Rows that were written in between were never published, which the hint says.
# So it is where the second connection had no answer yet and nothing to compare with but what was judged before the start. A table that writes no log any more is told like one
# that is not published; of one in a publication by name PostgreSQL allows that no more, so it is wal2json's turn.
# row: P-24 table taken out of the publication at run time, made anew outside of it, or made unlogged
# expects: pgoutput is held, code 3, within the interval of the second connection; O3 O10. wal2json, which looks at no publication: streams on, O1 O3; held where there is no log
# tags: short
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init

# is_held_and_mended CAUSE: within the interval of the second connection; then it is done what the hint says, and that at once is enough.
is_held_and_mended() {
  await_state held relay 20
  assert_eq 'code and cause' "3 $1" "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
  pg "$(relay_get /status | jq -r .problem.hint | sed 's/;.*//')"
  await_state streaming relay 20
}

# A question that the role may not ask is as good as a CONNECTION LIMIT that leaves no room for who asks.
pg 'REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_tuples_updated(oid) FROM PUBLIC'
relay_start
insert k 0
await_records "$topic" 1 >/dev/null
await 'the second connection is refused' 20 relay_has_logged relay slot_figures_unavailable
pg "ALTER PUBLICATION \"$SLOT\" DROP TABLE outbox"
insert k '"before any answer"'
pg 'GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_tuples_updated(oid) TO PUBLIC'
if [ "$PLUGIN" = pgoutput ]; then
  is_held_and_mended not_published
else
  await 'the change that nobody saw happen' 20 relay_has_logged relay catalog_changed
  await_records "$topic" 2 >/dev/null
  pg "ALTER PUBLICATION \"$SLOT\" ADD TABLE outbox"
fi
relay_stop

relay_start
insert k 1
await 'confirmation of the first' 20 slot_has_confirmed "$(wal_end)"
await 'the first answer on the second connection' 20 relay_metric_is cdc_relay_slot_retained_bytes 'v >= 0'

fault_begins 'table taken out of the publication'
began=$EPOCHREALTIME
pg "ALTER PUBLICATION \"$SLOT\" DROP TABLE outbox"
if [ "$PLUGIN" = pgoutput ]; then
  insert k '"never published"'
  await_state held relay 20
  figure detection_of_a_table_taken_out "$(seconds_since "$began")" s
  assert_eq 'code and cause' '3 not_published' "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
  began=$EPOCHREALTIME
  pg "$(relay_get /status | jq -r .problem.hint | sed 's/;.*//')"
else
  insert k '"without a publication"'
  await_records "$topic" 4 >/dev/null
  pg 'ALTER TABLE outbox SET UNLOGGED'
  insert k '"without a log"'
  is_held_and_mended table_kind
  pg "ALTER PUBLICATION \"$SLOT\" ADD TABLE outbox"
fi
fault_ends 'table taken out of the publication'
await_state streaming relay 20
figure recovery "$(seconds_since "$began")" s
insert k 2
await 'confirmation of the second' 20 slot_has_confirmed "$(wal_end)"

fault_begins 'table made anew'
began=$EPOCHREALTIME
pg 'BEGIN; ALTER TABLE outbox RENAME TO outbox_old; CREATE TABLE outbox (LIKE outbox_old INCLUDING ALL); COMMIT'
if [ "$PLUGIN" = pgoutput ]; then
  await_state held relay 20
  figure detection_of_a_table_made_anew "$(seconds_since "$began")" s
  assert_eq 'code and cause' '3 not_published' "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
  pg "$(relay_get /status | jq -r .problem.hint | sed 's/;.*//')"
fi
fault_ends 'table made anew'
await_state streaming relay 20
insert k 3
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
[ "$PLUGIN" = pgoutput ] && expected='0 1 2 3' || expected='0 "before any answer" 1 "without a publication" 2 3'
assert_eq 'values' "$expected" "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
