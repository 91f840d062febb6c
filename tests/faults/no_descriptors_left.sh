#!/usr/bin/env bash
# The relay runs with a limit of file descriptors that leaves it none: first with fewer than it needs to start, then with one that is taken up by clients of its admin
# port and by connections that break and have to be opened again. It says what is wrong, tries again without spinning, and goes on when there is room.
# row: R-10 file descriptors are exhausted
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

relay_cpu_ms() {
  local fields
  read -r -a fields <"/proc/${RELAY_PID[relay]}/stat"
  echo $(((fields[13] + fields[14]) * 1000 / $(getconf CLK_TCK)))
}
relay_fds() {
  find "/proc/${RELAY_PID[relay]}/fd" -mindepth 1 | wc -l
}
# limit_fds NUMBER: of the process that runs; what is open stays open
limit_fds() {
  prlimit --pid "${RELAY_PID[relay]}" --nofile="$1:"
}
# failures: lines, of which each round has one at least, since it begins with a relay that streams
failures() {
  relay_log relay 'select(.event == "session_failed") | .cause' | wc -l
}
has_failed_since() {
  [ "$(failures)" -gt "$1" ]
}

watch_start
relay_init
relay_start
load_start --rate 100 --connections 4
await 'the first transactions' 30 load_has_committed 50
fds=$(relay_fds)
figure 'descriptors of a relay that streams' "$fds"

# 1. Each connection is cut, and there is no descriptor for another one.
for round in 1 2 3; do
  failed=$(failures)
  fault_begins 'no descriptor to reconnect'
  # The lowest ones are never closed, so with this limit none is free, whatever is. With fewer ppoll() would refuse the relay's five.
  limit_fds 5
  pg_in postgres "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DB' AND usename = 'relay'" >/dev/null
  await 'the failure in the log' 30 has_failed_since "$failed"
  cpu=$(relay_cpu_ms)
  began=${EPOCHREALTIME//[.,]/}
  some_time 4000 5000
  ms=$(((${EPOCHREALTIME//[.,]/} - began) / 1000))
  cpu=$(($(relay_cpu_ms) - cpu))
  kill -0 "${RELAY_PID[relay]}" || fail 'the relay ended'
  limit_fds 1024
  fault_ends 'no descriptor to reconnect'
  recovery_begins
  figure "CPU while failing, round $round" $((cpu * 100 / ms)) '% of a core'
  assert_number 'CPU while failing, in percent of a core' $((cpu * 100 / ms)) '<=' 25
  recovery_ends "recovery, round $round"
  # So long that the next round begins with the first try and not with the last one's pause.
  some_time 1100 1500
done
assert_match 'the reason in the log' 'Too many open files' "$(relay_log relay 'select(.event == "session_failed") | .error' | sort -u)"

# 2. Clients of the admin port take all that is left: the stream goes on, other clients wait, nothing spins.
fault_begins 'admin clients take all descriptors'
limit_fds $((fds + 6))
timeout 60 "$FAULTS/http_abuse" half "${RELAY_PORT[relay]}" --connections 60 --seconds 50 >"$RUN/abuse.half" &
abuser=$!
is_full() {
  [ "$(relay_fds)" -ge $((fds + 6)) ]
}
await 'no descriptor left' 20 is_full
stream_goes_on 'the last descriptor'
# A half request is ended after ten seconds, and the next one has its descriptor a moment later.
wait_until 2 is_full || fail 'there was a descriptor again before the stream was seen to go on without'
cpu=$(relay_cpu_ms)
began=${EPOCHREALTIME//[.,]/}
some_time 3000 4000
wait_until 2 is_full || fail 'there was a descriptor again while the CPU was measured'
ms=$(((${EPOCHREALTIME//[.,]/} - began) / 1000))
cpu=$(($(relay_cpu_ms) - cpu))
kill $abuser 2>/dev/null || true
wait $abuser || true
limit_fds 1024
fault_ends 'admin clients take all descriptors'
figure 'CPU while the admin port has no descriptor' $((cpu * 100 / ms)) '% of a core'
assert_number 'CPU while the admin port has no descriptor, in percent of a core' $((cpu * 100 / ms)) '<=' 50
recovery_begins
recovery_ends 'recovery after the admin clients'
# libmicrohttpd accepts nobody until one of the connections that it has is over, which takes at most their time limit of ten seconds.
is_alive() {
  [ "$(relay_get_status /livez)" = 200 ]
}
await 'liveness afterwards' 20 is_alive

# 3. Fewer than ppoll() takes: the stream goes on, and signals are heard.
fault_begins 'fewer descriptors than poll takes'
limit_fds 3
cpu=$(relay_cpu_ms)
began=${EPOCHREALTIME//[.,]/}
some_time 2000 3000
stream_goes_on 'fewer descriptors than poll takes'
ms=$(((${EPOCHREALTIME//[.,]/} - began) / 1000))
cpu=$(($(relay_cpu_ms) - cpu))
assert_number 'CPU without poll, in percent of a core' $((cpu * 100 / ms)) '<=' 40
relay_stop
fault_ends 'fewer descriptors than poll takes'
relay_start
recovery_begins
recovery_ends 'recovery after a life without poll'

# 4. From the start: too few to live. It ends with a line that says why, or tries until there is room; it does not crash.
relay_stop
for limit in {4..20} 24 32; do
  fault_begins 'started with few descriptors'
  RELAY_UNDER="prlimit --nofile=$limit:" relay_launch
  is_decided() {
    ! kill -0 "${RELAY_PID[relay]}" 2>/dev/null || relay_has_logged relay session_failed || relay_has_logged relay streaming_started || relay_has_logged relay kafka_client
  }
  await "a start with $limit descriptors to come to something" 30 is_decided
  if kill -0 "${RELAY_PID[relay]}" 2>/dev/null; then
    limit_fds 1024
    await_state streaming relay 60
    relay_stop
    echo "with $limit: goes on when there is room"
  else
    relay_ends relay
    assert_number "exit code with $limit descriptors" "${RELAY_EXIT[relay]}" '<' 128
    assert_number "exit code with $limit descriptors" "${RELAY_EXIT[relay]}" '>' 0
    [ -s "${RELAY_LOG[relay]}" ] || fail "with $limit descriptors it ended with ${RELAY_EXIT[relay]} and no word"
    echo "with $limit: exit code ${RELAY_EXIT[relay]}: $(tail -n 1 "${RELAY_LOG[relay]}" | cut -c 1-300)"
  fi
  fault_ends 'started with few descriptors'
done
relay_start
settle
relay_stop
verdict --only-unconfirmed --window $WINDOW_MS
