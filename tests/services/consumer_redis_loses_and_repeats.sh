#!/usr/bin/env bash
# What docs/guarantees.md says that Redis cannot prevent, where nothing of the consumer dies:
#
#   an answer to COMMIT that is lost    nobody knows, so that the reservation is given back: the effect is there twice; with the inbox it is there once
#   a member that stands still          others take its partition, skip its event as a repetition and commit the offset; it gives its reservation back when it goes on,
#                                       and has lost the partition: the event is lost, and only a rewound group brings it. What the inbox makes of it is in
#                                       consumer_rebalance_storm.sh
# tags: real-kafka slow
POSTGRES=own
# A session that asks for it waits at COMMIT, with its transaction committed, for a standby that is not there.
# shellcheck disable=SC2034
OWN_POSTGRES=("synchronous_commit = local" "synchronous_standby_names = 'nobody'")
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
redis_start redis
redis() {
  redis-cli -h 127.0.0.1 -p "$REDIS_PORT" "$@"
}
with_redis=(IDEMPOTENCY=redis REDIS_URL="redis://127.0.0.1:$REDIS_PORT" IDEMPOTENCY_TTL_S=600)

# in_hand CONDITION: how many sessions of consumers are so.
in_hand() {
  pg "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'counting-consumer' AND $1"
}

in_hand_are() { # COUNT CONDITION
  [ "$(in_hand "$2")" = "$1" ]
}

# effects EVENT-ID [TOPIC]: how often it was counted.
effects() {
  pg "SELECT count(*) FROM counted WHERE event_id = '$1' AND topic = '${2:-$T}'"
}

has_effect() { # EVENT-ID [TOPIC]
  [ "$(effects "$@")" -ge 1 ]
}

echo '--- an answer to COMMIT that is lost'
waits_for_standby=(DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB options='-c synchronous_commit=on'")
inbox_topic=$T.inbox redis_topic=$T.redis
T=$inbox_topic COUNTING_GROUP=$inbox_topic
topics_new 1
consumer_start with_inbox "${waits_for_standby[@]}"
T=$redis_topic COUNTING_GROUP=$redis_topic
topics_new 1
consumer_start with_redis "${waits_for_standby[@]}" "${with_redis[@]}"
for T in "$inbox_topic" "$redis_topic"; do
  events 1 1 | produce
done
await 'two transactions that are committed and not answered' 30 in_hand_are 2 "wait_event = 'SyncRep'"
pg "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'counting-consumer' AND wait_event = 'SyncRep'" >/dev/null
pg "ALTER SYSTEM SET synchronous_standby_names = ''"
pg 'SELECT pg_reload_conf()' >/dev/null
for T in "$inbox_topic" "$redis_topic"; do
  events 2 2 | produce
  await "the event behind it in $T" 60 has_effect e-2 "$T"
done
assert_eq 'effects of the event whose COMMIT was not answered, inbox' 1 "$(effects e-1 "$inbox_topic")"
assert_eq 'effects of the event whose COMMIT was not answered, Redis' 2 "$(effects e-1 "$redis_topic")"
consumer_stop with_inbox
consumer_stop with_redis

echo '--- a member that stands still with an event in hand'
T=$redis_topic.still COUNTING_GROUP=$redis_topic.still
topics_new 1
# table_is_held, table_is_free: nobody writes to it in between.
table_is_held() {
  pg "SET application_name = 'holder'" 'BEGIN; LOCK TABLE counted IN EXCLUSIVE MODE; SELECT pg_sleep(120)' >"$RUN/holder.log" 2>&1 &
  HOLDER=$!
  await 'the lock' 20 lock_is_granted
}
lock_is_granted() {
  [ "$(pg "SELECT count(*) FROM pg_locks WHERE relation = 'counted'::regclass AND mode = 'ExclusiveLock' AND granted")" = 1 ]
}
table_is_free() {
  pg "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'holder'" >/dev/null
  wait "$HOLDER" || true
}
is_reserved() {
  [ "$(redis EXISTS "counting-consumer:$T/$1")" = 1 ]
}
is_free() {
  [ "$(redis EXISTS "counting-consumer:$T/$1")" = 0 ]
}
consumer_start still "${with_redis[@]}"
events 1 1 | produce
await 'the first event' 30 has_effect e-1
# An end tells the offset for certain; what the other member takes for a repetition is then the event in hand alone.
consumer_stop still
consumer_start still "${with_redis[@]}"
table_is_held
events 2 2 | produce
await 'the event in hand' 30 in_hand_are 1 "wait_event_type = 'Lock'"
kill -STOP "${CONSUMER_PID[still]}"
is_reserved e-2 || fail 'the event in hand is not reserved'
await 'the end of its wait for the table' 30 in_hand_are 0 "wait_event_type = 'Lock'"
table_is_free
consumer_start other "${with_redis[@]}"
events 3 3 | produce
await 'the next event, by the other member' 40 has_effect e-3
assert_eq 'what the other member took for a repetition' 1 "$(consumer_metric other "consumer_duplicates_total{topic=\"$T\"}")"
table_is_held # until the partition is gone, it is not to have the event in a second attempt
kill -CONT "${CONSUMER_PID[still]}"
await 'the partition is lost' 40 consumer_has_logged still '.event == "revoked" and .lost == true'
table_is_free
await 'the reservation, given back too late' 30 is_free e-2
events 4 4 | produce
await 'an event behind all that' 40 has_effect e-4
assert_eq 'effects of the event that was in hand' 0 "$(effects e-2)"
consumer_stop still
consumer_stop other
COUNTING_GROUP=$T.rewound
consumer_start rewound "${with_redis[@]}"
await 'the event that was lost, in a group that begins anew' 30 has_effect e-2
for event in e-1 e-2 e-3 e-4; do
  assert_eq "effects of $event" 1 "$(effects $event)"
done
consumer_stop rewound
