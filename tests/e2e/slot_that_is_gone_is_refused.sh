#!/usr/bin/env bash
# Positions that cannot be trusted are code 4, with the range of positions in which events may be missing: a slot that was dropped, recreated, or advanced behind the
# relay's back, and one that the server has given up (max_slot_wal_keep_size). A relay that was restarted sees that the slot is missing. Nothing is recreated in silence.
# row: P-11 slot dropped and recreated behind the relay's back
# expects: refused, code 4, with the range of positions
# tags: slow
POSTGRES=own
OWN_POSTGRES=("max_slot_wal_keep_size = '1MB'" "wal_keep_size = 0" "max_wal_size = '64MB'" "min_wal_size = '32MB'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
insert k 1
await_records "$topic" 1 >/dev/null
await 'confirmation of the first, which the next session would publish again' 20 slot_has_confirmed "$(wal_end)"

slot_is_free() {
  ! slot_is_active
}

# drop_slot: while the relay stands still, so that it cannot be back before the slot is dropped.
drop_slot() {
  kill -STOP "${RELAY_PID[relay]}"
  pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active" >/dev/null
  await 'a free slot' 10 slot_is_free
  pg_in postgres "SELECT pg_drop_replication_slot('$SLOT')" >/dev/null
  kill -CONT "${RELAY_PID[relay]}"
}

held_with_code() {
  [ "$(relay_get /status | jq -r .problem.code 2>/dev/null)" = "$1" ]
}

# Dropped: held, and not recreated.
confirmed=$(slot_confirmed)
fault_begins 'slot dropped'
drop_slot
began=$EPOCHREALTIME
insert k 2
await_state held relay 30
figure detection_of_a_dropped_slot "$(seconds_since "$began")" s
await 'code 4' 5 held_with_code 4
assert_eq 'slots' 0 "$(pg_in postgres "SELECT count(*) FROM pg_replication_slots")"

# Recreated behind its back: it starts behind event 2, which nobody has published.
pg "SELECT pg_create_logical_replication_slot('$SLOT', '$PLUGIN')" >/dev/null
fault_ends 'slot dropped'
fault_begins 'slot recreated'
began=$EPOCHREALTIME
slot_has_moved() {
  [ "$(relay_get /status | jq -r .problem.cause)" = slot_moved ]
}
await 'another look, which finds it moved' 90 slot_has_moved
range=$(relay_get /status | jq -r .problem.text | sed -nE 's:.*events from ([0-9A-F]+/[0-9A-F]+) to ([0-9A-F]+/[0-9A-F]+) may be missing.*:\1 \2:p')
[ "$(pg "SELECT '${range% *}'::pg_lsn >= '$confirmed' AND '${range#* }'::pg_lsn = '$(slot_confirmed)' AND '${range% *}'::pg_lsn < '${range#* }'")" = t ] ||
  fail "the range $range is not that from where we were, $confirmed, to the slot's position"
figure detection_of_a_recreated_slot_by_the_next_look "$(seconds_since "$began")" s
fault_ends 'slot recreated'
assert_eq 'records while the position is not trusted' 1 "$(read_topic "$topic" | wc -l)"
relay_stop

# A restart knows no position: it goes on from the slot that is there. This is what is promised, no more.
relay_start
insert k 3
await_records "$topic" 2 >/dev/null
relay_stop

# Missing at the start, although the publication is there.
pg_in postgres "SELECT pg_drop_replication_slot('$SLOT')" >/dev/null
code=0
relay_command missing run --exit-on-hold || code=$?
assert_eq 'exit code with a missing slot' 4 $code
code=0
relay_command init-refuses init || code=$?
assert_eq 'exit code of init, rows having been there' 4 $code
relay_command init-accepts init --accept-gap || fail "init --accept-gap: $(cat init-accepts.err)"

# Lost: the server removed WAL that the slot still needed.
slot_is_lost() {
  pg "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000)) FROM generate_series(1, 20)" "SELECT pg_switch_wal()" "CHECKPOINT" >/dev/null
  [ "$(pg_in postgres "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = lost ]
}
await 'a lost slot' 60 slot_is_lost
code=0
relay_command lost run --exit-on-hold || code=$?
assert_eq 'exit code with a lost slot' 4 $code
assert_match 'the range in the line' '[0-9A-F]+/[0-9A-F]+.*[0-9A-F]+/[0-9A-F]+' "$(jq -rR 'fromjson? | select(.code == 4) | .error' lost.err | head -n 1)"
