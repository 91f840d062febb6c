#!/usr/bin/env bash
# The only broker, and so every leader, is restarted while events are on their way: ended in order, killed, killed while a transaction is half published. The relay
# keeps its stream from the database, waits, and goes on by itself; what was on its way comes once, since the broker knows the producer again from its log.
# row: K-02 broker down in the middle of a transaction, leader not available
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: slow real-kafka
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

own_kafka
watch_start
relay_init
relay_start
load_start --rate 40 --connections 6 --keys 60 --events 1-20
await 'the first transactions' 30 load_has_committed 50
await 'the first answer to a batch' 30 proxy_has_answered Produce

for ((i = 1; i <= $(times 1 4); i++)); do
  signal=$([ $((i % 2)) = 0 ] && echo TERM || echo KILL)
  # In the middle: a batch has been asked for and the broker goes before it can answer the next.
  proxy_say kafka rule mid api=Produce direction=response "skip=$(random 10)" hold
  await 'a batch on its way' 30 proxy_has_applied kafka mid 1
  fault_begins "broker gone by SIG$signal"
  own_kafka_stop "$signal"
  proxy_say kafka clear mid
  answered=$(proxy_frames kafka Produce response)
  own_kafka_run
  fault_ends "broker gone by SIG$signal"
  recovery_begins
  recovery_ends "recovery $i, after SIG$signal" 120
  assert_number 'answers to batches since' "$(proxy_frames kafka Produce response)" '>' "$answered"
done
settle
verdict --only-unconfirmed
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" records
figure 'producers made anew' "$(kafka_failures)" ''
relay_stop
