#!/usr/bin/env bash
# The broker grants the relay less than the services write: a producer quota. Its answers say how long to wait, and the broker mutes the connection. The relay is
# slower, and that is all: no error, no new producer; without the quota it catches up.
# row: K-16 throttling by quota
# expects: O1 O2 O3 O4 O7 O8 O10, no error
# tags: slow real-kafka
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

own_kafka
watch_start
relay_init
relay_start
load_start --rate 100 --connections 6 --keys 60 --payload 500-3000
await 'the first transactions' 30 load_has_committed 50
await 'the first answer to a batch' 30 proxy_has_answered Produce

quota() {
  kafka_java kafka.admin.ConfigCommand --bootstrap-server "$KAFKA_DIRECT" --alter --entity-type clients --entity-default "$@" >>"$RUN/quota.log" 2>&1 ||
    fail "no quota: $(tail -n 3 "$RUN/quota.log")"
}
published() {
  relay_get /metrics | awk '/^cdc_relay_events_total\{.*outcome="published"/ { print $NF }'
}
lag_is_over() {
  [ "$(pg_in postgres "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) > $1 FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ]
}
fault_begins 'quota of 30 kB/s'
quota --add-config producer_byte_rate=30000
await 'a lag by the quota' 60 lag_is_over 2000000
from=$(published)
began=$EPOCHREALTIME
sleep 15 # what is measured
slow=$(awk "BEGIN { printf \"%.1f\", ($(published) - $from) / ($EPOCHREALTIME - $began) }")
figure 'events per second under the quota' "$slow" events/s
assert_number 'events per second under the quota' "$slow" '<' 120
assert_number 'events per second under the quota' "$slow" '>' 1 # slower, and that is all
quota --delete-config producer_byte_rate
fault_ends 'quota of 30 kB/s'
recovery_begins
recovery_ends 'recovery' 120
settle
verdict
assert_eq 'duplicates' 0 "$(jq .duplicates "$RUN/verdict.json")"
assert_eq 'times that the producer was made anew' 0 "$(kafka_failures)"
relay_stop
