#!/usr/bin/env bash
# An administrator advances the slot past what the relay has published: pg_replication_slot_advance() while the walsender is away for a moment. The relay holds with code 4
# and names the range of positions, whose events the table still has: published again by that range, nothing is missing in the end.
# row: P-12 foreign confirmation by pg_replication_slot_advance()
# expects: held, code 4, with the range, and nothing confirmed while held; O1 after the documented repair
# tags: short
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

# The relay stands still, so that the moment is ours: it cannot be back before the slot is advanced.
fault_begins slot-advanced
kill -STOP "${RELAY_PID[relay]}"
insert k 2
insert k 3
pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active" >/dev/null
slot_is_free() {
  ! slot_is_active
}
await 'a free slot' 10 slot_is_free
theirs=$(pg "SELECT end_lsn FROM pg_replication_slot_advance('$SLOT', pg_current_wal_lsn())")
insert k 4
began=$EPOCHREALTIME
kill -CONT "${RELAY_PID[relay]}"
fault_ends slot-advanced
await_state held relay 30
figure detection "$(seconds_since "$began")" s
problem=$(relay_get /status)
assert_eq 'code and cause' '4 slot_moved' "$(jq -r '"\(.problem.code) \(.problem.cause)"' <<<"$problem")"
assert_match 'the range' "events from [0-9A-F]+/[0-9A-F]+ to $theirs may be missing" "$(jq -r .problem.text <<<"$problem")"
from=$(jq -r .problem.text <<<"$problem" | sed -E 's:.*events from ([0-9A-F]+/[0-9A-F]+) to .*:\1:')
[ "$(pg_in postgres "SELECT '$from'::pg_lsn <= '$theirs'::pg_lsn")" = t ] || fail "the range is the wrong way round: $problem"
assert_eq 'the confirmed position while held' "$theirs" "$(slot_confirmed)"

# What the hint says: the range's events again, then a restart.
relay_stop
relay_start
rows=$(pg "WITH again AS (DELETE FROM outbox WHERE payload::text IN ('2', '3') RETURNING *), put AS (INSERT INTO outbox SELECT * FROM again ORDER BY created_at RETURNING 1) SELECT count(*) FROM put")
await_records "$topic" 4 30 >/dev/null
figure published_again "$rows" rows
assert_eq 'values' '1 2 3 4' "$(read_topic "$topic" | cut -d '|' -f 2 | sort -u | paste -sd ' ')"
relay_stop
