#!/usr/bin/env bash
# A topic is deleted and made anew under a consumer that runs: its offsets begin at 0 again, and its events are handled, also those that have no id and are known by their
# place.
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
