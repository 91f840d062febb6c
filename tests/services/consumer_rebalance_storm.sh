#!/usr/bin/env bash
# Three members of one group under load, in an order drawn from the seed: one leaves and comes back, one is killed and comes back, one is suspended in the midst of a
# transaction for longer than its session lasts and goes on when others have its partitions. Each event takes effect once; within a partition, and so within a key,
# nothing older comes behind its successor; nothing is given up.
#
# What holds when a suspended member goes on is the inbox: it has the row of its event, others wait at it, and who waited finds out by its end whether there is
# anything left to do. A group's generation fences offsets and no effect.
# row: C-03 members of a group join, leave, are killed, are suspended beyond their session
# tags: real-kafka slow
# seconds: 1800
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

PARTITIONS=6
counting_tables
topics_new $PARTITIONS

# 200 events a second for as long as $RUN/load and this scenario are there; how many is in $RUN/sent.
feed() {
  local from=1
  while [ -e "$RUN/load" ] && kill -0 $$ 2>/dev/null; do
    events $from $((from + 49)) 20
    from=$((from + 50))
    echo $((from - 1)) >"$RUN/sent"
    sleep 0.25
  done | produce
}

# joins NAME: waits for nothing.
joins() {
  consumer_launch "$1" KAFKA_SESSION_TIMEOUT_MS=3000 COUNTING_SLOW_MS=3 COUNTING_BATCH=$((1 + 9 * $(random 2)))
}

# partitions_of NAME: how many its newest life says that it has.
partitions_of() {
  {
    echo 0
    consumer_log "$1" 'if .event == "assigned" then .count elif .event == "revoked" or .event == "started" then 0 else empty end'
  } | tail -n 1
}

# others_have_all NAME: $T, and the one of $T.bytes.
others_have_all() {
  local name sum=0
  for name in a b c; do
    [ "$name" = "$1" ] || sum=$((sum + $(partitions_of "$name")))
  done
  [ $sum = $((PARTITIONS + 1)) ]
}

# Handlers take some milliseconds: who has been silent in a transaction for so long is suspended.
somebody_is_suspended_in_a_transaction() {
  [ "$(pg "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'counting-consumer' AND state = 'idle in transaction'
             AND clock_timestamp() - state_change > '100 ms'")" = t ]
}

somebody_waits_for_it() {
  [ "$(pg "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'counting-consumer' AND wait_event_type = 'Lock'")" = t ]
}

suspended=''
leaves() {
  fault_begins 'member leaves'
  consumer_stop "$1"
  some_time 0 1000
  joins "$1"
  fault_ends 'member leaves'
}
dies() {
  fault_begins 'member killed'
  consumer_kill "$1"
  some_time 0 1000
  joins "$1"
  fault_ends 'member killed'
}
is_suspended() {
  local try
  fault_begins 'member suspended'
  suspended=$1
  for try in {1..40}; do
    kill -STOP "${CONSUMER_PID[$1]}"
    some_time 120 160
    ! somebody_is_suspended_in_a_transaction || return 0
    kill -CONT "${CONSUMER_PID[$1]}"
    some_time 5 60
  done
  fail "$1 could not be caught in a transaction in $try tries"
}
# Short: as soon as others have had to give up waiting for its row, which takes them 5 s; PostgreSQL ends its transaction after 15 s. In a campaign before, between or
# after these two.
goes_on() {
  await "the partitions of $suspended are taken over" 40 others_have_all "$suspended"
  wait_until 8 somebody_waits_for_it 2>/dev/null || true
  some_time "$(times 5300 0)" "$(times 6000 16000)"
  kill -CONT "${CONSUMER_PID[$suspended]}"
  fault_ends 'member suspended'
  suspended=''
}

some_are_counted() {
  [ "$(pg 'SELECT count(*) FROM counted')" -gt "$1" ]
}

for name in a b c; do
  joins $name
done
: >"$RUN/load"
feed &
feeder=$!
await 'the first events' 40 some_are_counted 100
for ((round = 1; round <= $(times 1 15); round++)); do
  read -ra members <<<"$(shuffled a b c)"
  read -ra fates <<<"$(times "$(shuffled leaves dies) is_suspended" "$(shuffled leaves dies is_suspended)")"
  echo "round $round: ${members[0]} ${fates[0]}, ${members[1]} ${fates[1]}, ${members[2]} ${fates[2]}"
  for i in 0 1 2; do
    "${fates[i]}" "${members[i]}"
    some_time 0 1500
  done
  goes_on
  await 'events that go on' 60 some_are_counted "$(pg 'SELECT count(*) + 100 FROM counted')"
done
rm "$RUN/load"
wait "$feeder" || fail 'could not produce'
sent=$(<"$RUN/sent")
await_counted "$sent" 90
order_is_kept
dead_letters_are 0 || fail 'a rebalance made a dead letter'
waits=0
for name in a b c; do
  waits=$((waits + $(consumer_log $name 'select((.event == "attempt_failed" or .event == "batch_split") and .sqlstate == "55P03") | .event' | wc -l)))
  consumer_stop $name
done
assert_number "waits for a suspended member's inbox row" $waits '>=' 1
figure events "$sent"
figure assignments "$(cat "$RUN"/[abc].log | jq -cR 'fromjson? | select(.event == "assigned")' | wc -l)"
figure "waits for a suspended member's inbox row" $waits
