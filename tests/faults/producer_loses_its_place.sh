#!/usr/bin/env bash
# What ends an idempotent producer: the broker says that a sequence number is out of order, that it does not know the producer, that its epoch is old. The relay
# makes a new producer, goes back to the last confirmed position, and publishes from there, so that rows may be there twice, in their order.
#
# Told by a real broker: a batch disappears on its way and those behind it are out of order, for which the client has a cure; and the broker forgets the producer,
# which has been idle for longer than producer.id.expiration.ms. Put into a real broker's answers, behind an append that did happen, since a broker of today gives
# them only after a loss of data: out of order (45), epoch (47), unknown producer (59), fenced (90), and an error without a name (-1).
# row: K-04 idempotent producer ends: OUT_OF_ORDER, UNKNOWN_PRODUCER_ID, epoch
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: real-kafka
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

own_kafka producer.id.expiration.ms=2000 producer.id.expiration.check.interval.ms=500
relay_set KAFKA_SOCKET_TIMEOUT_MS 1000
# Each batch is small, so that several are on their way at once.
relay_set KAFKA_BATCH_NUM_MESSAGES 4
watch_start
relay_init
relay_start
load_start --rate 50 --connections 6 --keys 60
await 'the first transactions' 30 load_has_committed 50
await 'the first answer to a batch' 30 proxy_has_answered Produce

refusals() {
  grep -c OutOfOrderSequence "$RUN/own-kafka.log" || true
}
broker_has_refused() {
  [ "$(refusals)" -gt "$1" ]
}
proxy_say kafka rule far api=Produce direction=response delay=40
before=$(refusals)
for ((i = 1; i <= $(times 1 5); i++)); do
  fault_begins 'batch swallowed'
  proxy_say kafka rule gap api=Produce direction=request "skip=$(random 12)" count=1 drop
  await "the loss of request $i" 30 proxy_has_applied kafka gap 1
  fault_ends 'batch swallowed'
  pending=$(wal_end)
  await 'what was written until then' 30 slot_has_confirmed "$pending"
done
proxy_say kafka clear
refused=$(($(refusals) - before))
figure 'batches that the broker itself refused as out of order' "$refused" ''
assert_number 'batches that the broker itself refused as out of order' "$refused" '>=' 1

load_stop
pending=$(wal_end)
await 'what was written until then' 30 slot_has_confirmed "$pending"
fault_begins 'producer forgotten'
# The head of the list alone. Without it there was no answer, which is no sign of anything.
no_producer_is_known() {
  local list
  list=$(kafka_java org.apache.kafka.tools.TransactionsCommand --bootstrap-server "$KAFKA_DIRECT" describe-producers --topic "${WATCH_TOPICS[0]}" --partition 0 2>/dev/null) &&
    [[ $list == ProducerId* && $list != *$'\n'* ]]
}
await 'a broker that has forgotten the producer' 60 no_producer_is_known
fault_ends 'producer forgotten'
load_start --rate 150 --connections 6 --keys 60

for ((i = 1; i <= $(times 1 2); i++)); do
  for code in 45 47 59 90 -1; do
    failures=$(kafka_failures)
    fault_begins "Produce $code"
    proxy_say kafka rule end api=Produce "skip=$(random 6)" count=1 "error=$code"
    await "the error $code" 30 proxy_has_applied kafka end 1
    fault_ends "Produce $code"
    began=$EPOCHREALTIME
    pending=$(wal_end)
    await "what was written until then, after $code" 60 slot_has_confirmed "$pending"
    awk "BEGIN { printf \"%.2f\n\", $EPOCHREALTIME - $began }" >>"$RUN/recoveries"
    echo "$code $(($(kafka_failures) - failures))" >>"$RUN/renewals"
  done
done
proxy_say kafka clear
reconnects=$(kafka_failures)
settle
verdict --only-unconfirmed
figure 'recovery p50' "$(sort -n "$RUN/recoveries" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')" s
figure 'recovery max' "$(sort -n "$RUN/recoveries" | tail -n 1)" s
figure 'producers made anew' "$reconnects" ''
# After each of them nobody can go on with the sequence numbers that there are; after 59 librdkafka does, with an epoch of its own making, where nothing before that batch is
# unanswered and it was not sent before.
for code in 45 47 59 90 -1; do
  renewals=$(awk -v code="$code" '$1 == code { sum += $2 } END { print sum + 0 }' "$RUN/renewals")
  figure "of these for $code" "$renewals" ''
  [ "$code" = 59 ] || assert_number "producers made anew for the error $code" "$renewals" '>=' 1
done
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" records
relay_stop
