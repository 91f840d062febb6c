#!/usr/bin/env bash
# The walsender is ended by an administrator under load, again and again (pg_terminate_backend), sometimes the relay's second connection with it: the relay is back within a
# moment, at the position that the slot has, which it was told of a tenth of a second ago at most.
# row: P-04 walsender backend terminated
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

watch_start
relay_init
relay_start
load_start --rate 150 --connections 6 --keys 60
await 'the first transactions' 30 load_has_committed 50

# Everybody but the one that was there.
is_read_by_another() {
  [ "$(pg_in postgres "SELECT active_pid <> $1 FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ]
}

count=$(times 5 12)
back=()
for ((i = 1; i <= count; i++)); do
  some_life "$i"
  pid=$(pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'")
  fault_begins 'walsender ended'
  began=$EPOCHREALTIME
  if [ "$(random 3)" = 0 ]; then
    pg_in postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DB' AND usename = 'relay'" >/dev/null
  else
    pg_in postgres "SELECT pg_terminate_backend($pid)" >/dev/null
  fi
  fault_ends 'walsender ended'
  await 'another walsender' 30 is_read_by_another "$pid"
  back+=("$(seconds_since "$began")")
done
figure reconnected_after_median "$(printf '%s\n' "${back[@]}" | sort -n | sed -n "$(((count + 1) / 2))p")" s
figure reconnected_after_most "$(printf '%s\n' "${back[@]}" | sort -n | tail -n 1)" s
recovery_begins
recovery_ends recovery_after_the_last
settle
verdict --only-unconfirmed --window $WINDOW_MS
figure duplicates_per_fault_most "$(jq .duplicates_per_fault_max "$RUN/verdict.json")" events
relay_stop
