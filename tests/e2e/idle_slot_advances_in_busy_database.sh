#!/usr/bin/env bash
# Nothing is written to the outbox while the rest of the server is busy: the slot follows the end of WAL all the same, so that no log is retained.
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
pg "CREATE TABLE busy (n int, filler text)"
insert k 1
await_records "$topic" 1 >/dev/null
for round in 1 2 3; do
  pg "INSERT INTO busy SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i"
  lsn=$(wal_end)
  await "confirmation of the other tables' log, round $round" 30 slot_has_confirmed "$lsn"
done
# The same for a neighbour database of the cluster.
pg_in postgres "CREATE TABLE IF NOT EXISTS e2e_busy (filler text)" "INSERT INTO e2e_busy SELECT repeat('x', 200) FROM generate_series(1, 20000)" "DROP TABLE e2e_busy"
await "confirmation of the other database's log" 30 slot_has_confirmed "$(wal_end)"
await 'a small lag' 20 relay_metric_is cdc_relay_confirmed_lag_bytes 'v < 1000000'
assert_eq 'seconds of the oldest unsettled event' 0 "$(relay_metric cdc_relay_oldest_unsettled_seconds)"
relay_stop
assert_eq 'records' 1 "$(read_topic "$topic" | wc -l)"
