#!/usr/bin/env bash
# PostgreSQL no longer lets the relay in: its password was changed, pg_hba.conf rejects it, its role lost REPLICATION, the server's certificate has expired. Each time the relay
# holds with code 3 and the cause, asks again a few times a minute and no more (counted by the server), says no secret, and goes on by itself when the reason is gone. Only of
# a new password it has to be told.
# row: P-30 password rotated, certificate expired, rejected by pg_hba.conf, REPLICATION lost
# expects: held, code 3; few attempts a minute, and never none; recovery without a person; no secret in the log; O1 O3 O10
# tags:
POSTGRES=own
# %b: which of the attempts refused are for the stream, and which for the second connection. What fails before a client has said that, such as TLS, is neither.
OWN_POSTGRES=("ssl = on" "password_encryption = scram-sha-256" "log_connections = on" "log_line_prefix = '%m [%p] %b %q%d %a '")
# certificate DAYS: of the server, by the authority that is in $RUN/tls; the server reads it at a reload.
certificate() {
  (cd "$RUN/tls" && openssl x509 -req -days "$1" -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile server.ext -out server.crt) >>"$RUN/openssl.log" 2>&1 ||
    fail "no certificate: $(tail -n 3 "$RUN/openssl.log")"
  cp "$RUN/tls/server.crt" "$RUN/tls/server.key" "$PG_DATA/"
  [ "$(id -u)" != 0 ] || chown postgres: "$PG_DATA/server.crt" "$PG_DATA/server.key"
  chmod 600 "$PG_DATA/server.key"
}
prepare() {
  tls_make "$RUN/tls"
  certificate 3
}
OWN_POSTGRES_PREPARES=prepare
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
hba() {
  cat >"$PG_DATA/pg_hba.conf"
  pg_in postgres "SELECT pg_reload_conf()" >/dev/null
}
let_in() {
  hba <<'HBA'
local   all all              trust
hostssl all all 127.0.0.1/32 scram-sha-256
HBA
}
let_in
pg_in postgres "ALTER ROLE relay PASSWORD 'first-secret-of-tests'"
echo first-secret-of-tests >password
chmod 600 password
relay_set POSTGRES_URL "postgresql://relay@localhost:$PG_PORT/$DB?sslmode=verify-full&sslrootcert=$RUN/tls/ca.crt"
relay_set POSTGRES_PASSWORD_FILE "$RUN/password"
relay_set LOG_LEVEL debug
relay_init

n=0
window=$(times 10 20)
attempts() {
  grep -c 'connection received: host=127.0.0.1' "$RUN/own.log"
}
# looks: attempts to stream that were refused, so far
looks() {
  grep ' walsender .*FATAL: ' "$RUN/own.log" | grep -vc 'terminating connection' || true
}
window_is_over() {
  awk -v began="$began" -v now="$EPOCHREALTIME" -v least="$window" 'BEGIN { exit now - began < least }'
}

# refused NAME CAUSE [untold]: `break_access` is called and the connections are ended, the relay holds, its attempts are counted; then `mend` is called, and the next event arrives.
# Each time a relay of its own, since looks grow rarer with each that was in vain, 5 s to 60 s. untold: the server cannot tell which attempts are looks.
refused() {
  local name=$1 before before_looks
  relay_start
  fault_begins "$name"
  break_access
  before=$(attempts)
  before_looks=$(looks)
  pg_in postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'relay'" >/dev/null
  began=$EPOCHREALTIME
  await_state held relay 30
  figure "${name}_detection" "$(seconds_since "$began")" s
  assert_eq "the metric: $name" 1 "$(relay_metric 'cdc_relay_state{state="held"}')"
  assert_eq "code and cause: $name" "3 $2" "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
  n=$((n + 1))
  insert k $n
  await "the end of the window" $((window + 5)) window_is_over
  figure "${name}_attempts_per_minute" "$((($(attempts) - before) * 60 / window))" connections
  assert_number "connections in $window s: $name" "$(($(attempts) - before))" '<=' 15
  # The first one was no look: for it the relay held. Behind it come one after 2.5 to 5 s, one after 5 to 10 s more, and so on.
  if [ "${3:-}" != untold ]; then
    figure "${name}_looks" $(($(looks) - before_looks - 1)) "in $window s"
    assert_number "looks in $window s: $name" $(($(looks) - before_looks - 1)) '>=' 1
    assert_number "looks in $window s: $name" $(($(looks) - before_looks - 1)) '<=' 4
  fi
  mend
  fault_ends "$name"
  recovery_began=$EPOCHREALTIME
  await_state streaming relay 60
  figure "${name}_streams_again" "$(seconds_since "$recovery_began")" s
  await_records "$topic" $n 30 >/dev/null
  relay_stop
}

break_access() {
  pg_in postgres "ALTER ROLE relay PASSWORD 'second-secret-of-tests'"
}
mend() {
  echo second-secret-of-tests >password
  kill -HUP "${RELAY_PID[relay]}" # read the file again
}
refused password_rotated authentication

break_access() {
  hba <<'HBA'
local   all all              trust
hostssl all relay 127.0.0.1/32 reject
HBA
}
mend() {
  let_in
}
refused rejected_by_hba authentication

break_access() {
  pg_in postgres "ALTER ROLE relay NOREPLICATION"
}
mend() {
  pg_in postgres "ALTER ROLE relay REPLICATION"
}
refused replication_lost privilege

has_expired() {
  ! openssl x509 -in "$RUN/tls/server.crt" -checkend 0
}
break_access() {
  certificate 0
  await 'the end of the certificate' 10 has_expired
  pg_in postgres "SELECT pg_reload_conf()" >/dev/null
}
mend() {
  certificate 3
  pg_in postgres "SELECT pg_reload_conf()" >/dev/null
}
refused certificate_expired authentication untold

assert_eq 'values' '1 2 3 4' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
! grep -l -e first-secret-of-tests -e second-secret-of-tests "$RUN"/relay.*.log || fail 'a secret in the log'
