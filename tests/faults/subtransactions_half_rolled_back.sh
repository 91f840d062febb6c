#!/usr/bin/env bash
# One transaction with 10,000 subtransactions, each of which writes an event, and every second of which is rolled back: exactly the others arrive, in order, numbered
# without a hole. The walsender spills them to disk on the way (logical_decoding_work_mem is small), so what was rolled back has to be found again among files.
# row: P-19 10,000 subtransactions, half of them rolled back
# expects: O1 O2 O3
# tags:
POSTGRES=own
OWN_POSTGRES=("logical_decoding_work_mem = '64kB'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

count=10000
topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start

fault_begins subtransactions
began=$EPOCHREALTIME
pg_read <<SQL
DO \$\$
BEGIN
  FOR i IN 1..$count LOOP
    BEGIN
      INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', to_json(i));
      IF i % 2 = 1 THEN
        RAISE division_by_zero;
      END IF;
    EXCEPTION WHEN division_by_zero THEN
      NULL;
    END;
  END LOOP;
END
\$\$;
SQL
fault_ends subtransactions
assert_eq 'rows that were committed' $((count / 2)) "$(pg "SELECT count(*) FROM outbox")"
KCAT_FORMAT='%s %h\n'
await_records "$topic" $((count / 2)) 60 >records
figure until_all_in_kafka "$(seconds_since "$began")" s
await 'confirmation' 30 slot_has_confirmed "$(wal_end)"
assert_eq 'files that decoding left on disk' 0 "$(pg_in postgres "SELECT count(*) FROM pg_ls_dir('pg_replslot/$SLOT') AS f WHERE f <> 'state'")"

seq 2 2 $count >expected
cut -d ' ' -f 1 records >values
assert_same_file 'values in order' expected values
seq 0 $((count / 2 - 1)) >expected
sed -E 's:.*lsn=[0-9A-F]+/[0-9A-F]+/([0-9]+).*:\1:' records >indexes
assert_same_file 'numbers in the transaction' expected indexes
figure phantoms "$(awk '$1 % 2 == 1' values | wc -l)" events
relay_stop
has_spilled() {
  spilled=$(pg_in postgres "SELECT spill_count FROM pg_stat_replication_slots WHERE slot_name = '$SLOT'")
  [ "$spilled" -gt 0 ]
}
await 'the statistics of spilling' 10 has_spilled # they are told when the walsender ends
figure spilled "$spilled" times
