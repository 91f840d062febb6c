#!/usr/bin/env bash
# The broker appends a batch and its answer is lost: the connection breaks in its place, or it comes only after the client has given up. The client sends the batch
# again, and the broker, which knows the producer's sequence numbers, does not append it again: nothing is lost and nothing is there twice.
# row: K-03 acknowledgement lost after the append
# expects: O1 O2 O3 O4 O7 O8, no duplicate
# tags: short real-kafka
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

own_kafka
relay_set KAFKA_SOCKET_TIMEOUT_MS 1000
watch_start
relay_init
relay_start
load_start --rate 150 --connections 6 --keys 60
await 'the first transactions' 30 load_has_committed 50
await 'the first answer to a batch' 30 proxy_has_answered Produce

lost=$(times 4 30)
for ((i = 1; i <= lost; i++)); do
  fault_begins 'acknowledgement lost'
  proxy_say kafka rule lost api=Produce "skip=$(random 12)" count=1 lose
  await "the loss of acknowledgement $i" 30 proxy_has_applied kafka lost 1
  fault_ends 'acknowledgement lost'
done

late=$(times 1 6)
for ((i = 1; i <= late; i++)); do
  # The client has connected anew behind the fault before this one, or that connection would be taken for the one that ends its patience.
  answered=$(proxy_frames kafka Produce response)
  await 'answers to batches again' 30 proxy_has_answered Produce $((answered + 2))
  accepted=$(proxy_accepted kafka)
  fault_begins 'acknowledgement late'
  proxy_say kafka rule late api=Produce direction=response "skip=$(random 12)" count=1 hold
  await "the delay of acknowledgement $i" 30 proxy_has_applied kafka late 1
  await "the end of the client's patience $i" 30 proxy_has_accepted kafka $((accepted + 1))
  proxy_say kafka clear late
  fault_ends 'acknowledgement late'
done

proxy_say kafka clear
settle
verdict
duplicates=$(jq .duplicates "$RUN/verdict.json")
figure 'acknowledgements lost or late' $((lost + late)) ''
figure duplicates "$duplicates" records
assert_eq 'duplicates' 0 "$duplicates"
assert_eq 'times that the producer was made anew' 0 "$(kafka_failures)"
relay_stop
