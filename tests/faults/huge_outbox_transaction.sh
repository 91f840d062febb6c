#!/usr/bin/env bash
# One transaction with a million events (100,000 with --short): the relay's memory does not grow with it, because no transaction is collected; its events arrive
# in their order under one commit position, followed by those that were committed later. Kafka's readers see its beginning before its end, which is the documented price.
# row: P-18 a million events in one transaction
# expects: O1 O3 O9, values and commit positions of O7, and the documented split in place of O5
# tags:
# plugins: both
# seconds: 1800
POSTGRES=own
OWN_POSTGRES=("max_wal_size = '4GB'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

events=$(times 100000 1000000)
topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
insert k 0
await_records "$topic" 1 >/dev/null
# The most that was ever resident, as the kernel counts it.
peak_kb() {
  awk '$1 == "VmHWM:" { print $2 }' "/proc/${RELAY_PID[relay]}/status"
}
before=$(peak_kb)
assert_number 'kB of a relay that has just started' "$before" '>' 1000

fault_begins huge-outbox-transaction
began=$EPOCHREALTIME
pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT '$T', 'k', 'E', to_json(i) FROM generate_series(1, $events) i"
figure commit_took "$(seconds_since "$began")" s
committed=$EPOCHREALTIME
insert k $((events + 1))
KCAT_SECONDS=900 KCAT_FORMAT='%s %h\n' kcat_read -c $((events + 2)) -t "$topic" >records || fail "not all arrived: $(wc -l <records)"
figure all_in_kafka_after "$(seconds_since "$committed")" s
fault_ends huge-outbox-transaction
await 'confirmation' 60 slot_has_confirmed "$(wal_end)"
after=$(peak_kb)
figure events "$events" events
figure memory_before "$((before * 1024))" bytes
figure memory_most "$((after * 1024))" bytes
# The producer's queue of at most 16 MiB, what librdkafka keeps of 20,000 records, and one row.
assert_number 'kB that memory grew' $((after - before)) '<=' 65536

seq 0 $((events + 1)) >expected
cut -d ' ' -f 1 records >values
assert_same_file 'values in order, none of them twice' expected values
assert_eq 'commit positions' 3 "$(sed -E 's:.*lsn=([0-9A-F]+/[0-9A-F]+)/.*:\1:' records | uniq | wc -l)"
relay_stop
