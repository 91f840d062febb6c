#!/usr/bin/env bash
# Consumers that are killed at any moment, stopped in the middle of an event while others take their partitions over, added and removed: each event takes effect exactly
# once, and nothing is given up. The rows of table counted have no constraint that could hide a repetition.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

kills=${COUNTING_KILLS:-30}
counting_tables
topics_new 3

# A pause of up to so many milliseconds, drawn from chance: the moment of the next kill. Nothing is waited for by it.
some_ms() {
  sleep "0.$(printf '%03d' $((RANDOM % $1)))"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Killed, at any moment. A static member gets its partitions back at once, so that lives are short and not spent on waiting for a session's end.

repeats=0
sent=0
for ((i = 1; i <= kills; i++)); do
  events $((sent + 1)) $((sent + 60)) | produce &
  producer=$!
  consumer_start victim GROUP_INSTANCE_ID=victim COUNTING_SLOW_MS=5 COUNTING_BATCH=$((i % 3 == 0 ? 20 : 1))
  some_ms 400
  consumer_kill victim
  wait "$producer" || fail 'could not produce'
  sent=$((sent + 60))
done
echo "after $kills kills: $(pg 'SELECT count(*) FROM counted') of $sent are counted"
consumer_start victim GROUP_INSTANCE_ID=victim
await 'all counted after kills' 60 counted_are "$sent"
order_is_kept
repeats=$(consumer_metric victim "consumer_duplicates_total{topic=\"$T\"}")
echo "duplicates that the last life's inbox stopped: ${repeats:-0}"
dead_letters_are 0 || fail 'a kill made a dead letter'
consumer_stop victim

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Three members, of which one at a time goes, in three ways, and comes back.

feed() {
  local chunk
  for ((chunk = 0; chunk < 20; chunk++)); do
    events $((sent + chunk * 50 + 1)) $((sent + chunk * 50 + 50)) | produce || return 1
    sleep 0.3
  done
}
COUNTING_GROUP=$T.second
pg 'TRUNCATE counted' 'TRUNCATE inbox'
for name in a b c; do
  consumer_start $name COUNTING_SLOW_MS=3
done
feed &
feeder=$!
consumer_stop a
some_ms 900
consumer_start a COUNTING_SLOW_MS=3
consumer_kill b
some_ms 900
consumer_start b COUNTING_SLOW_MS=3
# Stopped for longer than its session, in the middle of whatever it does: when it goes on, others have its partitions.
kill -STOP "${CONSUMER_PID[c]}"
others_have_all() {
  [ "$(for name in a b; do consumer_get "$name" /metrics | awk '/^consumer_assigned_partitions / { print $2 }'; done | awk '{ sum += $1 } END { print sum }')" = 4 ]
}
await 'the partitions of the stopped one are taken over' 30 others_have_all
kill -CONT "${CONSUMER_PID[c]}"
wait "$feeder" || fail 'could not produce'
sent=$((sent + 1000))
await 'all counted after rebalances' 90 counted_are "$sent"
dead_letters_are 0 || fail 'a rebalance made a dead letter'
for name in a b c; do
  consumer_stop $name
done
assert_eq 'members that had something to do' t "$(pg 'SELECT count(*) > 0 FROM counted')"
