#!/usr/bin/env bash
# A flood of large records in batches: what waits in memory is bounded in bytes, not in records alone, and all of it is handled, in order. One event of each partition that
# waits for the world holds its own bytes, and not the answers of the broker that they came in.
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

# Begun while the end of the flood, which is no whole batch, waits for the rest of one.
echo '--- one event of each partition waits, each of another answer of the broker'
PARTITIONS=16
T=$T.waiting
COUNTING_GROUP=$T
topics_new $PARTITIONS
pad=$(head -c 100000 /dev/zero | tr '\0' x)
for ((p = 0; p < PARTITIONS; p++)); do # a partition's part of an answer is 1 MiB
  awk -v p=$p -v pad="$pad" 'BEGIN {
    for (i = 0; i < 10 * (p + 1); i++) printf "k|{\"eventId\":\"w-%d-%d\",\"eventType\":\"Made\",\"n\":1,\"do\":\"ignore\",\"pad\":\"%s\"}\n", p, i, pad
    printf "k|{\"eventId\":\"w-%d\",\"eventType\":\"Made\",\"n\":1,\"do\":\"transient\"}\n", p
  }' </dev/null | produce -p $p
done
consumer_start two
all_wait() {
  [ "$(consumer_get two /metrics | awk -v topic="topic=\"$T\"" 'index($0, "consumer_waiting_seconds{" topic) == 1 && $NF > 0' | wc -l)" = $PARTITIONS ]
}
await 'all of the flood' 120 counted_are $RECORDS
order_is_kept
peak_kb=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/${CONSUMER_PID[one]}/status")
echo "peak of resident memory with a flood: $peak_kb kB"
assert_number 'peak of resident memory in kB' "$peak_kb" '<=' 120000
consumer_stop one
await 'all partitions wait' 120 all_wait
resident_kb=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/${CONSUMER_PID[two]}/status")
echo "resident memory with $PARTITIONS partitions that wait: $resident_kb kB"
assert_number 'resident memory in kB' "$resident_kb" '<=' 90000
consumer_stop two
