#!/usr/bin/env bash
# The dead-letter topic is not there when somebody needs it. The consumer says so, with the command that mends it, and holds the one partition that has a dead event: by the
# outbox or by a producer, it writes no letter that nobody could deliver, so that the relay and everything else go on. When the topic is made the letters arrive, once each.
# Where the topic goes away behind the consumer's back the letter is in the outbox, and the relay holds, as it does for every topic that is missing, until it is back.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topic_create "$T" 2
topic_create "$T.bytes" 1
topic_create "outbox.event.$T" 1
relay_carries_letters
relay_set OUTBOX_1_TABLE public.outbox
relay_set KAFKA_TOPIC_METADATA_PROPAGATION_MAX_MS 1000
relay_init
relay_start
consumer_start one

# event ID PARTITION [JSON-MEMBERS]
event() {
  printf 'k%s|{"eventId":"%s","eventType":"Made","n":1%s}' "$2" "$1" "${3:+,$3}" | produce -p "$2"
}

is_counted() {
  [ "$(pg "SELECT count(*) FROM counted WHERE event_id = '$1'")" = 1 ]
}

# is_told PARTITION: with topic, reason and mend, as an error
is_told() {
  consumer_has_logged one ".event == \"dead_letter_failed\" and .level == \"error\" and .partition == $1 and .cause == \"no_dead_letter_topic\" and (.error | contains(\"$T.dlq\")) and (.hint | contains(\"--create --topic $T.dlq\"))"
}

letters() {
  KCAT_FORMAT='%p|%k|%s|%h\n' read_topic "$T.dlq"
}

echo '--- poison for the outbox in partition 0, for a producer (no key) in partition 1'
event poison 0 '"do":"poison"'
event behind-0 0
await 'the missing topic, told for partition 0' 20 is_told 0
event beside 1
await 'an event of the other partition' 20 is_counted beside
printf 'neither key nor JSON' | kcat -P -b "$KAFKA" -t "$T" -p 1 || fail 'could not produce'
event behind-1 1
await 'the missing topic, told for partition 1' 20 is_told 1
assert_number 'refused letters in the figures' "$(consumer_metric one "consumer_dead_letters_refused_total{topic=\"$T\",cause=\"no_dead_letter_topic\"}")" '>=' 2
printf 'not held up' | kcat -P -b "$KAFKA" -t "$T.bytes" || fail 'could not produce'
await 'an event of the other topic' 20 counted_are 2
insert k 1
await_records "outbox.event.$T" 1 >/dev/null # the relay goes on
assert_eq 'state of the relay' streaming "$(relay_state)"
dead_letters_are 0 || fail 'a letter for a topic that is not there was written'
counted_are 2 || fail 'something overtook an event that waits for its dead letter'

echo '--- the topic is made'
topic_create "$T.dlq" 2
await 'what was held' 60 counted_are 4
await_records "$T.dlq" 2 30 >/dev/null
assert_eq 'the letter by the outbox' 1 "$(letters | grep -c '^0|k0|{"eventId":"poison".*|id=poison,')"
assert_eq 'the letter by the producer' 1 "$(letters | grep -c '^1||neither key nor JSON|id=')"
relay_has_all() {
  slot_has_confirmed "$(wal_end)"
}
await 'all letters of the outbox' 30 relay_has_all
assert_eq 'dead letters in all' 2 "$(letters | wc -l)"

echo '--- the topic goes away after the consumer has seen it: the relay holds'
event warm-up 0 '"do":"poison"'
await_records "$T.dlq" 3 30 >/dev/null
await 'confirmation of that letter, which would be published again' 30 relay_has_all
"$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA" delete "$T.dlq"
event poison-2 0 '"do":"poison"'
event behind-2 0
await 'what is behind the letter' 20 is_counted behind-2
await_state held relay 60
held=$(relay_log relay 'select(.event == "state" and .state == "held") | tojson' | tail -n 1)
assert_match 'the command that mends it' "kafka-topics.*--create.*$T.dlq" "$(jq -r .hint <<<"$held")"
insert k 2
topic_create "$T.dlq" 2
await 'confirmation of all' 90 relay_has_all
await_state streaming relay 30
# The record that was held is tried alone, and comes once more; by its id it is the same.
assert_eq 'letters in the new topic, repetitions aside' 'poison-2' "$(letters | sed -E 's/.*\|id=([^,]*),.*/\1/' | sort -u)"
assert_eq 'other events of the relay, repetitions aside' '1 2' "$(read_topic "outbox.event.$T" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
counted_are 5 || fail 'an event was lost or came twice'
order_is_kept
consumer_stop one
relay_stop
