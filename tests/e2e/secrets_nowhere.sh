#!/usr/bin/env bash
# Passwords of PostgreSQL and Kafka, right and wrong ones, given by address, file and environment: they are in no log line (of level debug), no page, no output of a
# command, no argument of the process, and a crash leaves no core file.
# tags: real-kafka
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
kafka_java kafka.admin.AclCommand --bootstrap-server "$KAFKA" --add --allow-principal "User:$KAFKA_USER" --producer --topic "$topic" >acl.log 2>&1
relay_set LOG_LEVEL debug
relay_set POSTGRES_URL "postgresql://relay:url-secret-of-tests@127.0.0.1:$PG_PORT/$DB?application_name=secrets"
relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA_SASL"
relay_set KAFKA_SECURITY_PROTOCOL SASL_PLAINTEXT
relay_set KAFKA_SASL_MECHANISM SCRAM-SHA-256
relay_set KAFKA_SASL_USERNAME "$KAFKA_USER"
relay_set KAFKA_SASL_PASSWORD wrong-secret-of-tests
relay_init
relay_start relay -
await_state held relay 60
relay_get /readyz >readyz.page
assert_match 'the reason, with a wrong password' '[Aa]uthentication' "$(cat readyz.page)"
relay_get /status >status.page
relay_get /metrics >metrics.page
relay_stop relay TERM

echo "$KAFKA_PASSWORD" >password
chmod 600 password
RELAY_SETTINGS=("${RELAY_SETTINGS[@]/*KAFKA_SASL_PASSWORD=*/CDC_RELAY_KAFKA_SASL_PASSWORD_FILE=$RUN/password}")
relay_start
insert k '"payload-of-tests"'
await_records "$topic" 1 >/dev/null
tr '\0' ' ' <"/proc/${RELAY_PID[relay]}/cmdline" >cmdline.page
assert_match 'limit of core files' 'Max core file size +0 ' "$(grep core "/proc/${RELAY_PID[relay]}/limits")"
relay_get /status >status-2.page
relay_get /metrics >metrics-2.page
relay_command config config || fail "config: exit code $?"
grep -q '\*\*\*' config.out || fail 'config masks nothing'
relay_command check check || true
relay_command status status --json || true
relay_command drop drop --yes || true
relay_stop relay TERM

for secret in url-secret-of-tests wrong-secret-of-tests "$KAFKA_PASSWORD" payload-of-tests; do
  ! grep -l -- "$secret" ./*.log ./*.page ./*.out ./*.err || fail "$secret is in the files above"
done
