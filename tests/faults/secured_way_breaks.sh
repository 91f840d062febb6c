#!/usr/bin/env bash
# By TLS and SCRAM, under ACLs: the connection is closed on one side, cut, handed over byte by byte; then somebody else answers, whose certificate has expired, is for
# another host, or is by an authority that nobody trusts; then the user's password is changed on the broker. What cannot be trusted gets no event and is no reason
# to confirm any; the relay says so, and goes on by itself, or after the new password and a signal.
# row: K-15 TLS expired, wrong host, unknown CA, half-close; SASL wrong, rotated
# expects: O1 O2 O3 O4 O7 O8 O10, nothing sent to whom we do not trust, few attempts, a metric that tells
# tags: slow real-kafka
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

# The broker sends whoever comes by SASL_SSL to a proxy of its own, too.
advertise_proxy() {
  # shellcheck disable=SC1091
  . "$RUN/own-kafka.env"
  proxy_start secured plain "$KAFKA_SASL_SSL"
  sed -i "/^advertised.listeners=/s,SASL_SSL://$KAFKA_SASL_SSL,SASL_SSL://${PROXY[secured]}," "$RUN/own-kafka.properties"
}
OWN_KAFKA_PREPARES=advertise_proxy
own_kafka
user() {
  kafka_java "$@" --bootstrap-server "$KAFKA_DIRECT" >>"$RUN/users.log" 2>&1 || fail "$(tail -n 3 "$RUN/users.log")"
}
KAFKA=$KAFKA_DIRECT
load_topics
user kafka.admin.AclCommand --add --allow-principal "User:$KAFKA_USER" --producer --topic "${WATCH_TOPICS[0]}"
echo "$KAFKA_PASSWORD" >"$RUN/password"
chmod 600 "$RUN/password"
relay_set KAFKA_BOOTSTRAP_SERVERS "${PROXY[secured]}"
relay_set KAFKA_SECURITY_PROTOCOL SASL_SSL
relay_set KAFKA_SASL_MECHANISM SCRAM-SHA-512
relay_set KAFKA_SASL_USERNAME "$KAFKA_USER"
relay_set KAFKA_SASL_PASSWORD_FILE "$RUN/password"
relay_set KAFKA_SSL_CA_LOCATION "$KAFKA_TLS/ca.crt"
relay_set KAFKA_SOCKET_TIMEOUT_MS 2000
relay_set KAFKA_RECONNECT_BACKOFF_MAX_MS 500
watch_start
relay_init
relay_start
load_start --rate 60 --connections 4 --keys 40 --payload 60-300
await 'the first transactions' 30 load_has_committed 20

stream_goes_on 'the start'

for way in 'half-close request' 'half-close response' 'reset request' 'reset response' 'slice=1 both'; do
  read -r action direction <<<"$way"
  fault_begins "$way"
  proxy_say secured rule way "direction=$direction" "skip=$(random 10)" "count=$([ "$action" = slice=1 ] && echo 40 || echo 1)" "$action"
  await "the fault $way" 30 proxy_has_applied secured way 1
  fault_ends "$way"
  stream_goes_on "$way"
  proxy_say secured clear way
done

