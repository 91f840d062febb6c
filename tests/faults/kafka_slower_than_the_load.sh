#!/usr/bin/env bash
# The way to Kafka takes 1 Mbit/s and the services write more than that, for a minute. The producer's queue is full: the relay stops reading and says so, the WAL
# keeps the rest, the walsender stays. When the way is wide again all of it comes, and nothing was dropped.
# row: K-07 QUEUE_FULL for long
# expects: O1 O2 O3 O4 O7 O8 O10, queue full and within its bounds, at most 96 MB resident, the same walsender unless the stream stalled behind a pause
# tags: slow real-kafka
# plugins: both
POSTGRES=own
OWN_POSTGRES=('wal_sender_timeout = 20s')
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

narrow=60
own_kafka
relay_set KAFKA_QUEUE_BUFFERING_MAX_MESSAGES 3000
watch_start
relay_init
relay_start
# About 3 events of 1 kB per transaction: four times what passes.
load_start --rate 150 --connections 8 --keys 200 --payload 200-3000
await 'the first transactions' 30 load_has_committed 200
await 'the first answer to a batch' 30 proxy_has_answered Produce

walsender() {
  pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active"
}
lag_bytes() {
  pg_in postgres "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) FROM pg_replication_slots WHERE slot_name = '$SLOT'"
}
resident_kb() {
  sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/${RELAY_PID[relay]}/status"
}
before=$(walsender)
figure 'resident before' "$(resident_kb VmRSS)" kB
fault_begins '1 Mbit/s'
proxy_say kafka rule narrow bandwidth=125000
await_state paused relay 60
ends=$((SECONDS + narrow))
most=0
while [ $SECONDS -lt $ends ]; do
  sleep 1
  assert_eq 'walsender while the way is narrow' "$before" "$(walsender)"
  queue=$(relay_metric cdc_relay_kafka_queue_events)
  most=$((queue > most ? queue : most))
done
# It says so after a second without room; in between some records may have gone.
assert_match 'the state' '^(paused|streaming)$' "$(relay_state)"
figure 'times it said that it is paused' "$(relay_log relay 'select(.event == "state" and .state == "paused") | .state' | wc -l)" ''
figure 'events in the queue, the most' "$most" ''
figure 'lag at the end' "$(lag_bytes)" bytes
figure 'resident, the most' "$(resident_kb VmHWM)" kB
assert_number 'events in the queue, the most' "$most" '<=' 3000
assert_number 'events in the queue, the most' "$most" '>=' 2000 # else it was never full
assert_number 'lag while the way is narrow' "$(lag_bytes)" '>' 1000000
assert_eq 'times that the producer was made anew' 0 "$(kafka_failures)"
proxy_say kafka clear narrow
fault_ends '1 Mbit/s'
recovery_begins
recovery_ends 'recovery' 180
settle 120
assert_number 'kB resident, the most' "$(resident_kb VmHWM)" '<=' 98304
# A pause of five seconds allows the relay to ask, and TCP to be late with the answer.
if relay_has_logged relay session_failed '.cause == "stream_stalled"'; then
  verdict --only-unconfirmed
else
  assert_eq 'walsender afterwards' "$before" "$(walsender)"
  verdict
  assert_eq 'duplicates' 0 "$(jq .duplicates "$RUN/verdict.json")"
fi
relay_stop
