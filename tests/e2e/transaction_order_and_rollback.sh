#!/usr/bin/env bash
# A transaction's events arrive in their order, with one commit LSN and indexes from 0; what was rolled back, whole or to a savepoint, does not arrive and
# takes no index; a transaction that commits later comes later, even where its rows were written first.
# tags: quick asan
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start

pg_read <<SQL
BEGIN;
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '1');
SAVEPOINT a;
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '"undone"');
ROLLBACK TO a;
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT '$T', 'k', 'E', to_json(i) FROM generate_series(2, 3) i;
COMMIT;
BEGIN;
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '"rolled back"');
ROLLBACK;
SQL

# Two sessions that overlap: the one that began first commits last.
mkfifo first
psql -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" <first >first.log 2>&1 &
exec {first}>first
echo "BEGIN; INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '5');" >&$first
first_has_written() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE datname = '$DB' AND state = 'idle in transaction' AND query LIKE 'INSERT%'")" = 1 ]
}
await 'the first session' 10 first_has_written
insert k 4
echo 'COMMIT;' >&$first
exec {first}>&-
wait $!

records=$(await_records "$topic" 5)
assert_eq 'values in order' '1 2 3 4 5' "$(cut -d '|' -f 2 <<<"$records" | paste -sd ' ')"
positions=$(cut -d '|' -f 3 <<<"$records" | while read -r headers; do header lsn "$headers"; done)
assert_eq 'indexes' '0 1 2 0 0' "$(sed 's:.*/::' <<<"$positions" | paste -sd ' ')"
assert_eq 'commit LSNs of the first transaction' 1 "$(head -n 3 <<<"$positions" | sed 's:/[0-9]*$::' | sort -u | wc -l)"
assert_eq 'commit LSNs of all' 3 "$(sed 's:/[0-9]*$::' <<<"$positions" | sort -u | wc -l)"
relay_stop
