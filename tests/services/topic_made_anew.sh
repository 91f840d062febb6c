#!/usr/bin/env bash
# A topic is deleted and made anew under a consumer that runs: its offsets begin at 0 again, and its events are handled, also those that have no id and are known by their
# place. So are those of a topic that was made anew, and has more of them, before the group was asked to give it back: what was done of the old one is not told to Kafka again.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 1
without_ids() {
  printf 'k|{"eventType":"Made","n":%d}\n' 1 2 3
}
{
  without_ids
  events 1 97
} | produce
consumer_start one
await 'the events of the first topic' 30 counted_are 100
"$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA" delete "$T"
topic_is_gone() {
  ! kcat -b "$KAFKA" -L -J | jq -e --arg topic "$T" '.topics[] | select(.topic == $topic)' >/dev/null
}
await 'the topic is gone' 20 topic_is_gone
topic_create "$T" 1
{
  without_ids
  events 1001 1047
} | produce
await 'the events of the second topic' 60 counted_are 150
consumer_stop one

echo '--- made anew while an event of another topic is in hand'
consumer_start one LOG_LEVEL=debug KAFKA_DEBUG=cgrp KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS=500 \
  DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB options='-c idle_in_transaction_session_timeout=60000'"
give_bytes() {
  printf '%s' "$1" | kcat -P -b "$KAFKA" -t "$T.bytes"
}
commits() {
  consumer_log one 'select(.event == "kafka_client" and (.message | test("OffsetCommit for .*Success"))) | .event' | wc -l
}
commits_are_more_than() {
  [ "$(commits)" -gt "$1" ]
}
events 2001 2060 | produce
await 'more events of the second topic' 30 counted_are 210
for bytes in one two; do # two commits from here on: the latter has the offset of those events
  before=$(commits)
  give_bytes $bytes
  await "the commit behind bytes $bytes" 20 commits_are_more_than "$before"
done
await 'the bytes' 20 counted_are 212
rejoins() { # one is of its start
  consumer_log one 'select(.event == "kafka_client" and (.message | test("subscription updated from metadata change"))) | .event' | wc -l
}
rejoins_are_more_than() {
  [ "$(rejoins)" -gt "$1" ]
}
before=$(rejoins)
give_bytes "wait $RUN/go_on"
await 'an event in hand' 20 test -e "$RUN/go_on.waits"
"$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA" delete "$T"
await 'the topic is gone' 20 topic_is_gone
await 'the group is to be joined again' 20 rejoins_are_more_than "$before"
topic_create "$T" 1
events 3001 3300 | produce
touch "$RUN/go_on"
await 'the events of the third topic' 60 counted_are 513
consumer_stop one
