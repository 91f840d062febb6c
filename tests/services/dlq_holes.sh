#!/usr/bin/env bash
# A letter that its topic does not take ends a redrive, and nothing of its key is sent behind it: neither where it is the first that the run sends there, when a broker would
# take any batch of that producer, nor later. When the topic takes it, all arrive in the order in which they died.
# tags: real-kafka
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

source=$MINE.orders
letters=$MINE.orders.dlq
topic_create "$source" 1 max.message.bytes=20000
topic_create "$letters" 1 max.message.bytes=2000000

# letter KEY ID BYTES
letter() {
  printf "%-$3s" "$2" >"$RUN/letter"
  timeout 30 kcat -P -b "$KAFKA" -t "$letters" -k "$1" -H "id=$2" -H "kafka_dlt-original-topic=$source" -X message.max.bytes=2000000 "$RUN/letter" || fail "could not give letter $2"
}

# published: what is in the source topic, in its order.
published() {
  KCAT_FORMAT='%s\n' read_topic "$source" | awk '{ print $1 }' | paste -sd ' '
}

# redrive_is_refused WHAT COUNT: of so many letters it says that they are redriven, or may be. Which of the two depends on how long it took.
redrive_is_refused() {
  local code=0 known more
  run_dlq redrive "$letters" || code=$?
  assert_eq "exit code: $1" 6 $code
  assert_match "words: $1" "could not redrive to topic \"$source\": Broker: Message size too large" "$(cat "$RUN/dlq.err")"
  known=$(sed -n 's/^\([0-9]*\) redriven, .*/\1/p' "$RUN/dlq.out")
  more=$(sed -n 's/^dlq: up to \([0-9]*\) more may have been redriven: .*/\1/p' "$RUN/dlq.err")
  assert_eq "letters that were sent: $1" "$2" $((known + more))
}

# Larger than a batch of librdkafka's: what comes behind it goes in a request of its own.
letter same a1 1010000
letter same a2 10
redrive_is_refused 'the first letter is too large' 1
assert_eq 'published' '' "$(published)"
run_dlq redrive "$letters" --id a2 || fail "redrive: $(cat "$RUN/dlq.err")"
run_dlq discard "$letters" --id a1 --yes || fail "discard: $(cat "$RUN/dlq.err")"

letter same b1 10
letter same b2 1010000
letter same b3 10
redrive_is_refused 'a later letter is too large' 2
assert_eq 'published' 'a2 b1' "$(published)"

echo '--- the topic takes it'
topic=$MINE.large
topic_create "$topic" 1 max.message.bytes=2000000
source=$topic
for n in 1 2 3; do
  letter other "c$n" $((n == 2 ? 1010000 : 10))
done
run_dlq redrive "$letters" --key other || fail "redrive: $(cat "$RUN/dlq.err")"
assert_eq 'published' 'c1 c2 c3' "$(published)"
