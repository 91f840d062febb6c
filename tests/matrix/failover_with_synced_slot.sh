#!/usr/bin/env bash
# Failover as PostgreSQL 17 means it: a slot with failover, a standby that keeps a copy of it, a primary that sends the relay nothing which the standby does not have. Under
# load the primary dies, the standby is promoted, and the relay, given both hosts, goes on there by itself: no event is lost, none is invented although commits that the
# standby had not received are gone, order per key holds, and what is repeated is repeated as it was, from where the copy of the
# slot stood.
# row: P-15 failover to a standby with a synchronised slot
# expects: O1 O2 O3 O4 O10
# needs: PostgreSQL 17
# tags: slow real-kafka
POSTGRES=own
OWN_POSTGRES=("hot_standby = on")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/matrix/standby.bash
. "${BASH_SOURCE[0]%/*}/standby.bash"

topic=outbox.event.$T
topic_create "$topic" 3
standby_start
pg_in postgres "ALTER SYSTEM SET synchronized_standby_slots = 'standby_1'" "SELECT pg_reload_conf()" >/dev/null
relay_set POSTGRES_URL "$(both_servers relay)"
relay_set POSTGRES_FAILOVER true
relay_init
relay_start
assert_eq 'failover of the slot' t "$(pg_in postgres "SELECT failover FROM pg_replication_slots WHERE slot_name = '$SLOT'")"
writers_start
await 'the copy of the slot on the standby' 60 standby_has_the_slot
await 'a load' 60 rows_are_more_than 300

began=$EPOCHREALTIME
primary_dies
copied=$(standby_sql "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '$SLOT'")
standby_promote
await 'the relay at the new address' 60 slot_is_active
echo "from the primary's death to a stream from the standby: $(awk "BEGIN { print $EPOCHREALTIME - $began }") s"
survived=$(pg "SELECT count(*) FROM outbox")
await 'writers that go on' 60 rows_are_more_than $((survived + 200))
writers_stop

await 'confirmation of all' 60 slot_has_confirmed "$(wal_end)"
topic_equals_table "$topic" "$copied"
echo "$ROWS rows, $survived of them from before the promotion; $REPEATED records repeated"
assert_eq 'state' streaming "$(relay_state)"
assert_eq 'times that the relay was held' 0 "$(relay_log relay 'select(.event == "state" and .state == "held") | .state' | wc -l)"

# A setting that was right on the former primary: the new one has nobody by that name, and would wait for it for ever. `check` says so.
pg_in postgres "ALTER SYSTEM SET synchronized_standby_slots = 'standby_1'" "SELECT pg_create_physical_replication_slot('standby_1', true)" "SELECT pg_reload_conf()" >/dev/null
relay_command check check || fail "check: $(cat check.err)"
assert_match 'what check says' 'warning: synchronized_standby_slots names slots that no standby reads \(standby_1\)' "$(cat check.err)"

# The former primary comes back while the new one is away: both have written since, so that its positions mean nothing here.
process_stop standby
postgres_run own
await_state held relay 60
assert_match 'the refusal of the former primary' '^4 other_timeline .* timeline 1.* timeline 2' \
  "$(relay_log relay 'select(.event == "state" and .state == "held") | "\(.code) \(.cause) \(.error)"' | tail -n 1)"
relay_stop
