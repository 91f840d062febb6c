#!/usr/bin/env bash
# Old publishers count their events per topic: 17 of one topic is another event than 17 of the other, and a repetition is one of its own topic. A uuid is one event wherever
# it lies. So with the inbox and with Redis, and so does a dead letter's redrive find what it was.
# tags: real-kafka
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
redis_start redis
uuid=3f2504e0-4f89-41d3-9a0c-0305e82c3317 plain='{"n":1}'

# comes ID TOPIC [BODY]: one record with this id in its header.
comes() {
  local body=${3:-}
  printf 'k|%s' "${body:-$plain}" | kcat -P -b "$KAFKA" -t "$2" -K '|' -H "id=$1" -H eventType=Made || fail 'could not produce'
}

# effects_are EXPECTED: events and topics, each effect.
effects_are() {
  [ "$(pg "SELECT string_agg(event_id || CASE topic WHEN '$T' THEN '' ELSE '.bytes' END, ' ' ORDER BY event_id, topic) FROM counted")" = "$1" ]
}

duplicates_are() { # COUNT, in both topics
  [ "$(consumer_get one /metrics | awk '/^consumer_duplicates_total/ { sum += $2 } END { print sum + 0 }')" = "$1" ]
}

scenario=$T
for memory in inbox redis; do
  echo "--- $memory"
  pg 'TRUNCATE counted, inbox, outbox_binary'
  T=$scenario.$memory COUNTING_GROUP=$scenario.$memory
  topics_new 1
  consumer_start one IDEMPOTENCY=$memory REDIS_URL="redis://127.0.0.1:$REDIS_PORT" IDEMPOTENCY_TTL_S=600
  comes 17 "$T"
  comes 17 "$T.bytes"
  comes $uuid "$T"
  await 'three events' 30 effects_are "17 17.bytes $uuid"
  comes $uuid "$T.bytes"
  comes 17 "$T"
  comes 17 "$T.bytes"
  await 'three repetitions' 30 duplicates_are 3
  effects_are "17 17.bytes $uuid" || fail "a repetition took effect: $(pg 'SELECT event_id, topic FROM counted')"

  # Given up, and redriven with the id that its letter has: once, and its sister in the other topic is another.
  comes 18 "$T" '{"n":1,"do":"poison"}'
  await 'a dead letter' 20 dead_letters_are 1
  assert_eq 'the id of the dead letter' 18 "$(pg 'SELECT event_id FROM outbox_binary')"
  comes 18 "$T.bytes"
  comes 18 "$T"
  await 'the redriven event, and its sister' 20 effects_are "17 17.bytes 18 18.bytes $uuid"
  comes 18 "$T"
  await 'the repeated redrive' 20 duplicates_are 4
  effects_are "17 17.bytes 18 18.bytes $uuid" || fail "a redrive took effect twice: $(pg 'SELECT event_id, topic FROM counted')"
  consumer_stop one
done
