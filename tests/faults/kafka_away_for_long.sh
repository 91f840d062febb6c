#!/usr/bin/env bash
# All brokers are gone, killed, for ten minutes, while services go on writing. The relay keeps its slot by status messages, holds no more in memory than its
# configuration says and confirms nothing; the database keeps the WAL. When the broker is back all of it is published, behind a connection that may be made anew
# then: the server may be waiting for TCP's timer, since nothing was read for so long. (That the relay leaves such a line in time is not proved here, where the
# timer stands anywhere: line_silent_after_a_pause.sh does that.) With wal2json it is one minute: what lasts longer has nothing to do with the plugin.
# row: K-01 all brokers down for long
# expects: O1 O2 O3 O4 O7 O8 O10, the same walsender during the outage, at most 96 MB resident
# tags: slow real-kafka
# seconds: 2700
# plugins: both
POSTGRES=own
# A relay that sent no status for so long would lose its walsender.
OWN_POSTGRES=('wal_sender_timeout = 20s')
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

outage=$(times 60 600)
[ "$PLUGIN" = pgoutput ] || outage=60

own_kafka
watch_start
relay_init
relay_start
load_start --rate 500 --connections 8 --keys 200 --payload 100-3000
await 'the first transactions' 30 load_has_committed 500
await 'the first answer to a batch' 30 proxy_has_answered Produce

walsender() {
  pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active"
}
resident_kb() {
  sed -n "s/^$1:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/${RELAY_PID[relay]}/status"
}
published() {
  relay_get /metrics | awk '/^cdc_relay_events_total\{.*outcome="published"/ { print $NF }'
}
before=$(walsender)
figure 'resident before' "$(resident_kb VmRSS)" kB

fault_begins 'all brokers down'
own_kafka_stop KILL
stopped_at=$(slot_confirmed)
figure 'outage' "$outage" s
ends=$((SECONDS + outage))
while [ $SECONDS -lt $ends ]; do
  sleep 1
  assert_eq 'walsender during the outage' "$before" "$(walsender)"
done
figure 'resident, the most' "$(resident_kb VmHWM)" kB
figure 'events in the queue' "$(relay_metric cdc_relay_kafka_queue_events)" ''
figure 'WAL kept for the slot' "$(pg_in postgres "SELECT pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)) FROM pg_replication_slots WHERE slot_name = '$SLOT'")" ''
assert_eq 'readiness' 503 "$(relay_get_status /readyz)"
assert_eq 'liveness' 200 "$(relay_get_status /livez)"
behind=$(pg_in postgres "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '$stopped_at')")
assert_number 'bytes of WAL behind the position at the beginning of the outage' "$behind" '>' 1000000

own_kafka_run
fault_ends 'all brokers down'
recovery_begins
from=$(published)
pending=$(wal_end)
# A bound, and no proof of the rule for stalled streams: TCP's timer stands anywhere between nothing and two minutes by then. Beside it, a second for each 4 MB.
await 'what was written during the outage' $((90 + behind / 4000000)) slot_has_confirmed "$pending"
seconds=$(awk "BEGIN { print $EPOCHREALTIME - $RECOVERY_BEGAN }")
figure 'drain, with the wait for the broker' "$(awk "BEGIN { printf \"%.0f\", ($(published) - $from) / $seconds }")" events/s
recovery_ends 'recovery' 300
figure 'connection made anew behind the outage' "$([ "$(walsender)" = "$before" ] && echo 0 || echo 1)" times
settle 120
verdict --only-unconfirmed
assert_number 'kB resident, the most' "$(resident_kb VmHWM)" '<=' 98304
relay_stop
