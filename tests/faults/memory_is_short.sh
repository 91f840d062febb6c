#!/usr/bin/env bash
# The relay may use 64 MB and drains one transaction of thirty times that, 2 GB (60 MB within `./dev test`), which must fit. Then it gets less than it needs: the kernel kills it in the middle, again and
# again (where no memory cgroup can be made, its allocations fail), and the next life with room enough finds everything.
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
elif grep -qsw memory /sys/fs/cgroup/cgroup.subtree_control && [ -w /sys/fs/cgroup/cgroup.procs ]; then
  confinement=/sys/fs/cgroup/cdc-relay-faults.$$
  limit_file=memory.max
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

# 2. Less than it needs to live, while there is much to do.
load_start --rate 300 --connections 4 --payload 200-3000
killed=0
for ((i = 1; i <= $(times 2 8); i++)); do
  await 'a backlog' 60 load_has_committed $((i * 200))
  fault_begins 'out of memory'
  confine "$(if [ -n "$confinement" ]; then echo $((2 + i % 3)); else echo $((3 + i % 3)); fi)"
  relay_launch
  # Killed, aborted, or ended with a word; where it fits after all it is killed.
  if wait_until 5 is_over 2>/dev/null; then
    relay_ends relay
    echo "with little memory: exit code ${RELAY_EXIT[relay]}"
    [ "${RELAY_EXIT[relay]}" != 0 ] || fail 'it ended in order where it was to run'
    killed=$((killed + 1))
  else
    echo 'with little memory: it lives'
    relay_kill
  fi
  fault_ends 'out of memory'
done
figure 'ended for want of memory' "$killed"
assert_number 'lives that ended for want of memory' "$killed" '>=' 1
confine 64
relay_start
recovery_begins
recovery_ends 'recovery with 64 MB'
settle 120
figure 'peak memory of the last life' "$(peak_mb)" MB
relay_stop
verdict --only-unconfirmed
