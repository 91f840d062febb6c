#!/usr/bin/env bash
# The wall clock that the relay's process sees jumps by seconds, by hours, a day forward and a day back, under load, while it has to reconnect to PostgreSQL, and while
# it is without Kafka. Nothing waits for a time of day: no storm of retries, none that come a day late, no loop that spins.
# row: R-11 the wall clock jumps by a day and back
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: real-kafka
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

# jump_to SECONDS: the clock's distance from the true one, from now on. Written in place, in one piece.
jump_to() {
  printf '%-32s' "$1" | dd of="$RUN/clock" conv=notrunc status=none
}
printf '%-32s' 0 >"$RUN/clock"
own_kafka
watch_start
relay_init
RELAY_SETTINGS+=("LD_PRELOAD=$ROOT/build/dev/tests/faults/wall_clock.so" "WALL_CLOCK_FILE=$RUN/clock")
relay_start
load_start --rate 200 --connections 4
await 'the first transactions' 30 load_has_committed 50

relay_cpu_ms() {
  local fields
  read -r -a fields <"/proc/${RELAY_PID[relay]}/stat"
  echo $(((fields[13] + fields[14]) * 1000 / $(getconf CLK_TCK)))
}
# An ended walsender makes the relay wait and connect: its backoff is under way while the clock jumps.
cut_connection() {
  pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active" >/dev/null
}
reconnects() {
  relay_log relay 'select(.event == "streaming_started") | .event' | wc -l
}

jumps=(60 0 3600 -3600 0 86400 0 -86400 0 86400 -86400 0)
[ -z "${FAULTS_SHORT:-}" ] || jumps=(86400 -86400 0)
cuts=0
began=${EPOCHREALTIME//[.,]/}
cpu=$(relay_cpu_ms)
for jump in "${jumps[@]}"; do
  kind="the clock jumps to $jump s"
  fault_begins "$kind"
  jump_to "$jump"
  some_time 300 900
  cut_connection
  cuts=$((cuts + 1))
  fault_ends "$kind"
  recovery_begins
  recovery_ends "recovery at $jump s" 60
  # A line of the log says that the clock did jump for the relay.
  newest=$(relay_log relay '.ts' | tail -n 1)
  seen=$(($(date -d "$newest" +%s) - $(date +%s)))
  assert_number "seconds by which the relay's log is off" "$seen" '>' $((jump - 120))
  assert_number "seconds by which the relay's log is off" "$seen" '<' $((jump + 120))
done
# Without Kafka, its client waits to try again; by the time of day, if it were for librdkafka alone.
for jump in "${jumps[@]}"; do
  proxy_say kafka refuse
  proxy_say kafka cut
  some_time 300 600
  kind="the clock jumps to $jump s without Kafka"
  fault_begins "$kind"
  jump_to "$jump"
  some_time 300 600
  proxy_say kafka accept
  fault_ends "$kind"
  recovery_begins
  recovery_ends "recovery without Kafka at $jump s" 60
done
elapsed_ms=$(((${EPOCHREALTIME//[.,]/} - began) / 1000))
cpu=$(($(relay_cpu_ms) - cpu))
figure 'CPU meanwhile' $((cpu * 100 / elapsed_ms)) '% of a core'
assert_number 'CPU in percent of a core' $((cpu * 100 / elapsed_ms)) '<=' 60
figure 'jumps' $((${#jumps[@]} * 2))
figure 'streams begun' "$(reconnects)"
# Nobody retries in a storm: each cut makes one new stream, each jump back another one, and little more.
assert_number 'streams begun' "$(reconnects)" '<=' $((cuts * 3 + 4))
settle
relay_stop
verdict --only-unconfirmed
