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

# joins NAME: waits for nothing. Where it is to be seen that others wait for a suspended member's row, PostgreSQL's patience with that one is not to end before.
silence=$(times 120 15)
joins() {
  consumer_launch "$1" KAFKA_SESSION_TIMEOUT_MS=3000 COUNTING_SLOW_MS=3 COUNTING_BATCH=$((1 + 9 * $(random 2))) \
    DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB application_name=member-$1 options='-c idle_in_transaction_session_timeout=${silence}s'"
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

# has_a_row_in_hand NAME: of a member that is suspended. A transaction without an id has written nothing, since its event is a repetition.
has_a_row_in_hand() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'member-$1' AND state = 'idle in transaction'
             AND backend_xid IS NOT NULL")" = 1 ]
}

# waits_given_up: how often somebody waited for another one's row until the server ended that.
waits_given_up() {
  cat "$RUN"/[abc].log | jq -rR 'fromjson? | select((.event == "attempt_failed" or .event == "batch_split") and .sqlstate == "55P03") | .event' | wc -l
}
more_have_given_up() { # THAN
  [ "$(waits_given_up)" -gt "$1" ]
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
  local deadline=$((SECONDS + 60))
  given_up=$(waits_given_up)
  fault_begins 'member suspended'
  suspended=$1
  while [ $SECONDS -le $deadline ]; do
    kill -STOP "${CONSUMER_PID[$1]}"
    some_time 120 160 # what it had sent is done
    ! has_a_row_in_hand "$1" || return 0
    kill -CONT "${CONSUMER_PID[$1]}"
    some_time 5 60
  done
  fail "$1 could not be caught in a transaction in 60 s"
}
# Short: as soon as others have had to give up waiting for its row, which takes them 5 s. In a campaign before, between or after that and the 15 s after which PostgreSQL
# ends its transaction.
goes_on() {
  await "the partitions of $suspended are taken over" 40 others_have_all "$suspended"
  if [ -n "${FAULTS_SHORT:-}" ]; then
    wait_until 40 more_have_given_up "$given_up" 2>/dev/null || echo 'nobody has given up waiting for its row'
  else
    some_time 0 16000
  fi
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
for name in a b c; do
  consumer_stop $name
done
waits=$(waits_given_up)
assert_number "waits for a suspended member's inbox row" "$waits" '>=' 1
figure events "$sent"
figure assignments "$(cat "$RUN"/[abc].log | jq -cR 'fromjson? | select(.event == "assigned")' | wc -l)"
figure "waits for a suspended member's inbox row" "$waits"
