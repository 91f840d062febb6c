#!/usr/bin/env bash
# A flood of large records in batches: what waits in memory is bounded in bytes, not in records alone, and all of it is handled, in order.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

RECORDS=240
counting_tables
topics_new 3
pad=$(head -c 950000 /dev/zero | tr '\0' x)
for ((i = 1; i <= RECORDS; i++)); do
  echo "k$((i % 9))|{\"eventId\":\"e-$i\",\"eventType\":\"Made\",\"n\":$i,\"pad\":\"$pad\"}"
done | produce
consumer_start one COUNTING_BATCH=100 COUNTING_WAIT_MS=15000 RECORDS_MAX_BYTES=12582912 KAFKA_QUEUED_MAX_MESSAGES_KBYTES=4096
await 'all of the flood' 120 counted_are $RECORDS
order_is_kept
peak_kb=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/${CONSUMER_PID[one]}/status")
echo "peak of resident memory: $peak_kb kB"
assert_number 'peak of resident memory in kB' "$peak_kb" '<=' 120000
consumer_stop one
