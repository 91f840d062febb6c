#!/usr/bin/env bash
# Every error that a client may meet and that passes, by every API that the relay's producer uses: each code that Kafka itself calls retriable (its own list, printed by
# the jars that run here, so that none is left out by hand) is put into the answers of a real broker, one cell after the other, under load, also where no broker says it
# today. After each cell the relay has to go on by itself within its limit. A batch whose answer was made an error is in the log all the same, so that what is sent
# again would be there twice if the broker did not know the producer's sequence numbers.
#
# The APIs are those that the proxy has seen, which is asserted. SaslHandshake and SaslAuthenticate, which a secured connection has besides, know no error of Kafka's
# list that is retriable (33, 34, 58); K-15 refuses by them. In Metadata the error is the topic's. One more cell is ApiVersions 35, UNSUPPORTED_VERSION: not retriable
# by the list, but a client asks again in an older version.
# row: K-05 every retriable error by every API
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: slow real-kafka
# seconds: 1800
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

APIS=(Produce InitProducerId Metadata ApiVersions)

own_kafka
relay_set KAFKA_RETRY_BACKOFF_MS 50
watch_start
relay_init
# requests_by_api: of what a proxy counts, lines API REQUESTS. Topics were made by this way, too: those are the requests of others.
requests_by_api() {
  sed -nE 's/^frames ([A-Za-z0-9]+) request ([0-9]+) .*/\1 \2/p' | sort
}
others=$(proxy_say kafka count)
relay_start
load_start --rate 60 --connections 4 --keys 40 --payload 60-300
await 'the first transactions' 30 load_has_committed 20
await 'the first answer to a batch' 30 proxy_has_answered Produce

# CODE lines. The list is HTML.
kafka_java org.apache.kafka.common.protocol.Errors >"$RUN/errors.html" || fail "Kafka's list of errors could not be printed"
codes=$(sed -nE 's,^<tr><td>[A-Z_0-9]+</td><td>([0-9]+)</td><td>True</td>.*,\1,p' "$RUN/errors.html")
assert_number "retriable errors in Kafka's list" "$(wc -l <<<"$codes")" '>=' 25

cells=0
passed=0
failed=()
# cell API CODE
cell() {
  local before
  cells=$((cells + 1))
  fault_begins "$1 $2"
  proxy_say kafka rule cell "api=$1" count=2 "error=$2"
  # Only a new producer asks for anything but Produce at once.
  if [ "$1" != Produce ]; then
    relay_stop
    relay_launch
  fi
  wait_until 20 proxy_has_applied kafka cell 1 || fail "$1 $2: no answer that could be made an error"
  fault_ends "$1 $2"
  before=$(wal_end)
  if wait_until 30 slot_has_confirmed "$before" && wait_until 10 relay_is_in_state streaming relay; then
    passed=$((passed + 1))
  else
    failed+=("$1-$2:$(relay_state)")
    await 'the relay after a cell that did not pass' 90 slot_has_confirmed "$before"
  fi
  proxy_say kafka clear cell
}
for api in "${APIS[@]}"; do
  for code in $codes; do
    cell "$api" "$code"
  done
done
cell ApiVersions 35

settle
verdict --only-unconfirmed
used=$(comm -13 <(requests_by_api <<<"$others") <(proxy_say kafka count | requests_by_api) | cut -d ' ' -f 1 | paste -sd ' ')
assert_eq "APIs that the relay's producer has used" "$(printf '%s\n' "${APIS[@]}" | sort | paste -sd ' ')" "$used"
figure "retriable errors in Kafka's list" "$(wc -l <<<"$codes")"
figure 'cells passed' "$passed/$cells" ''
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" records
assert_eq 'cells that did not pass' '' "${failed[*]}"
relay_stop
