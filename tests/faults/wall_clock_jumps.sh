#!/usr/bin/env bash
# The wall clock that the relay's process sees jumps by seconds, by hours, a day forward and a day back, under load and while it has to reconnect. What waits, waits by
# the monotonic clock: no storm of retries, none that come a day late, no loop that spins.
# row: R-11 the wall clock jumps by a day and back
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

# jump_to SECONDS: the clock's distance from the true one, from now on. Written in place, in one piece.
jump_to() {
  printf '%-32s' "$1" | dd of="$RUN/clock" conv=notrunc status=none
}
printf '%-32s' 0 >"$RUN/clock"
watch_start
relay_init
RELAY_SETTINGS+=("LD_PRELOAD=$ROOT/build/dev/tests/faults/wall_clock.so" "WALL_CLOCK_FILE=$RUN/clock")
relay_start
load_start --rate 200 --connections 4
await 'the first transactions' 30 load_has_committed 50

# The relay's own word for the time of day, from its newest line.
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
  [ $((seen - jump)) -lt 120 ] && [ $((jump - seen)) -lt 120 ] || fail "the relay's log is $seen s off, expected about $jump s"
done
elapsed_ms=$(((${EPOCHREALTIME//[.,]/} - began) / 1000))
cpu=$(($(relay_cpu_ms) - cpu))
figure 'CPU meanwhile' $((cpu * 100 / elapsed_ms)) '% of a core'
assert_number 'CPU in percent of a core' $((cpu * 100 / elapsed_ms)) '<=' 60
figure 'jumps' "${#jumps[@]}"
figure 'streams begun' "$(reconnects)"
# Nobody retries in a storm: each cut makes one new stream, and little more.
assert_number 'streams begun' "$(reconnects)" '<=' $((cuts + 4))
settle
relay_stop
verdict
