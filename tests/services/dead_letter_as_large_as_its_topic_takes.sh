#!/usr/bin/env bash
# A dead letter is larger than its event was, by the headers that say why. Where its topic does not take that it says less, and in the end it is the record as it came: what
# is behind it is handled, and the relay is given nothing that Kafka refuses. Only what the topic takes in no form is held, with the command that mends it.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 1
relay_carries_letters
relay_init
relay_start

# garbage BYTES TOPIC KEY: a record that is no event.
garbage() {
  head -c "$1" /dev/zero | tr '\0' x >"$RUN/garbage"
  kcat -P -b "$KAFKA" -t "$2" -k "$3" -X message.max.bytes=2000000 "$RUN/garbage" || fail 'could not produce'
}

# letter TOPIC KEY: its size and headers.
letter() {
  KCAT_FORMAT='%k %S %h\n' read_topic "$1" | sed -n "s/^$2 //p"
}

has_letter() {
  [ "$(letter "$1" "$2" | wc -l)" = 1 ]
}

echo '--- a broker takes 1048588 bytes by default, and Java'\''s clients send them'
garbage 1020000 "$T" large
garbage 1048400 "$T" full
echo 'k1|{"eventId":"behind","eventType":"Made","n":1}' | produce
consumer_start one
await 'what is behind the large records' 60 counted_are 1
await 'the large dead letter' 20 has_letter "$T.dlq" large
assert_match 'the large dead letter is whole' '^1020000 id=.*dlt.error.message=' "$(letter "$T.dlq" large)"
await 'the full dead letter' 20 has_letter "$T.dlq" full
assert_eq 'the full dead letter is as it came' '1048400 ' "$(letter "$T.dlq" full)"
consumer_stop one

echo '--- a topic with a small limit, by the outbox'
small=$T.small
topic_create "$small" 1 max.message.bytes=20000
topic_create "$small.dlq" 1 max.message.bytes=20000
topic_create "$small.bytes" 1
garbage 18900 "$small" near
kcat -P -b "$KAFKA" -t "$small" -k k <<<'{"eventId":"behind-near","eventType":"Made","n":2}'
consumer_start one COUNTING_TOPIC="$small" GROUP_ID="$T-small"
await 'what is behind it' 30 counted_are 2
dead_letters_are 1 || fail 'it did not go by the outbox'
await 'the dead letter' 30 has_letter "$small.dlq" near
assert_match 'what it still says' "^18900 id=$small/0/0@[0-9]+,.*kafka_dlt-original-topic=$small,.*dlt.error.class=not_json" "$(letter "$small.dlq" near)"
[[ $(letter "$small.dlq" near) != *__connect* ]] || fail 'it says more than there is room for'
assert_eq 'state of the relay' streaming "$(relay_state)"
consumer_stop one

echo '--- a topic that takes it in no form'
tiny=$T.tiny
topic_create "$tiny" 1
topic_create "$tiny.dlq" 1 max.message.bytes=1000
topic_create "$tiny.bytes" 1
garbage 5000 "$tiny" huge
kcat -P -b "$KAFKA" -t "$tiny" -k k <<<'{"eventId":"behind-huge","eventType":"Made","n":3}'
consumer_start one COUNTING_TOPIC="$tiny" GROUP_ID="$T-tiny"
await 'the limit, told' 30 consumer_has_logged one ".event == \"dead_letter_failed\" and .level == \"error\" and .cause == \"dead_letter_too_large\" and (.hint | contains(\"--entity-name $tiny.dlq --add-config max.message.bytes=\"))"
counted_are 2 || fail 'what is behind it was handled'
assert_eq 'state of the relay' streaming "$(relay_state)"
"$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA" alter "$tiny.dlq" max.message.bytes=20000
await 'the dead letter' 60 has_letter "$tiny.dlq" huge
await 'what is behind it' 30 counted_are 3
consumer_stop one
relay_stop
