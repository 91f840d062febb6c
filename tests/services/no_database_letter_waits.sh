#!/usr/bin/env bash
# A consumer without a database, and a dead letter that its topic does not get: the topic is not there, refuses it, or Kafka is away. The partition waits, the others go on,
# nothing behind the letter is handled before it is acknowledged, and all goes on by itself.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"
# shellcheck source=tests/services/filing.bash
. "${BASH_SOURCE[0]%/*}/filing.bash"

echo '--- its dead-letter topic is not there'
# two_partitions NAME: what dies, which has no key, is in the first one, with an event behind it; the second has one of its own.
two_partitions() {
  filing_new "$1" 2
  printf '{"eventId":"p-1","eventType":"Made","n":1,"do":"poison"}' | kcat -P -b "$KAFKA" -t "$T" -p 0 || fail 'could not produce'
  echo 'k|{"eventId":"behind","eventType":"Made","n":1}' | produce -p 0
  echo 'k|{"eventId":"beside","eventType":"Made","n":1}' | produce -p 1
}
two_partitions missing
consumer_start three "${WITHOUT_DATABASE[@]}" IDEMPOTENCY=none
await 'the reason' 30 consumer_has_logged three '.event == "dead_letter_failed" and .level == "error" and .cause == "no_dead_letter_topic" and (.hint | contains("--create --topic"))'
await 'the other partition' 20 is_filed beside
! is_filed behind || fail 'what is behind it was handled'
topic_create "$T.dlq" 2
await 'what is behind it' 60 is_filed behind
assert_eq 'letters' p-1 "$(letter_ids)"
consumer_stop three

echo '--- its dead-letter topic refuses it: a compacted one takes nothing without a key'
two_partitions refusing
topic_create "$T.dlq" 2 cleanup.policy=compact
consumer_start four "${WITHOUT_DATABASE[@]}" IDEMPOTENCY=none
await 'the reason' 40 consumer_has_logged four '.event == "dead_letter_failed" and .cause == "dead_letter_not_taken"'
await 'the other partition' 20 is_filed beside
! is_filed behind || fail 'what is behind it was handled'
"$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA" alter "$T.dlq" cleanup.policy=delete
await 'what is behind it' 60 is_filed behind
assert_eq 'letters' p-1 "$(letter_ids)"
consumer_stop four

echo '--- Kafka is away when a letter is to be written'
own_broker
filing_new away 1
topic_create "$T.dlq" 1
{
  echo "k|{\"eventId\":\"w-1\",\"eventType\":\"Made\",\"n\":1,\"do\":\"wait\",\"for\":\"$RUN/go\"}"
  poison p-1
  echo 'k|{"eventId":"behind","eventType":"Made","n":1}'
} | produce
consumer_start five "${WITHOUT_DATABASE[@]}" IDEMPOTENCY=none
await 'an event in hand' 20 test -e "$RUN/go.waits"
broker_is down
: >"$RUN/go"
await 'the reason' 60 consumer_has_logged five '.event == "dead_letter_failed" and .cause == "dead_letter_not_taken"'
assert_eq 'livez' 200 "$(consumer_get_status five /livez)"
broker_is up
await 'what is behind it' 90 is_filed behind
assert_eq 'letters' p-1 "$(letter_ids | uniq)"
consumer_stop five
