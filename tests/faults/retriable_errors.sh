#!/usr/bin/env bash
# Every error that a client may meet and that passes: for each API that the relay's producer uses, each code that the protocol calls retriable is put into the
# answers of a real broker, one cell after the other, under load. After each cell the relay has to go on by itself within its limit. A batch whose answer was made
# an error is in the log all the same, so that what is sent again would be there twice if the broker did not know the producer's sequence numbers.
# row: K-05 every retriable error by every API
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: slow real-kafka
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

# API CODES of Kafka's protocol. Produce: corrupt message, unknown topic or partition, leader not available, not leader, timed out, replica not available, network,
# coordinator load in progress, not available, not coordinator, not enough replicas, the same after the append, storage, fenced and unknown leader epoch, throttling.
CELLS=(
  'Produce 2 3 5 6 7 9 13 14 15 16 19 20 56 74 75 89'
  'InitProducerId 7 14 15 16 51'
  'Metadata 3 5 7 9 13'
  'ApiVersions 35 7'
)

own_kafka
relay_set KAFKA_RETRY_BACKOFF_MS 50
watch_start
relay_init
relay_start
load_start --rate 60 --connections 4 --keys 40 --payload 60-300
await 'the first transactions' 30 load_has_committed 20
await 'the first answer to a batch' 30 proxy_has_answered Produce

cells=0
passed=0
failed=()
for row in "${CELLS[@]}"; do
  read -r api codes <<<"$row"
  for code in $codes; do
    cells=$((cells + 1))
    fault_begins "$api $code"
    proxy_say kafka rule cell "api=$api" count=2 "error=$code"
    # Only a new producer asks for anything but Produce at once.
    if [ "$api" != Produce ]; then
      relay_stop
      relay_launch
    fi
    wait_until 20 proxy_has_applied kafka cell 1 || fail "$api $code: no answer that could be made an error"
    before=$(wal_end)
    if wait_until 30 slot_has_confirmed "$before" && wait_until 10 relay_is_in_state streaming relay; then
      passed=$((passed + 1))
    else
      failed+=("$api-$code:$(relay_state)")
      await 'the relay after a cell that did not pass' 90 slot_has_confirmed "$before"
    fi
    proxy_say kafka clear cell
    fault_ends "$api $code"
  done
done

settle
verdict --only-unconfirmed
figure 'cells passed' "$passed/$cells" ''
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" records
assert_eq 'cells that did not pass' '' "${failed[*]}"
relay_stop
