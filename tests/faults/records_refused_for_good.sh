#!/usr/bin/env bash
# Among good rows there are some that can never be published, in the middle of transactions and batches: larger than their topic takes, which the broker refuses; without a
# key, which the relay refuses before a compacted topic would; for a topic that nobody has made. With policy dead-letter the first two are dead letters, with their bytes, and
# say why; for the last one the relay holds and looks again and again until the topic is there. No other row is lost, a dead letter, twice out of turn or in another order
# because of them: also those of the same transaction and key, which are numbered as the load's are, and marked by their type where they are to be refused.
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
# insert_around TYPE KEY KEY-OF-THE-FIFTH FILL-OF-THE-FIFTH: nine rows in one transaction, of which the fifth is to be refused. Key and fill are SQL.
insert_around() {
  pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
      SELECT '$1', CASE WHEN i = 5 THEN $3 ELSE '$2' END, CASE WHEN i = 5 THEN 'FaultPoison' ELSE 'FaultEvent' END,
        format('{\"n\":%s,\"fill\":\"%s\"}', $(((round - 1) * 9)) + i, CASE WHEN i = 5 THEN $4 ELSE '' END)::json FROM generate_series(1, 9) i"
}
rounds=$(times 1 4)
for ((round = 1; round <= rounds; round++)); do
  fault_begins 'record too large'
  insert_around "$T-small" large "'large'" "repeat('x', 200000)"
  await 'the dead letter' 60 has_dead_lettered $((2 * round - 1))
  fault_ends 'record too large'
  fault_begins 'record without a key'
  insert_around "$T-compacted" compacted NULL "''"
  await 'the dead letter' 60 has_dead_lettered $((2 * round))
  fault_ends 'record without a key'
done

fault_begins 'topic not made'
insert early '{"n":1}' "$T-late"
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
assert_eq 'rows to be refused' $((2 * rounds)) "$(jq .poison "$RUN/verdict.json")"
# A row without a number would have been judged by no order.
assert_eq 'rows without a number' 0 "$(jq -c 'select(.op == "row" and .n == null)' "$RUN/rows.jsonl" | wc -l)"
# why: their reasons, repetitions aside
why() {
  jq -r "select(.op == \"read\" and .topic == \"$dead\") | .id + \" \" + .\"dead.letter.reason\"" "$RUN/reader.jsonl" | sort -u | cut -d ' ' -f 2 | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd ' '
}
assert_eq 'what the dead letters say' "$rounds null_key $rounds refused_by_broker" "$(why)"
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" records
relay_stop
