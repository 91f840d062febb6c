#!/usr/bin/env bash
# The relay may use 64 MB and drains one transaction of thirty times that, 2 GB (60 MB within `./dev test`), which must fit. Then, again and again, it streams under load
# and has published, and gets a MB more than it has by then, which is more than a start needs; large rows come, and the kernel kills it in the middle. In between it gets
# less than a start needs. (Where no memory cgroup can be made, its allocations fail instead.) The next life with room enough finds everything.
# row: R-07 out of memory
# expects: O1 O2 O3 O4 O7 O8 O9 O10
# tags: slow
# seconds: 2400
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

# A group of version 1 or 2, else a limit of the process's own data.
confinement=''
if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
  confinement=/sys/fs/cgroup/memory/cdc-relay-faults.$$
  limit_file=memory.limit_in_bytes
  usage_file=memory.usage_in_bytes
elif grep -qsw memory /sys/fs/cgroup/cgroup.subtree_control && [ -w /sys/fs/cgroup/cgroup.procs ]; then
  confinement=/sys/fs/cgroup/cdc-relay-faults.$$
  limit_file=memory.max
  usage_file=memory.current
fi
if [ -n "$confinement" ] && ! mkdir "$confinement" 2>/dev/null; then
  confinement=''
fi
confinement_ends() {
  local code=$?
  set +e
  kill -KILL "${RELAY_PID[relay]:-}" 2>/dev/null
  [ -z "$confinement" ] || wait_until 10 rmdir "$confinement"
  (exit $code)
  scenario_ends
}
trap confinement_ends EXIT

# confine MB: the next start has so much
confine() {
  if [ -n "$confinement" ]; then
    echo "$(($1 * 1048576))" >"$confinement/$limit_file"
    printf '#!/bin/sh\necho $$ >%s/cgroup.procs\nexec "$@"\n' "$confinement" >"$RUN/confined"
    chmod +x "$RUN/confined"
    RELAY_UNDER=$RUN/confined
  else
    RELAY_UNDER="prlimit --data=$(($1 * 1048576)):"
  fi
}
# tighten: from now on it may have a MB more than it has.
tighten() {
  local data
  if [ -n "$confinement" ]; then
    echo $(($(cat "$confinement/$usage_file") + 1048576)) >"$confinement/$limit_file"
  else
    data=$(awk '/^VmData/ { print $2 * 1024 }' "/proc/${RELAY_PID[relay]}/status")
    prlimit --pid "${RELAY_PID[relay]}" "--data=$((data + 1048576)):"
  fi
}
peak_mb() {
  awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/${RELAY_PID[relay]}/status"
}
is_over() {
  ! kill -0 "${RELAY_PID[relay]}" 2>/dev/null
}
figure 'memory limited by' "${limit_file:-RLIMIT_DATA}"
watch_start
relay_init

# 1. One transaction, far larger than the memory.
events=$(times 4000 150000)
load_start --connections 1 --transactions 1 --events "$events-$events" --payload 14000-16000 --keys 400 --rollbacks 0 --savepoints 0
load_ends 900
bytes=$(pg "SELECT sum(octet_length(payload::text)) FROM outbox")
figure 'one transaction' "$((bytes / 1048576))" MB
assert_number 'MB of one transaction' "$((bytes / 1048576))" '>=' "$(times 50 2000)"
fault_begins 'a transaction larger than the memory'
confine 64
relay_start
lsn=$(wal_end)
await 'confirmation of the large transaction' 900 slot_has_confirmed "$lsn"
fault_ends 'a transaction larger than the memory'
figure 'peak memory with 64 MB' "$(peak_mb)" MB
assert_number 'MB of peak memory' "$(peak_mb)" '<=' 64
assert_eq 'starts that it took' 1 "$RELAY_STARTS"
relay_stop

# 2. While it streams: a limit that a life like this one had room in until the large rows came.
load_start --rate 100 --connections 4 --payload 200-3000
in_the_middle=0
# is_killed WHAT: takes its end, which is the kernel's doing, or for want of memory its own; in order it must not be.
is_killed() {
  relay_ends relay
  echo "$1: exit code ${RELAY_EXIT[relay]}"
  if [ -n "$confinement" ]; then
    assert_eq "$1: exit code (137: killed)" 137 "${RELAY_EXIT[relay]}"
  else
    [ "${RELAY_EXIT[relay]}" != 0 ] || fail "$1: it ended in order where it was to run"
  fi
}
# Where allocations fail, libpq's may be the first: then the session ends, not the relay.
is_short_of_memory() {
  is_over || { [ -z "$confinement" ] && relay_has_logged relay session_failed '.error | test("out of memory")'; }
}
has_published_in_this_life() {
  relay_metric_is "cdc_relay_events_total{table=\"public.outbox\",outcome=\"published\"}" 'v >= 100'
}
for ((i = 1; i <= $(times 2 8); i++)); do
  confine 64
  # What the large rows before have left is not for this life: with the memory for it at hand it would not grow.
  relay_start
  before=$(wal_end)
  await 'confirmation of all that waited' 120 slot_has_confirmed "$before"
  relay_stop
  relay_start
  await 'a hundred events published in this life' 60 has_published_in_this_life
  before=$(wal_end)
  await 'confirmation in this life' 60 slot_has_confirmed "$before"
  fault_begins 'out of memory in the middle'
  tighten
  # Each of these takes twice its size and more until Kafka has it.
  load_start --connections 2 --transactions 12 --rate 0 --payload 500000-800000 --rollbacks 0 --savepoints 0
  await 'the end of a relay whose memory is short' 60 is_short_of_memory
  assert_eq 'the state that it was last seen in' streaming "$(relay_state)"
  if is_over; then
    is_killed 'killed while it streamed'
  else
    echo 'an allocation failed, and it began anew'
    relay_kill
  fi
  loads_reap
  fault_ends 'out of memory in the middle'
  in_the_middle=$((in_the_middle + 1))
  # Less than a start needs: it ends before it has done anything, and is none the worse for it.
  fault_begins 'out of memory at the start'
  confine $((2 + i % 3))
  relay_launch
  await 'the end of a relay that has no room to start' 20 is_over
  is_killed 'killed at the start'
  fault_ends 'out of memory at the start'
done
figure 'out of memory while it streamed' "$in_the_middle"
confine 64
relay_start
recovery_begins
recovery_ends 'recovery with 64 MB'
settle 120
figure 'peak memory of the last life' "$(peak_mb)" MB
relay_stop
verdict --only-unconfirmed --window $WINDOW_MS
