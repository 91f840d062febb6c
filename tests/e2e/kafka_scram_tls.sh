#!/usr/bin/env bash
# Kafka by SASL_SSL with SCRAM-SHA-512, and by SSL with a certificate of our own: under ACLs that allow the topics and nothing else. A topic without an ACL
# holds the relay with the command that mends it, and it goes on when it is mended; a wrong password and an unknown authority are not ready, and never in clear.
# row: K-06 TOPIC_AUTHORIZATION
# row: K-15 wrong password, unknown authority
# expects: holds and goes on, fails closed
# tags: real-kafka slow
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
topic_create "$topic-other" 1
acl() {
  kafka_java kafka.admin.AclCommand --bootstrap-server "$KAFKA" --add "$@" >>acl.log 2>&1 || fail "no ACL: $(tail -n 3 acl.log)"
}
acl --allow-principal "User:$KAFKA_USER" --allow-principal User:CN=relay --producer --topic "$topic"
echo "$KAFKA_PASSWORD" >password
chmod 600 password
plain=("${RELAY_SETTINGS[@]}")

relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA_SASL_SSL"
relay_set KAFKA_SECURITY_PROTOCOL SASL_SSL
relay_set KAFKA_SASL_MECHANISM SCRAM-SHA-512
relay_set KAFKA_SASL_USERNAME "$KAFKA_USER"
relay_set KAFKA_SASL_PASSWORD_FILE "$RUN/password"
relay_set KAFKA_SSL_CA_LOCATION "$KAFKA_TLS/ca.crt"
relay_init
relay_start
insert k 1
await_records "$topic" 1 >/dev/null
await 'confirmation of the first, which the next session would publish again' 20 slot_has_confirmed "$(wal_end)"

# Not authorized: held, and on again.
insert k 2 "$T-other"
await_state held relay 60
assert_match 'the reason' "$topic-other" "$(relay_get /readyz)"
acl --allow-principal "User:$KAFKA_USER" --allow-principal User:CN=relay --producer --topic "$topic-other"
assert_match 'the record after the ACL' '^k\|2\|' "$(await_records "$topic-other" 1 90)"
await 'confirmation' 20 slot_has_confirmed "$(wal_end)"
relay_stop

# A wrong password: never ready, and with --exit-on-hold exit code 6.
echo wrong >password
code=0
relay_command wrong-password run --exit-on-hold || code=$?
assert_eq 'exit code with a wrong password' 6 $code

RELAY_SETTINGS=("${plain[@]}")
relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA_SSL"
relay_set KAFKA_SECURITY_PROTOCOL SSL
relay_set KAFKA_SSL_CA_LOCATION "$KAFKA_TLS/ca.crt"
relay_set KAFKA_SSL_CERTIFICATE_LOCATION "$KAFKA_TLS/relay.crt"
relay_set KAFKA_SSL_KEY_LOCATION "$KAFKA_TLS/relay.key"
relay_start
insert k 3
assert_match 'the record by a certificate' 'k\|3\|' "$(await_records "$topic" 2)"
relay_stop

# An authority that did not sign the broker's certificate.
tls_make "$RUN/other-tls"
relay_set KAFKA_SSL_CA_LOCATION "$RUN/other-tls/ca.crt"
insert k 4
pending=$(wal_end)
relay_start relay -
says_that_it_does_not_trust() {
  [ -n "$(relay_log relay 'select(.event == "kafka_client" and (.message | test("certificate|handshake"; "i"))) | .ts')" ]
}
await "the relay's word on an unknown authority" 30 says_that_it_does_not_trust
assert_eq 'readiness with an unknown authority' 503 "$(relay_get_status /readyz)"
! slot_has_confirmed "$pending" || fail 'confirmed what nobody who is trusted has'
relay_stop
assert_eq 'records by an unknown broker' 2 "$(read_topic "$topic" | wc -l)"
