#!/usr/bin/env bash
# Three brokers, three replicas. The leader of a partition is killed or ended under load, another one takes over, the old one comes back; at the same moment the relay
# is started anew every other time, so that a producer of which no broker knows anything meets partitions whose leader is changing.
# row: K-02 leader moved
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: slow real-kafka
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"
# shellcheck source=tests/faults/cluster.sh
. "${BASH_SOURCE[0]%/*}/cluster.sh"

own_cluster
LOAD_PARTITIONS=6
watch_start
relay_init
relay_start
load_start --rate 60 --connections 6 --keys 100
await 'the first transactions' 30 load_has_committed 50
pending=$(wal_end)
await 'their confirmation' 60 slot_has_confirmed "$pending"

for ((i = 1; i <= $(times 1 4); i++)); do
  leader=$(node_leads "${WATCH_TOPICS[0]}")
  signal=$([ $((i % 2)) = 0 ] && echo TERM || echo KILL)
  fault_begins "leader gone by SIG$signal"
  node_stop "$leader" "$signal"
  if [ $((i % 4)) -ge 2 ]; then
    relay_kill
    relay_launch
  fi
  fault_ends "leader gone by SIG$signal"
  recovery_begins
  stream_goes_on "the end of node $leader" 120
  assert_match "who leads without node $leader" "^[$(tr -d "$leader" <<<123)]\$" "$(node_leads "${WATCH_TOPICS[0]}")"
  recovery_ends "recovery $i, after SIG$signal" 120
  node_run "$leader"
  await "node $leader in sync" 180 cluster_is_whole "${WATCH_TOPICS[0]}"
done
settle 120
verdict --only-unconfirmed
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" records
relay_stop
