#!/usr/bin/env bash
# The server is stopped, its files are replaced by an older copy of them, and it is started again: its log ends before what the relay has confirmed. Within one life of
# the process the relay knows that, holds with code 4 and names the range in which Kafka may know events that the database does not. A relay that is started anew
# has nothing to remember: it takes the server as it is, goes on from the slot in the backup, and says nothing. That is what is promised, no more. Where the slot's own
# file was not restored with the rest, the slot lies ahead of its server, which a new relay sees too.
# row: P-14 server restored behind the known position
# expects: refused, code 4, within one life; a restart accepts; a slot ahead of its server is refused by any
# tags:
POSTGRES=own
OWN_POSTGRES=("log_replication_commands = on")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

# looks: how often the relay has asked who the server is, before it judges or streams
looks() {
  grep -c 'received replication command: IDENTIFY_SYSTEM' "$RUN/own.log"
}
has_looked() {
  [ "$(looks)" -gt "$1" ]
}

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
insert k 1
await_records "$topic" 1 >/dev/null
await 'confirmation of the first' 20 slot_has_confirmed "$(wal_end)"

# The backup: files of a server that was stopped in an orderly way, which the running relay sees as a restart.
process_stop own
cp -a "$PG_DATA" "$PG_DATA.backup"
postgres_run own
await_state streaming relay 30
insert k 2
# Well beyond what a server writes when it starts, which would make up for a small difference.
pg "CREATE TABLE others (filler text)" "INSERT INTO others SELECT repeat('x', 1000) FROM generate_series(1, 1000)"
insert k 3
# Also in the slot's file, which is written when restart_lsn moves; that takes a note of the running transactions in the log, as a checkpoint makes one.
far=$(wal_end)
restart_has_moved() {
  pg_in postgres CHECKPOINT
  pg "INSERT INTO others VALUES ('x')"
  [ "$(pg_in postgres "SELECT restart_lsn >= '$far' FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ]
}
await 'restart_lsn' 30 restart_has_moved
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
known=$(slot_confirmed)

# What a stopped server had confirmed in memory alone comes again, so values are counted once.
values() {
  read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' '
}
has_values() {
  [ "$(values)" = "$1" ]
}
await 'all in Kafka' 20 has_values '1 2 3'

fault_begins restored-from-backup
process_stop own
mv "$PG_DATA" "$PG_DATA.newer"
cp -a "$PG_DATA.backup" "$PG_DATA"
began=$EPOCHREALTIME
postgres_run own
await_state held relay 60
figure detection "$(seconds_since "$began")" s
problem=$(relay_get /status)
assert_eq 'code and cause' '4 server_behind' "$(jq -r '"\(.problem.code) \(.problem.cause)"' <<<"$problem")"
assert_match 'the range' "events from [0-9A-F]+/[0-9A-F]+ to [0-9A-F]+/[0-9A-F]+ may be in Kafka and not in the database" "$(jq -r .problem.text <<<"$problem")"
to=$(jq -r .problem.text <<<"$problem" | sed -E 's:.* to ([0-9A-F]+/[0-9A-F]+) may .*:\1:')
[ "$(pg "SELECT '$to'::pg_lsn >= '$known'::pg_lsn")" = t ] || fail "the range ends before $known: $problem"
insert k 4
# A second look begins when the first one has come to nothing.
await 'two looks' 60 has_looked $(($(looks) + 1))
assert_eq 'values while held' '1 2 3' "$(values)"
relay_stop

relay_start
await 'values, of which the restored server does not know two' 30 has_values '1 2 3 4'
figure in_kafka_and_not_in_the_database "$(pg "SELECT 4 - count(*) FROM outbox")" events
relay_stop
fault_ends restored-from-backup

# The backup once more, and the slot's file of the newer server with it.
fault_begins restored-without-its-slot
process_stop own
rm -rf "$PG_DATA"
mv "$PG_DATA.backup" "$PG_DATA"
cp -a "$PG_DATA.newer/pg_replslot/$SLOT/state" "$PG_DATA/pg_replslot/$SLOT/state"
postgres_run own
[ "$(pg_in postgres "SELECT confirmed_flush_lsn > pg_current_wal_lsn() FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ] || fail 'the slot is not ahead of its server'
began=$EPOCHREALTIME
code=0
relay_command ahead run --exit-on-hold || code=$?
figure detection_of_a_slot_ahead "$(seconds_since "$began")" s
assert_eq 'exit code with a slot ahead of its server' 4 $code
assert_match 'the refusal' 'slot_ahead|position_ahead' "$(jq -rR 'fromjson? | select(.code == 4) | .cause' ahead.err | head -n 1)"
fault_ends restored-without-its-slot