# Those who answer in the broker's place.
(
  cd "$RUN"
  openssl req -newkey rsa:2048 -nodes -subj /CN=server -keyout impostor.key -out impostor.csr
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >right.ext
  printf 'subjectAltName=DNS:kafka.example.org' >wrong.ext
  openssl x509 -req -days 0 -in impostor.csr -CA "$KAFKA_TLS/ca.crt" -CAkey "$KAFKA_TLS/ca.key" -CAcreateserial -extfile right.ext -out expired.crt
  openssl x509 -req -days 3 -in impostor.csr -CA "$KAFKA_TLS/ca.crt" -CAkey "$KAFKA_TLS/ca.key" -CAcreateserial -extfile wrong.ext -out wrong-host.crt
  openssl x509 -req -days 3 -in impostor.csr -signkey impostor.key -extfile right.ext -out unknown-authority.crt
) >"$RUN/impostor.log" 2>&1 || fail "$(cat "$RUN/impostor.log")"
says_that_it_does_not_trust() {
  [ "$(relay_get_status /readyz)" = 503 ] && [ "$(relay_log relay 'select(.event == "kafka_client" and (.message | test("certificate|handshake"; "i"))) | .ts' | wc -l)" -gt "$1" ]
}
# tries_few_times WHAT LEAST MOST: connections that the relay opens in the next five seconds.
window=5
window_is_over() {
  awk -v began="$window_began" -v now="$EPOCHREALTIME" -v least=$window 'BEGIN { exit now - began < least }'
}
tries_few_times() {
  local accepted tried
  accepted=$(proxy_accepted secured)
  window_began=$EPOCHREALTIME
  await 'the end of the window' $((window + 5)) window_is_over
  tried=$(($(proxy_accepted secured) - accepted))
  figure "connections in $window s, $1" "$tried" ''
  assert_number "connections in $window s, $1" "$tried" '>=' "$2"
  assert_number "connections in $window s, $1" "$tried" '<=' "$3"
}
mkfifo "$RUN/impostor.input"
for impostor in expired wrong-host unknown-authority; do
  port=$(port_new)
  # It ends with its input.
  PROCESS_INPUT=$RUN/impostor.input process_spawn "impostor.$impostor" TERM openssl s_server -accept "127.0.0.1:$port" -cert "$RUN/$impostor.crt" -key "$RUN/impostor.key"
  await "the server with a certificate that is $impostor" 10 eval "! port_is_free $port"
  before=$(relay_log relay 'select(.event == "kafka_client" and (.message | test("certificate|handshake"; "i"))) | .ts' | wc -l)
  fault_begins "certificate: $impostor"
  proxy_say secured target "127.0.0.1:$port"
  proxy_say secured cut
  pending=$(wal_end)
  await "the relay's word on a certificate that is $impostor" 30 says_that_it_does_not_trust "$before"
  await "transactions meanwhile" 30 load_has_committed $(($(grep -c '"op":"commit"' "$RUN/writer.jsonl") + 20))
  pending=$(wal_end)
  # Between 375 and 750 ms apart once the pauses have grown, so 13 at most; the rest is for the first ones, and for a window that ends late.
  tries_few_times "certificate $impostor" 2 20
  ! slot_has_confirmed "$pending" || fail "confirmed while the certificate was $impostor"
  # The state is that of the stream from PostgreSQL, which stands; what tells of it are events that nobody takes.
  relay_metric_is cdc_relay_oldest_unsettled_seconds "v >= $window" || fail "the age of the oldest event with a certificate that is $impostor: $(relay_metric cdc_relay_oldest_unsettled_seconds)"
  assert_match 'the handshakes seen by the impostor' 'alert' "$(cat "$RUN/impostor.$impostor.log")"
  ! grep -q SCRAM "$RUN/impostor.$impostor.log" || fail 'authentication was begun with an impostor'
  process_stop "impostor.$impostor"
  proxy_say secured target "$KAFKA_SASL_SSL"
  fault_ends "certificate: $impostor"
  stream_goes_on "certificate: $impostor"
done

# The password is another one now; the connection that there is stays, and the next one is refused.
fault_begins 'password changed on the broker'
user kafka.admin.ConfigCommand --alter --entity-type users --entity-name "$KAFKA_USER" --add-config 'SCRAM-SHA-512=[password=another-secret]'
proxy_say secured cut
await_state held relay 60
assert_match 'the reason' '[Aa]uthentication' "$(relay_get /readyz)"
assert_eq 'the metric of a relay that is held' 1 "$(relay_metric 'cdc_relay_state{state="held"}')"
tries_few_times 'password wrong' 0 20
pending=$(wal_end)
await "transactions meanwhile" 30 load_has_committed $(($(grep -c '"op":"commit"' "$RUN/writer.jsonl") + 20))
echo another-secret >"$RUN/password"
kill -HUP "${RELAY_PID[relay]}"
fault_ends 'password changed on the broker'
recovery_begins
recovery_ends 'recovery after the new password' 60
assert_eq 'the metric of a relay that was held' '0 1' "$(relay_metric 'cdc_relay_state{state="held"}') $(relay_metric 'cdc_relay_state{state="streaming"}')"
! grep -q -e another-secret -e "$KAFKA_PASSWORD" "$RUN"/relay.*.log || fail 'a secret in the log'
settle
verdict --only-unconfirmed
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" records
relay_stop
