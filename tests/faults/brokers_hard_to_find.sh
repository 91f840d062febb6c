#!/usr/bin/env bash
# Of the brokers that the configuration names, the first has no address, refuses, or takes connections and says nothing; or the name has an IPv6 address where nobody
# listens. The relay finds the one that works, within seconds. With no address at all it is alive and not ready, and goes on trying.
# row: K-14 DNS failure, bootstrap half dead, ::1 refused
# expects: O1 O2 O3 O4 O7 O8, seconds until the first delivery, the bad one tried
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

# A row that is committed now: what confirms it is the relay that runs, and Kafka has it. Rows are numbered as the load's are.
marks=0
mark() {
  marks=$((marks + 1))
  insert mark "{\"n\":$marks}"
}
# find CASE SERVERS [COMMAND...]: a relay that is to find one of these, and has tried the bad one if the command says so. It is its client that draws which one it asks first,
# so it gets one life after the other until it has drawn that one; each of them must be in time.
find_brokers() {
  local kind=$1 bad=1 lives=0 began pending took
  relay_set KAFKA_BOOTSTRAP_SERVERS "$2"
  shift 2
  [ $# != 0 ] || bad=0 # nothing shows that anything was in the way
  fault_begins "$kind"
  until [ $lives != 0 ] && { [ $# = 0 ] || wait_until 2 "$@" 2>/dev/null; }; do
    [ $lives = 0 ] || relay_stop
    lives=$((lives + 1))
    [ $lives -le 20 ] || fail "in 20 lives the relay has not tried: $kind"
    began=$EPOCHREALTIME
    relay_start relay -
    mark
    pending=$(wal_end)
    await "confirmation, $kind" 60 slot_has_confirmed "$pending"
    took=$(seconds_since "$began")
    assert_number "seconds from the start to confirmation, $kind" "$took" '<=' 15
    relay_metric_is 'cdc_relay_events_total{table="public.outbox",outcome="published"}' 'v >= 1' || fail "confirmed, and published nothing: $kind"
  done
  fault_ends "$kind" "$bad"
  figure "start to confirmation, $kind" "$took" s
  [ $# = 0 ] || figure "lives until it was tried, $kind" "$lives" ''
  relay_stop
}
# says WORDS: the client does, of whom it could not reach
says() {
  relay_has_logged relay kafka_client "(.message | contains(\"$1\"))"
}
port=${KAFKA##*:}
refusing=127.0.0.1:$(port_new)
find_brokers 'nothing in the way' "$KAFKA"
find_brokers 'a name without an address first' "nowhere.invalid:9092,$KAFKA" says nowhere.invalid
find_brokers 'one that refuses first' "$refusing,$KAFKA" says "$refusing"
proxy_start silent plain "$KAFKA_DIRECT"
proxy_say silent freeze
find_brokers 'one that says nothing first' "${PROXY[silent]},$KAFKA" proxy_has_accepted silent 1
find_brokers '::1 where nobody listens first' "[::1]:$port,$KAFKA" says "[::1]:$port"
find_brokers 'localhost, by whichever address' "localhost:$port"

fault_begins 'no address at all'
relay_set KAFKA_BOOTSTRAP_SERVERS nowhere.invalid:9092
relay_start relay -
mark
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
