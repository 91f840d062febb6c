#!/usr/bin/env bash
# A consumer that is killed at any moment under load: each event takes effect exactly once, in the order of its partition, and nothing is given up. The rows of table
# counted have no constraint that could hide a repetition. At each step on purpose: consumer_killed_at_each_step.sh; several members: consumer_rebalance_storm.sh.
# row: C-02 consumer killed at any moment under load
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

kills=$(times 20 200)
counting_tables
topics_new 3

# A static member gets its partitions back at once, so that lives are short and not spent on waiting for a session's end.
sent=0
for ((i = 1; i <= kills; i++)); do
  events $((sent + 1)) $((sent + 60)) | produce &
  producer=$!
  consumer_start victim GROUP_INSTANCE_ID=victim COUNTING_SLOW_MS=5 COUNTING_BATCH=$((i % 3 == 0 ? 20 : 1))
  some_time 0 400
  fault_begins 'consumer killed'
  consumer_kill victim
  fault_ends 'consumer killed'
  wait "$producer" || fail 'could not produce'
  sent=$((sent + 60))
done
echo "after $kills kills: $(pg 'SELECT count(*) FROM counted') of $sent are counted"
consumer_start victim GROUP_INSTANCE_ID=victim
await_counted "$sent"
order_is_kept
dead_letters_are 0 || fail 'a kill made a dead letter'
figure events "$sent"
consumer_stop victim
