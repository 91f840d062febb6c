#!/usr/bin/env bash
# The relay's password is changed under load, first in the database and in its file, then SIGHUP: it reconnects with the new one while events wait in the log.
# row: R-13 SIGHUP and a new password under load
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
POSTGRES=own
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

rotations=$(times 2 10)
cat >"$PG_DATA/pg_hba.conf" <<'HBA'
local all all              trust
host  all all 127.0.0.1/32 scram-sha-256
HBA
# rotate NUMBER: in the database and in the file, as a person would: the file is replaced, not written in place
rotate() {
  pg_in postgres "ALTER ROLE relay PASSWORD 'secret-of-rotation-$1'"
  echo "secret-of-rotation-$1" >"$RUN/password.new"
  mv "$RUN/password.new" "$RUN/password"
}
pg_in postgres "SELECT pg_reload_conf()" >/dev/null
rotate 0
relay_set POSTGRES_PASSWORD_FILE "$RUN/password"
watch_start
relay_init
relay_start
load_start --rate 200 --connections 4
await 'the first transactions' 30 load_has_committed 50

walsender() {
  pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'"
}
# is_another_walsender OLD
is_another_walsender() {
  local now
  now=$(walsender)
  [ -n "$now" ] && [ "$now" != "$1" ]
}
for ((i = 1; i <= rotations; i++)); do
  some_time 100 500
  before=$(walsender)
  fault_begins 'password rotated'
  rotate "$i"
  began=${EPOCHREALTIME//[.,]/}
  kill -HUP "${RELAY_PID[relay]}"
  await 'a new walsender' 30 is_another_walsender "$before"
  echo $(((${EPOCHREALTIME//[.,]/} - began) / 1000)) >>"$RUN/reconnects"
  fault_ends 'password rotated'
  await_state streaming
done
# The connections are cut: only the newest password opens them again.
fault_begins 'connections ended'
pg_in postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'relay'" >/dev/null
fault_ends 'connections ended'
recovery_begins
recovery_ends 'recovery with the newest password'
settle
relay_stop
verdict --only-unconfirmed --window $WINDOW_MS
sort -n "$RUN/reconnects" >"$RUN/reconnects.sorted"
figure 'rotations' "$rotations"
figure 'SIGHUP to a new walsender p50' "$(awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' "$RUN/reconnects.sorted")" ms
figure 'SIGHUP to a new walsender max' "$(tail -n 1 "$RUN/reconnects.sorted")" ms
assert_eq 'holds' '' "$(relay_log relay 'select(.event == "state" and .state == "held") | .state')"
! grep -q secret-of-rotation "$RUN"/relay.*.log || fail 'a secret in the log'
