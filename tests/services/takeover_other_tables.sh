#!/usr/bin/env bash
# What take-over does with a table of another form: a status in place of a boolean, an id that is no number in the text's order, bytes, booleans and nulls. A row of the
# backlog and the same row streamed give the same record. A row that cannot be published stops the command behind the rows before it, or becomes a dead letter; a table
# without a unique id is refused, and so is one that the role may not mark, and a row that has no place in the order that was asked for, whenever it is written.
# tags: asan
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

topic=outbox.event.$T
# The records are as old as their rows say: the broker, which looks half a minute after its start and then every five, would remove them.
topic_create "$topic" 1 retention.ms=-1
topic_create "$topic.dead" 1 retention.ms=-1
pg "CREATE TABLE public.old_events (no bigint PRIMARY KEY, kind text, about text, body bytea, urgent boolean, at timestamptz, loose integer, state text)"
pg "CREATE PUBLICATION $SLOT FOR TABLE public.old_events WITH (publish = 'insert')" 2>/dev/null || pg "ALTER PUBLICATION $SLOT ADD TABLE public.old_events"
cat >"$RUN/relay.json" <<JSON
{"outbox": [{"table": "public.old_events", "table.field.event.id": "no", "table.field.event.key": "about", "table.field.event.type": "kind", "table.field.event.payload": "body",
  "table.field.event.timestamp": "at", "route.by.field": "kind", "route.topic.replacement": "$topic", "route.topic.allow": ["$topic"],
  "table.fields.additional.placement": "urgent:header, loose:header"}]}
JSON
RELAY_SETTINGS=()
relay_set CONFIG "$RUN/relay.json"
relay_set POSTGRES_URL "postgresql://relay@127.0.0.1:$PG_PORT/$DB"
relay_set POSTGRES_PLUGIN "$PLUGIN"
relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA"
relay_set ADMIN_LISTEN 127.0.0.1:0
relay_set LOG_FORMAT json

# row NO KEY STATE
row() {
  pg "INSERT INTO public.old_events VALUES ($1, 'Made', $2, '\\x00ff7c41', $1 % 2 = 0, '2026-01-02 03:04:05.678+00', CASE WHEN $1 % 2 = 0 THEN 7 END, $3)"
}

# takes_over EXIT-CODE LOG ARGUMENT...
takes_over() {
  local expected=$1 log=$2 code=0
  shift 2
  relay_command "$log" takeover --id no --marked-sql "state = 'PUBLISHED'" --mark-sql "state = 'PUBLISHED'" --poller-is-stopped "$@" || code=$?
  assert_eq "exit code of $log: $(cat "$RUN/$log.out" "$RUN/$log.err")" "$expected" $code
}

row 9 "'k'" NULL
row 8 "'k'" "'PUBLISHED'"
row 10 "'k'" "'NEW'"
row 11 "''" "'NEW'"
row 12 "'k'" "'NEW'"

takes_over 3 privilege
assert_match 'words on privileges' 'may not read public.old_events' "$(cat "$RUN/privilege.err")"
relay_set POSTGRES_ADMIN_URL "host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB"
takes_over 3 unique --id loose
assert_match 'words on a column that is not unique' 'not unique by itself' "$(cat "$RUN/unique.err")"
takes_over 3 column --id nothing
takes_over 2 batch --batch 0
takes_over 2 table --table public.other
takes_over 0 dry --dry-run
assert_eq 'rows of the dry run' '4 rows of public.old_events are not marked' "$(cat "$RUN/dry.out")"
slots() {
  pg "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots WHERE database = '$DB'"
}

# Ordered by a time that three rows of one key have in common. Then one of them has none, and one is written without while the slot is made, which waits for its transaction.
takes_over 0 equal --order-by at --dry-run
assert_match 'words on equal times' '3 rows of public.old_events have in "at" what another row of their key has: these come in the order of "no"' "$(cat "$RUN/equal.err")"
takes_over 3 order_by --order-by nothing
assert_match 'words on a column that is not there' 'column .*nothing.* does not exist' "$(cat "$RUN/order_by.err")"
pg 'UPDATE public.old_events SET at = NULL WHERE no = 10'
takes_over 3 null.dry --order-by at --dry-run
takes_over 3 null --order-by at
assert_match 'words on a row without a time' 'of 4 rows of public.old_events that are not marked, 1 have NULL in "at"' "$(cat "$RUN/null.err")"
pg "UPDATE public.old_events SET at = timestamptz '2026-01-02 03:04:05.678+00' + no * interval '1 s'"
takes_over 0 apart --order-by at --dry-run
assert_eq 'words on times that tell them apart' '' "$(cat "$RUN/apart.err")"
if [ "$(postgres_version)" -lt 17 ]; then
  relay_set POSTGRES_FAILOVER true
  takes_over 3 failover
  assert_match 'words on failover' 'needs PostgreSQL 17 or later' "$(cat "$RUN/failover.err")"
  relay_set POSTGRES_FAILOVER false
