#!/usr/bin/env bash
# A consumer whose dead-letter topic does not exist says so when it starts, and not when the first event dies and holds the relay: a line of the log with the topic and
# what mends it, and a figure. It works meanwhile, makes no topic, and notices when somebody else has. Ends in time, whatever it is waiting for.
# tags: real-kafka asan
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topic_create "$T" 1
topic_create "$T.bytes" 1
topic_create "$T.bytes.dlq" 1
events 1 10 | produce

# missing_is TOPIC VALUE
missing_is() {
  [ "$(consumer_metric one "consumer_dead_letter_topic_missing{topic=\"$1\"}")" = "$2" ]
}

consumer_start one
await 'the line of the topic that is missing' 20 consumer_has_logged one ".event == \"dead_letter_topic_missing\" and .topic == \"$T.dlq\""
await 'its figure' 5 missing_is "$T.dlq" 1
await 'the figure of the other one' 5 missing_is "$T.bytes.dlq" 0
assert_match 'what mends it' 'as many partitions as its source' "$(consumer_log one 'select(.event == "dead_letter_topic_missing") | .hint')"
await 'all counted' 30 counted_are 10
assert_eq 'readiness is about other things' 200 "$(consumer_get_status one /readyz)"
assert_eq 'lines about it' 1 "$(consumer_log one 'select(.event == "dead_letter_topic_missing") | .topic' | wc -l)"
if kcat -L -b "$KAFKA" -J | jq -e --arg t "$T.dlq" '.topics[] | select(.topic == $t)' >/dev/null; then
  fail 'the consumer has made a topic by asking for it'
fi

topic_create "$T.dlq" 1
await 'the figure once the topic is there' 30 missing_is "$T.dlq" 0
await 'the line that it is there now' 5 consumer_has_logged one ".event == \"dead_letter_topic_there\" and .topic == \"$T.dlq\""
consumer_stop one

# The next one finds them all, and says nothing. Without Kafka it ends as soon as it is told to.
: >"$RUN/one.log"
consumer_start one
await 'the figure at once' 20 missing_is "$T.dlq" 0
! consumer_has_logged one '.event == "dead_letter_topic_missing"' || fail 'a topic that is there is said to be missing'
consumer_stop one
consumer_launch away KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1
await 'the start without Kafka' 10 consumer_has_logged away '.event == "started"'
kill -TERM "${CONSUMER_PID[away]}"
await 'the end without Kafka' 15 process_is_gone "${CONSUMER_PID[away]}"
