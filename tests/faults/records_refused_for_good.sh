#!/usr/bin/env bash
# Among good rows there are some that Kafka refuses for good, in the middle of transactions and batches: larger than their topic takes, without a key for a compacted
# topic, for a topic that nobody has made. With policy dead-letter the first two are dead letters, with their bytes; for the last one the relay holds and looks again
# and again until the topic is there. No other row is lost, twice out of turn or in another order because of them.
# row: K-06 permanent errors of single records under load
# expects: O1 O2 O3 O4 O7 O8 O10, collateral records 0
# tags: slow real-kafka
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

own_kafka
dead=dead.$T
LOAD_TYPES=("$T" "$T-small" "$T-compacted")
load_topics
set_topic() {
  "$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA_DIRECT" alter "$1" message.timestamp.type=LogAppendTime "${@:2}" >>"$RUN/topics.log" 2>&1 || fail "$(tail -n 3 "$RUN/topics.log")"
}
set_topic "outbox.event.$T-small" max.message.bytes=50000
set_topic "outbox.event.$T-compacted" cleanup.policy=compact min.compaction.lag.ms=86400000
topic_create "$dead" 3 message.timestamp.type=LogAppendTime
relay_set DELIVERY_POISON dead-letter
relay_set DELIVERY_DEAD_LETTER_TOPIC "$dead"
# As the documentation says: a batch below the limit of its topic. Else a backlog is refused by the batch, and goes row by row.
relay_set KAFKA_BATCH_SIZE 40000
relay_set KAFKA_TOPIC_METADATA_PROPAGATION_MAX_MS 1000
# A row may come without a key.
pg 'ALTER TABLE outbox DROP CONSTRAINT outbox_aggregateid_fits' 'ALTER TABLE outbox ALTER aggregateid DROP NOT NULL'
watch_start "$dead" "outbox.event.$T-late"
relay_init
relay_start
load_start --rate 60 --connections 6 --keys 40 --payload 60-800
await 'the first transactions' 30 load_has_committed 50

dead_lettered() {
  relay_get /metrics | awk '/^cdc_relay_events_total\{.*outcome="dead_lettered"/ { print $NF }'
}
has_dead_lettered() {
  [ "$(dead_lettered)" -ge "$1" ]
}
rounds=$(times 1 4)
for ((i = 1; i <= rounds; i++)); do
  fault_begins 'record too large'
  pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
      SELECT '$T-small', 'large', 'E', to_json(i || CASE WHEN i = 5 THEN repeat('x', 200000) ELSE '' END) FROM generate_series(1, 9) i"
  await 'the dead letter' 60 has_dead_lettered $((2 * i - 1))
  fault_ends 'record too large'
  fault_begins 'record without a key'
  pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
      SELECT '$T-compacted', CASE WHEN i = 5 THEN NULL ELSE 'compacted' END, 'E', to_json(i) FROM generate_series(1, 9) i"
  await 'the dead letter' 60 has_dead_lettered $((2 * i))
  fault_ends 'record without a key'
done

fault_begins 'topic not made'
insert k '"early"' "$T-late"
await_state held relay 60
# The hold outlives looks that find nothing better.
looks() {
  relay_log relay 'select(.event == "streaming_started") | .ts' | wc -l
}
have_looked() {
  [ "$(looks)" -ge "$1" ]
}
await 'two more looks' 90 have_looked $(($(looks) + 2))
assert_eq 'the state after looks in vain' held "$(relay_state)"
topic_create "outbox.event.$T-late" 1 message.timestamp.type=LogAppendTime
fault_ends 'topic not made'
recovery_begins
recovery_ends 'recovery after the topic was made' 120

settle
verdict --only-unconfirmed --dead-letters "$dead"
figure 'dead letters' "$(jq .dead_letters "$RUN/verdict.json")" ''
assert_eq 'dead letters, repetitions aside' $((2 * rounds)) "$(jq -r "select(.op == \"read\" and .topic == \"$dead\") | .id" "$RUN/reader.jsonl" | sort -u | wc -l)"
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" records
relay_stop