fi
assert_eq 'slots before anything is done' '' "$(slots)"
slot_waits() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE datname = '$DB' AND backend_type = 'walsender' AND wait_event_type = 'Lock'")" = 1 ]
}
mkfifo "$RUN/late.sql"
process_spawn late TERM psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" -f "$RUN/late.sql"
exec 9>"$RUN/late.sql"
echo "BEGIN; INSERT INTO public.old_events VALUES (13, 'Made', 'k', '', true, NULL, 7, 'NEW') RETURNING no;" >&9
await 'a row that is not committed' 20 test -s "$RUN/late.log"
takes_over 3 null.late --order-by at &
command=$!
await 'a slot that waits for it' 20 slot_waits
echo 'COMMIT;' >&9
exec 9>&-
wait $command
assert_match 'words on a row without a time in the snapshot' 'of 5 rows of public.old_events that are not marked, 1 have NULL in "at"' "$(cat "$RUN/null.late.err")"
assert_eq 'slot of a take-over that was refused' "${SLOT}_takeover" "$(slots)"
assert_eq 'rows that it has marked' 8 "$(pg "SELECT string_agg(no::text, ' ') FROM public.old_events WHERE state = 'PUBLISHED'")"
pg 'DELETE FROM public.old_events WHERE no = 13' "UPDATE public.old_events SET at = '2026-01-02 03:04:05.678+00'"

takes_over 5 poison
assert_eq 'marked before the row that cannot be published' '8 9 10' "$(pg "SELECT string_agg(no::text, ' ' ORDER BY no) FROM public.old_events WHERE state = 'PUBLISHED'")"
assert_match 'the way out' 'change the row' "$(cat "$RUN/poison.err")"
assert_eq 'slot of a take-over that is not through' "${SLOT}_takeover" "$(slots)"
relay_set DELIVERY_POISON dead-letter
relay_set DELIVERY_DEAD_LETTER_TOPIC "$topic.dead"
takes_over 0 through
assert_match 'words on a dead letter' 'becomes a dead letter' "$(cat "$RUN/through.err")"
assert_eq 'rows that are not marked' 0 "$(pg "SELECT count(*) FROM public.old_events WHERE state IS DISTINCT FROM 'PUBLISHED'")"
assert_eq 'slot' "$SLOT" "$(slots)"
await_records "$topic.dead" 1 >/dev/null

# As if it had been cut off between its last two steps: both slots are there, at one position.
pg "SELECT pg_copy_logical_replication_slot('$SLOT', '${SLOT}_takeover')" >/dev/null
takes_over 0 between
assert_match 'words of one that was all but through' 'exists, and the backlog is published' "$(cat "$RUN/between.out")"
assert_eq 'slots then' "$SLOT" "$(slots)"
takes_over 4 again

# The same rows once more, by the stream.
pg 'DELETE FROM public.old_events'
relay_start
row 9 "'k'" NULL
row 10 "'k'" NULL
row 12 "'k'" NULL
KCAT_FORMAT='%k|%T|%h|%S\n' await_records "$topic" 6 >"$RUN/six"
assert_eq 'records' 6 "$(wc -l <"$RUN/six")"
assert_eq 'records of the backlog, in the order of numbers' '9 10 12' "$(head -n 3 "$RUN/six" | sed -E 's/.*\bid=([0-9]+).*/\1/' | paste -sd ' ')"
assert_eq 'records of the backlog, and the same streamed' "$(head -n 3 "$RUN/six" | sed 's/,lsn=[^|]*//')" "$(tail -n 3 "$RUN/six" | sed 's/,lsn=[^|]*//')"
assert_eq 'positions' 6 "$(grep -o 'lsn=[^|]*' "$RUN/six" | sort -u | wc -l)"
kcat -C -b "$KAFKA" -q -e -o beginning -t "$topic" -f '%s' | od -An -v -tx1 | tr -d ' \n' >"$RUN/values"
assert_eq 'values' "$(printf '00ff7c41%.0s' 1 2 3 4 5 6)" "$(cat "$RUN/values")"
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"

# The relay's slot has moved, and a half-made one is there: nobody but a person can tell what happened.
relay_stop
pg "SELECT pg_create_logical_replication_slot('${SLOT}_takeover', '$PLUGIN')" >/dev/null
takes_over 4 both
assert_match 'words on two slots' 'and so does the half-made' "$(cat "$RUN/both.err")"
assert_eq 'slots that are left alone' 2 "$(pg "SELECT count(*) FROM pg_replication_slots WHERE database = '$DB'")"
