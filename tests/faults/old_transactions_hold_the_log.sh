#!/usr/bin/env bash
# What holds the log back although the relay keeps up: a prepared transaction that somebody forgot, and a session that sits idle in a transaction. Prepared ones
# publish nothing before their COMMIT PREPARED and nothing at all after a ROLLBACK PREPARED, and are not lost by a restart of the relay in between. The figure
# of the retained log grows while the lag does not, and `check` names the transaction's gid, and the session's pid, once it is a minute old. That is the alert: nothing
# calls anybody by itself, so the time until `check` names both, asked again and again, is the figure.
# row: P-20 prepared transactions: committed, rolled back, forgotten
# row: P-22 a long idle transaction holds restart_lsn back
# expects: O1 O2 O10
# tags: slow
POSTGRES=own
OWN_POSTGRES=("max_prepared_transactions = 10")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start

insertion() {
  echo "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '$1')"
}

# Forgotten from here on: both of them, so that one minute of waiting serves.
forgotten_since=$EPOCHREALTIME
fault_begins forgotten-prepared-transaction
pg "BEGIN; $(insertion '"forgotten"'); PREPARE TRANSACTION 'forgotten'"
fault_begins idle-in-transaction
mkfifo idle
process_spawn idle TERM psql -X -q -A -t -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" -f "$RUN/idle"
exec {idle}>idle
echo "BEGIN; $(insertion 4); SELECT 'idle ' || pg_backend_pid();" >&"$idle"
await 'the idle transaction' 10 grep -q '^idle ' "$RUN/idle.log"
idler=$(sed -n 's/^idle //p' "$RUN/idle.log")

pg "BEGIN; $(insertion 1); PREPARE TRANSACTION 'committed'" "BEGIN; $(insertion '"undone"'); PREPARE TRANSACTION 'undone'"
insert k 0
await_records "$topic" 1 >/dev/null
relay_stop
pg "COMMIT PREPARED 'committed'" "ROLLBACK PREPARED 'undone'"
relay_start
insert k 2
await_records "$topic" 3 >/dev/null

# The relay keeps up, and the log grows all the same.
pg "CREATE TABLE others (filler text)" "INSERT INTO others SELECT repeat('x', 1000) FROM generate_series(1, 30000)"
await 'confirmation of the others' 30 slot_has_confirmed "$(wal_end)"
await 'a small lag' 20 relay_metric_is cdc_relay_confirmed_lag_bytes 'v < 1000000'
await 'the retained log as a figure' 20 relay_metric_is cdc_relay_slot_retained_bytes 'v > 30e6'
figure retained "$(relay_metric cdc_relay_slot_retained_bytes)" bytes
figure lag_meanwhile "$(relay_metric cdc_relay_confirmed_lag_bytes)" bytes

relay_command check check || fail "check: exit code $?"
! grep 'hold back' check.err || fail 'a young transaction is called old'
# Asked from a little before on, so that the figure is the moment at which they are named, and not when somebody asked.
is_soon_a_minute_old() {
  awk -v age="$(seconds_since "$forgotten_since")" 'BEGIN { exit !(age >= 57) }'
}
is_warned_of() {
  relay_command check check || fail "check: exit code $?"
  warning=$(grep 'hold back' check.err) && [[ $warning == *"'forgotten'"* && $warning == *"pid $idler "* ]]
}
await 'most of the first minute' 70 is_soon_a_minute_old
wait_until 20 is_warned_of || fail "check does not warn of both: $(cat check.err)"
named_s=$(seconds_since "$forgotten_since")
figure 'named by check when it was asked again and again, after' "$named_s" s
# Counted from before both, so never less than the minute.
assert_number 'seconds until check names them' "$named_s" '>=' 60
assert_number 'seconds until check names them' "$named_s" '<=' 70
assert_match 'the warning' "prepared transaction 'forgotten'" "$warning"
assert_match 'the warning' "pid $idler .*idle in transaction" "$warning"

pg "ROLLBACK PREPARED 'forgotten'"
fault_ends forgotten-prepared-transaction
echo 'COMMIT;' >&"$idle"
exec {idle}>&-
fault_ends idle-in-transaction
await_records "$topic" 4 >/dev/null
ended=$EPOCHREALTIME
# restart_lsn moves when a confirmation passes one of the server's notes of its running transactions, which it makes every 15 seconds, and at a checkpoint.
released() {
  pg_in postgres CHECKPOINT
  pg "INSERT INTO others VALUES ('x')"
  relay_metric_is cdc_relay_slot_retained_bytes 'v < 1e6'
}
await 'the log let go' 40 released
figure log_released_after "$(seconds_since "$ended")" s
assert_eq 'values' '0 1 2 4' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
