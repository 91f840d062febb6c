#!/usr/bin/env bash
# 64 writers at once, fast ones that commit after milliseconds and slow ones that hold a number for half a second before they commit it, each transaction with rows before
# and behind those of others. Numbers drawn from a sequence are out of order by the thousand then, which is why the order of events is that of their commits: per
# key nothing is inverted, and the position in the header `lsn` only grows.
# row: P-21 64 writers, slow and fast transactions interleaved
# expects: O1 O2 O3 O4 O7 O8
# tags:
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

LOAD_PARTITIONS=1 # so that Kafka's order is one
pg 'ALTER TABLE outbox ADD COLUMN number bigserial'
# The slow ones: after each fourth row its transaction goes to sleep, holding its number and its key.
pg_read <<'SQL'
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.aggregateid LIKE 'slow%' AND random() < 0.25 THEN
    PERFORM pg_sleep(random() * 0.5);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER take_time AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION take_time();
SQL
watch_start
relay_init
relay_start
fault_begins 'interleaved writers'
load_start --connections 32 --rate 0 --keys 400 --key-prefix slow --transactions "$(times 200 1000)" --savepoints 0.3
load_start --connections 32 --rate 400 --keys 400 --key-prefix fast --transactions "$(times 800 6000)" --savepoints 0.3
load_ends 90
fault_ends 'interleaved writers'
settle
verdict
assert_eq 'records that came twice' 0 "$(jq .duplicates "$RUN/verdict.json")"

# In the order of Kafka, each id once: how often a number is smaller than one that came before, and whether the commit's position ever is.
jq -r 'select(.op == "read") | [.partition, .offset, .id, .lsn] | @tsv' reader.jsonl | sort -k1,1n -k2,2n | awk '!seen[$3]++ { print $3, $4 }' >arrived
pg "COPY (SELECT id, number FROM outbox) TO STDOUT" | sort >numbers
awk 'NR == FNR { number[$1] = $2; next } { n = number[$1]; if (n < most) inversions++; else most = n } END { print inversions + 0 }' numbers arrived >inversions
figure inversions_by_number "$(cat inversions)" events
backwards=$(awk '{ split($2, p, "/"); at = sprintf("%8s/%8s/%12d", p[1], p[2], p[3]); if (NR > 1 && at <= last) n++; last = at } END { print n + 0 }' arrived)
figure inversions_by_commit "$backwards" events
figure events "$(wc -l <arrived)" events
assert_eq 'events whose position is not behind the one before' 0 "$backwards"
assert_number 'inversions by number, without which this proves nothing' "$(cat inversions)" '>' 100
relay_stop
