#!/usr/bin/env bash
# PostgreSQL goes away under load, again and again, and comes back: its postmaster is killed, so that the next start is a crash recovery, then it is restarted in order, as for
# a minor upgrade. A stop of either kind takes back what the slot had confirmed in memory alone, so those transactions come again; nothing else does, and nothing is lost,
# invented or out of order.
# row: P-01 PostgreSQL killed and started again
# row: P-32 PostgreSQL restarted again and again during load
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: short
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

watch_start
relay_init
relay_start
load_start --rate 150 --connections 6 --keys 60 --pause 0.05
await 'the first transactions' 30 load_has_committed 50

kill_server() {
  postgres_kill own
}

stop_server() {
  process_stop own INT
}

# goes_away KIND COMMAND TIMES: lets the load run between two, so that the relay has something in flight. One that fails again and again within half a minute waits
# longer each time, up to 15 s; so only each third is waited for, and the others come while it is on its way. Before PostgreSQL 17 a slot's confirmed position is
# written when restart_lsn moves, for which the server notes its running transactions every 15 s, and at a checkpoint; one that stops sooner, also in order, forgets
# what was confirmed since the last one. So there is a checkpoint then, or each stop would repeat all of the load.
goes_away() {
  local kind=$1 i before
  RECOVERIES=()
  for ((i = 1; i <= $3; i++)); do
    some_time 100 500
    before=$(grep -c '"op":"commit"' "$RUN/writer.jsonl")
    fault_begins "$kind"
    "$2"
    postgres_run own
    fault_ends "$kind"
    recovery_begins
    await 'transactions after the restart' 60 load_has_committed $((before + 10))
    [ $((i % 3)) = 1 ] || continue
    await 'another session of the relay' 60 slot_is_active
    RECOVERIES+=("$(seconds_since "$RECOVERY_BEGAN")")
    pg CHECKPOINT
  done
  figure "relay_back_after_${kind// /_}_median" "$(printf '%s\n' "${RECOVERIES[@]}" | sort -n | sed -n "$(((${#RECOVERIES[@]} + 1) / 2))p")" s
  figure "relay_back_after_${kind// /_}_most" "$(printf '%s\n' "${RECOVERIES[@]}" | sort -n | tail -n 1)" s
}

goes_away 'server killed' kill_server "$(times 2 10)"
goes_away 'server restarted' stop_server "$(times 2 20)"
recovery_begins
recovery_ends recovery_after_the_last
settle
verdict --only-unconfirmed --forgets 'server killed' --forgets 'server restarted'
figure duplicates_per_fault_most "$(jq .duplicates_per_fault_max "$RUN/verdict.json")" events
relay_stop
