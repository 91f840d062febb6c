#!/usr/bin/env bash
# PostgreSQL by TLS with sslmode=verify-full and SCRAM, the password from a file: it streams. A wrong password is refused with code 3; an unknown authority and a
# name that is not in the certificate are refused too, and no byte goes over a connection that was not verified.
# tags:
POSTGRES=own
OWN_POSTGRES=("ssl = on" "password_encryption = scram-sha-256")
# The server reads its certificate at its start.
postgres_certificates() {
  tls_make "$RUN/tls"
  cp "$RUN/tls/server.crt" "$RUN/tls/server.key" "$PG_DATA/"
  [ "$(id -u)" != 0 ] || chown postgres: "$PG_DATA/server.crt" "$PG_DATA/server.key"
  chmod 600 "$PG_DATA/server.key"
}
OWN_POSTGRES_PREPARES=postgres_certificates
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
# Superuser by the socket as before; everybody else by TLS and password alone.
cat >"$PG_DATA/pg_hba.conf" <<'HBA'
local   all all                trust
hostssl all all 127.0.0.1/32   scram-sha-256
HBA
pg_in postgres "SELECT pg_reload_conf()" >/dev/null
hba_is_in_force() {
  ! psql -X -w -h 127.0.0.1 -p "$PG_PORT" -U relay -d "$DB" -c 'SELECT 1'
}
await 'the new pg_hba.conf' 10 hba_is_in_force

echo relay-password-of-tests >password
chmod 600 password
relay_set POSTGRES_URL "postgresql://relay@localhost:$PG_PORT/$DB?sslmode=verify-full&sslrootcert=$RUN/tls/ca.crt"
relay_set POSTGRES_PASSWORD_FILE "$RUN/password"
relay_init
relay_start
assert_eq 'sessions of the relay without TLS' 0 "$(pg "SELECT count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.usename = 'relay' AND NOT s.ssl")"
assert_number 'sessions of the relay by TLS' "$(pg "SELECT count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.usename = 'relay' AND s.ssl")" '>=' 1
insert k 1
await_records "$topic" 1 >/dev/null
relay_stop

echo wrong >password
code=0
relay_command wrong-password run --exit-on-hold || code=$?
assert_eq 'exit code with a wrong password' 3 $code
echo relay-password-of-tests >password

tls_make "$RUN/other-tls"
relay_set POSTGRES_URL "postgresql://relay@localhost:$PG_PORT/$DB?sslmode=verify-full&sslrootcert=$RUN/other-tls/ca.crt"
relay_command other-authority init && fail 'an unknown authority was accepted'
assert_match 'why an unknown authority is refused' 'certificate verify failed' "$(cat other-authority.err)"
relay_set POSTGRES_URL "postgresql://relay@other.invalid:$PG_PORT/$DB?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert=$RUN/tls/ca.crt"
relay_command other-name init && fail 'a name that is not in the certificate was accepted'
assert_match 'why a name that is not in the certificate is refused' 'does not match host name' "$(cat other-name.err)"
