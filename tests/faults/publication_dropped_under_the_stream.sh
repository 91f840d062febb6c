#!/usr/bin/env bash
# The publication is dropped while the relay streams. With pgoutput the walsender stumbles at the next change that it decodes, in whatever table: the relay holds, with
# a code and a cause and the publication's name, confirms nothing of what it has not seen, and `check` says the same. The row that was written meanwhile can never
# be decoded by that slot, so the way out is the documented one: drop, init, and the rows of the gap once more. wal2json does not look at publications and goes on.
# From PostgreSQL 18 on the walsender does not stumble: it warns, and goes on without the rows. The relay takes the warning for the error that it was.
# row: P-24 publication dropped at run time
# expects: pgoutput is held, code 3, and nothing confirmed of what could not be seen; O1 by the documented way. wal2json: streams on, O1
# tags: matrix
# plugins: both
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
insert k 1
await_records "$topic" 1 >/dev/null
await 'confirmation of the first' 20 slot_has_confirmed "$(wal_end)"

fault_begins publication-dropped
pg "DROP PUBLICATION \"$SLOT\""
before=$(wal_end)
began=$EPOCHREALTIME
insert k 2
if [ "$PLUGIN" = wal2json ]; then
  await_records "$topic" 2 >/dev/null
  assert_eq 'state' streaming "$(relay_state)"
  relay_stop
  fault_ends publication-dropped
  exit 0
fi
await_state held relay 30
figure detection "$(seconds_since "$began")" s
assert_match 'the refusal' "^3 publication_missing .*\"$SLOT\"" "$(relay_log relay 'select(.event == "state" and .state == "held") | "\(.code) \(.cause) \(.error)"')"
insert k 3
[ "$(pg_in postgres "SELECT confirmed_flush_lsn <= '$before' FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ] || fail 'confirmed beyond what it could see'
code=0
relay_command check check || code=$?
assert_eq 'exit code of check' 3 $code
assert_match 'what check says' "publication \"$SLOT\" does not exist" "$(cat check.err)"

# A publication made now does not exist at the slot's position: the relay stays held, and does not go past the rows in silence.
pg "CREATE PUBLICATION \"$SLOT\" FOR TABLE outbox, outbox_binary WITH (publish = 'insert', publish_via_partition_root = true)"
refusals() {
  grep -cE "ERROR:  publication \"$SLOT\" does not exist|WARNING:  skipped loading publication \"$SLOT\"" "$RUN/own.log"
}
was_refused_since() {
  [ "$(refusals)" -gt "$1" ]
}
await 'another look' 60 was_refused_since "$(refusals)"
assert_match 'the hint' 'cdc-relay drop --yes, then: cdc-relay init --accept-gap' "$(relay_get /status | jq -r .problem.hint)"
assert_eq 'records while held' 1 "$(read_topic "$topic" | wc -l)"
[ "$(pg_in postgres "SELECT confirmed_flush_lsn <= '$before' FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ] || fail 'confirmed beyond what it could see'
relay_stop

relay_command drop drop --yes --keep-publication || fail "drop: $(cat drop.err)"
relay_command init init --accept-gap || fail "init: $(cat init.err)"
fault_ends publication-dropped
relay_start
pg "WITH again AS (DELETE FROM outbox WHERE payload::text IN ('2', '3') RETURNING *) INSERT INTO outbox SELECT * FROM again ORDER BY created_at"
await_records "$topic" 3 30 >/dev/null
assert_eq 'values' '1 2 3' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
