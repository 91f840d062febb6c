#!/usr/bin/env bash
# init --create-topics makes the exact names of the allow lists and the dead-letter topic, says which it made and which it found, and warns of patterns; check compares
# what is there with the configuration. Needs a broker that has the admin interface.
# tags: real-kafka
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

a=outbox.event.$T-a b=outbox.event.$T-b dead=$T-dead
topic_create "$a" 2 max.message.bytes=500000
relay_set OUTBOX_0_ROUTE_TOPIC_ALLOW "$a,$b,outbox.event.$T-more*"
relay_set DELIVERY_POISON dead-letter
relay_set DELIVERY_DEAD_LETTER_TOPIC "$dead"
relay_init

relay_command check check || fail "check: exit code $?"
assert_match 'missing topic' "warning: topic \"$b\" does not exist" "$(cat "$RUN/check.err")"
assert_match 'missing dead-letter topic' "warning: topic \"$dead\" does not exist" "$(cat "$RUN/check.err")"
relay_command stop --set delivery.poison=stop check || fail "check with policy stop: exit code $?"
assert_match 'missing dead-letter topic, for delivery.poison_once' "warning: topic \"$dead\" does not exist" "$(cat "$RUN/stop.err")"
assert_match 'batches that the topic would refuse' "topic \"$a\" takes 500000 bytes at once, but batch.size is" "$(cat "$RUN/check.err")"
if kcat -L -b "$KAFKA" -J | jq -e --arg t "$b" '.topics[] | select(.topic == $t)' >/dev/null; then
  fail 'check has created a topic by asking for it'
fi

relay_command topics init --create-topics --partitions 5 --replication 1 || fail "init --create-topics: exit code $?: $(cat "$RUN/topics.err")"
assert_match 'one that was there' "topic \"$a\" exists" "$(cat "$RUN/topics.out")"
assert_match 'one that was not' "topic \"$b\" created" "$(cat "$RUN/topics.out")"
assert_match 'the dead-letter topic' "topic \"$dead\" created" "$(cat "$RUN/topics.out")"
assert_match 'the pattern' '1 allowed topics are patterns' "$(cat "$RUN/topics.err")"
partitions_are() {
  [ "$1" = "$(kcat -L -b "$KAFKA" -J | jq -r --arg a "$a" --arg b "$b" --arg d "$dead" \
    '[.topics[] | select(.topic == $a or .topic == $b or .topic == $d)] | sort_by([.topic == $d, .topic]) | map(.partitions | length | tostring) | join(" ")')" ]
}
await 'partitions' 20 partitions_are '2 5 5' # a new topic is in the metadata a moment after it was created

relay_command again init --create-topics || fail "init --create-topics again: exit code $?"
assert_eq 'topics created by repeating' 0 "$(grep -c 'created$' "$RUN/again.out" || true)"

code=0
relay_command impossible --set "outbox[0].route.topic.allow=outbox.event.$T-c" init --create-topics --replication 7 || code=$?
assert_eq 'exit code when Kafka refuses' 6 $code

# check --topics compares with a topics.json: what is missing, what differs, and nothing where all is as it says. A file that is none is refused before anything is asked.
as_planned=outbox.event.$T-planned differs=outbox.event.$T-differs
topic_create "$as_planned" 3 retention.ms=604800000 cleanup.policy=delete
topic_create "$differs" 2 retention.ms=1000 cleanup.policy=compact
cat >"$RUN/topics.json" <<JSON
[
  {"name": "$as_planned", "partitions": 3, "replication": {"development": 1, "production": 3}, "retention_ms": 604800000, "cleanup": "delete"},
  {"name": "$differs", "partitions": 3, "retention_ms": 604800000, "cleanup": "delete"},
  {"name": "$as_planned.dlq", "partitions": 3, "retention_ms": 2592000000}
]
JSON
relay_command compared check --topics "$RUN/topics.json" || fail "check --topics: exit code $?: $(cat "$RUN/compared.err")"
compared=$(cat "$RUN/compared.err")
assert_match 'partitions' "topic \"$differs\" has 2 partitions, and 3 in the topics file" "$compared"
assert_match 'retention' "topic \"$differs\" keeps records for 1000 ms, and 604800000 in the topics file" "$compared"
assert_match 'clean-up' "topic \"$differs\" has cleanup.policy compact, and delete in the topics file" "$compared"
assert_match 'a topic that is missing' "topic \"$as_planned.dlq\" of the topics file does not exist" "$compared"
assert_match 'what mends it' "kafka-topics.sh --create --topic $as_planned.dlq --partitions 3 --config retention.ms=2592000000" "$compared"
! grep -q "topic \"$as_planned\" " <<<"$compared" || fail "a topic that is as planned is warned of: $compared"
for wrong in '{' '{}' '[1]' '[{"name": "a/b", "partitions": 1}]' '[{"name": "a"}]' '[{"name": "a", "partitions": 0}]' '[{"name": "a", "partitions": 1, "retention": 1}]' \
  '[{"name": "a", "partitions": 1, "retention_ms": "1"}]' '[{"name": "a", "partitions": 1, "cleanup": 1}]'; do
  echo "$wrong" >"$RUN/wrong.json"
  code=0
  relay_command wrong check --topics "$RUN/wrong.json" || code=$?
  assert_eq "exit code for $wrong" 2 $code
done
code=0
relay_command wrong check --topics "$RUN/nowhere.json" || code=$?
assert_eq 'exit code without a file' 2 $code
assert_match 'which file' 'nowhere.json' "$(cat "$RUN/wrong.err")"
