#!/usr/bin/env bash
# Somebody gives a topic more partitions while the relay publishes to it. Keys move, as they do with every client of Kafka, and what of a key is before the move and
# behind it lies in two partitions, and the relay says so, once for each change. Nothing else happens: nothing is lost or twice, and within each partition the
# order holds.
# row: K-13 partition count increased
# expects: O1 O2 O4 O7 O8, O3 within a partition, keys move, each change is said
# tags: short real-kafka
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

own_kafka
LOAD_PARTITIONS=2
# What a client knows of a topic is asked for again after this time.
relay_set KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS 500
watch_start
relay_init
relay_start
load_start --rate 150 --connections 6 --keys 60
await 'the first transactions' 30 load_has_committed 50
await 'the first answer to a batch' 30 proxy_has_answered Produce

# changes: what the relay says of the topic's partitions, "before>now" each.
changes() {
  relay_log relay "select(.event == \"partitions_changed\" and .level == \"warn\" and .topic == \"${WATCH_TOPICS[0]}\") | \"\(.before)>\(.partitions)\"" | paste -sd ' '
}
has_records_in() {
  "$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA_DIRECT" ends "${WATCH_TOPICS[0]}" | awk -v partition="$1" '$1 == partition && $3 > $2 { found = 1 } END { exit !found }'
}
for count in 3 7; do
  fault_begins "grown to $count partitions"
  "$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA_DIRECT" grow "${WATCH_TOPICS[0]}" $count >>"$RUN/topics.log" 2>&1 || fail "$(tail -n 3 "$RUN/topics.log")"
  fault_ends "grown to $count partitions"
  await "records in partition $((count - 1))" 30 has_records_in $((count - 1))
done
settle
verdict --keys-may-move
moved=$(jq -r 'select(.op == "read") | "\(.key) \(.partition)"' "$RUN/reader.jsonl" | sort -u | cut -d ' ' -f 1 | uniq -d | wc -l)
figure 'keys moved' "$moved" ''
assert_number 'keys moved' "$moved" '>' 0
assert_eq 'changes that the relay reported' '2>3 3>7' "$(changes)"
assert_match 'what to do about them' 'finish what was in the topic' "$(relay_log relay 'select(.event == "partitions_changed") | .hint' | tail -n 1)"
assert_eq 'duplicates' 0 "$(jq .duplicates "$RUN/verdict.json")"
assert_eq 'times that the producer was made anew' 0 "$(kafka_failures)"
relay_stop
