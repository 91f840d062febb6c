#!/usr/bin/env bash
# SIGHUP: after the password of the role and its file were changed, the relay reconnects with the new one, without a restart and without losing anything; a relay
# that is held because the password was changed first goes on by the same signal.
# row: R-13 a password changed before and after the relay is told
# expects: O1 O10
# tags:
POSTGRES=own
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
cat >"$PG_DATA/pg_hba.conf" <<'HBA'
local all all              trust
host  all all 127.0.0.1/32 scram-sha-256
HBA
pg_in postgres "ALTER ROLE relay PASSWORD 'first-secret'" "SELECT pg_reload_conf()" >/dev/null
echo first-secret >"$RUN/password"
relay_set POSTGRES_PASSWORD_FILE "$RUN/password"
relay_init
relay_start
insert k 1
await_records "$topic" 1 >/dev/null

# Changed on both sides, then told: it streams again, by a new connection.
pid=$(pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'")
pg_in postgres "ALTER ROLE relay PASSWORD 'second-secret'"
echo second-secret >"$RUN/password"
kill -HUP "${RELAY_PID[relay]}"
has_another_walsender() {
  local now
  now=$(pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'")
  [ -n "$now" ] && [ "$now" != "$pid" ]
}
await 'a new walsender' 20 has_another_walsender
insert k 2
await 'confirmation of the second' 20 slot_has_confirmed "$(wal_end)"

# Changed in the database alone, and the connections ended: held. Then the file, and the signal.
pg_in postgres "ALTER ROLE relay PASSWORD 'third-secret'" "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'relay'" >/dev/null
await_state held
insert k 3
echo third-secret >"$RUN/password"
kill -HUP "${RELAY_PID[relay]}"
await_state streaming relay 5
await 'confirmation of the third' 20 slot_has_confirmed "$(wal_end)"
assert_eq 'values' '1 2 3' "$(read_topic "$topic" | cut -d '|' -f 2 | sort -u | paste -sd ' ')"

# A file that is gone leaves the old secret in force.
rm "$RUN/password"
kill -HUP "${RELAY_PID[relay]}"
await 'the line about the file' 10 relay_has_logged relay secrets_not_reloaded
insert k 4
await 'confirmation of the fourth' 20 slot_has_confirmed "$(wal_end)"
relay_stop
! grep -q -e first-secret -e second-secret -e third-secret "$RUN"/relay.*.log || fail 'a secret in the log'
