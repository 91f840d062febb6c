#!/usr/bin/env bash
# synchronous_standby_names = '*' makes a standby of every walsender, the relay's as well: `check` names it as an error. The commits of the cluster then wait for the relay's
# confirmation; they wait as long as that takes and do not hang, because what a waiting commit has written is in the stream already.
# row: P-31 synchronous_standby_names = '*'
# expects: O1 O10
# tags:
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
insert k 0
await_records "$topic" 1 >/dev/null
relay_command check check || fail "check: exit code $?"
! grep -q synchronous_standby_names check.err || fail 'check complains of a setting that is empty'
# A list that names others only, though their names hold the relay's, is no reason.
pg_in postgres "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"cdc-relay-2\", \"my-cdc-relay\", \"rack cdc-relay\", \"a*b\")'" "ALTER SYSTEM SET synchronous_commit = local" \
  "SELECT pg_reload_conf()" >/dev/null
others_are_named() {
  [ "$(pg 'SHOW synchronous_standby_names')" != '' ]
}
await 'the names of others' 20 others_are_named
relay_command check check || fail "check: exit code $?"
! grep -q synchronous_standby_names check.err || fail 'check takes the names of others for the relay'
pg_in postgres "ALTER SYSTEM RESET synchronous_commit" >/dev/null

fault_begins synchronous-standby-names
pg_in postgres "ALTER SYSTEM SET synchronous_standby_names = '*'" "SELECT pg_reload_conf()" >/dev/null
relay_is_synchronous() {
  [ "$(pg_in postgres "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'cdc-relay'")" = sync ]
}
await 'the relay as a synchronous standby' 20 relay_is_synchronous
code=0
relay_command check check || code=$?
assert_eq 'exit code of check' 3 "$code"
assert_match 'the error' 'error: synchronous_standby_names "\*" matches the relay.*may wait for Kafka' "$(cat check.err)"

count=30
for i in $(seq "$count"); do
  echo "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '$i');"
done >commits.sql
# A limit from outside: statement_timeout does not end the wait of a commit that is done and not yet acknowledged.
began=$EPOCHREALTIME
timeout 60 psql -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" -f commits.sql || fail 'a commit of events hangs'
seconds=$(seconds_since "$began")
figure commit "$(awk -v s="$seconds" -v n="$count" 'BEGIN { printf "%.1f", s * 1000 / n }')" ms
# Other tables as well: nothing of theirs is in the stream, and their commits wait for a keepalive's confirmation.
began=$EPOCHREALTIME
timeout 30 psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" -c 'CREATE TABLE others (i int)' -c 'INSERT INTO others VALUES (1)' || fail 'a commit that the relay does not read hangs'
figure commit_of_other_tables "$(awk -v s="$(seconds_since "$began")" 'BEGIN { printf "%.1f", s * 1000 / 2 }')" ms
await_records "$topic" $((count + 1)) >/dev/null
assert_eq 'values' "$(seq -s ' ' 0 "$count")" "$(read_topic "$topic" | cut -d '|' -f 2 | paste -sd ' ')"
pg_in postgres "ALTER SYSTEM RESET synchronous_standby_names" "SELECT pg_reload_conf()" >/dev/null
fault_ends synchronous-standby-names
relay_stop
