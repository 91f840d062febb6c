#!/usr/bin/env bash
# Of the brokers that the configuration names, the first has no address, refuses, or takes connections and says nothing; or the name has an IPv6 address where nobody
# listens. The relay finds the one that works, within seconds. With no address at all it is alive and not ready, and goes on trying.
# row: K-14 DNS failure, bootstrap half dead, ::1 refused
# expects: O1 O2 O3 O4 O7 O8, seconds until the first delivery
# tags: real-kafka
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

own_kafka
watch_start
relay_init
load_start --rate 20 --connections 2 --keys 20 --payload 60-200
await 'the first transactions' 30 load_has_committed 5

# find CASE SERVERS
find_brokers() {
  local began=$EPOCHREALTIME pending took
  fault_begins "$1"
  relay_set KAFKA_BOOTSTRAP_SERVERS "$2"
  relay_launch
  pending=$(wal_end)
  await "confirmation, $1" 60 slot_has_confirmed "$pending"
  fault_ends "$1"
  took=$(seconds_since "$began")
  figure "start to confirmation, $1" "$took" s
  assert_number "seconds from the start to confirmation, $1" "$took" '<=' 15
  relay_stop
}
port=${KAFKA##*:}
find_brokers 'nothing in the way' "$KAFKA"
find_brokers 'a name without an address first' "nowhere.invalid:9092,$KAFKA"
find_brokers 'one that refuses first' "127.0.0.1:$(port_new),$KAFKA"
proxy_start silent plain "$KAFKA_DIRECT"
proxy_say silent freeze
find_brokers 'one that says nothing first' "${PROXY[silent]},$KAFKA"
find_brokers '::1 where nobody listens first' "[::1]:$port,$KAFKA"
find_brokers 'localhost, by whichever address' "localhost:$port"

fault_begins 'no address at all'
relay_set KAFKA_BOOTSTRAP_SERVERS nowhere.invalid:9092
relay_start relay -
pending=$(wal_end)
says_why() {
  [ "$(relay_get_status /readyz)" = 503 ] && relay_has_logged relay kafka_client '.message | test("resolve")'
}
await 'a line about the name' 30 says_why
assert_eq 'liveness' 200 "$(relay_get_status /livez)"
! slot_has_confirmed "$pending" || fail 'an event that Kafka does not have was confirmed'
relay_stop
fault_ends 'no address at all'

relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA"
relay_start
settle
verdict --only-unconfirmed
relay_stop
