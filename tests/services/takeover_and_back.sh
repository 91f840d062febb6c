#!/usr/bin/env bash
# From the old program to the relay and back again, as docs/migration.md has it, while services write and a consumer follows. The old program's records have no headers and
# their id in the body, the relay's have it in a header: an event that came by both ways has one effect. On the way back the relay is behind, and the page's question says
# so; writers wait meanwhile. In the end each row has one effect, and came once but for those that the old program had sent and not marked. The relay's other tables go on.
# tags: slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

system_new membership
relay_set POSTGRES_ADMIN_URL "host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB"
table=public.member_outbox_event
first_member=$((9000000000 + RANDOM * 32768 + RANDOM))
# One row for each time that d-day-service handled a CREATED, whether or not the copy changed by it.
pg_read <<'SQL'
CREATE TABLE dday.effect (at timestamptz NOT NULL);
CREATE FUNCTION dday.note_effect() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO dday.effect VALUES (clock_timestamp()); RETURN NULL; END';
CREATE TRIGGER note_effect BEFORE INSERT ON dday.member_reference FOR EACH STATEMENT EXECUTE FUNCTION dday.note_effect();
SQL

# write FROM TO [BYTES]: events n of four members, so large at least, each in a transaction of its own.
write() {
  local n
  for ((n = $1; n <= $2; n++)); do
    echo "WITH e AS (SELECT gen_random_uuid()::text AS id, $((first_member + n % 4)) AS member) INSERT INTO $table (event_id, aggregate_type, aggregate_id, event_type, payload)
      SELECT id, 'MEMBER', member, 'CREATED', json_build_object('eventId', id, 'eventType', 'CREATED', 'memberId', member, 'nickname', 'n$n',
        'timestamp', '2026-03-01T10:$(printf %02d:%02d $((n / 60)) $((n % 60)))', 'more', repeat('x', ${3:-0}))::text FROM e;"
  done | pg_read
}

effects_are() {
  [ "$(pg 'SELECT count(*) FROM dday.effect')" = "$1" ]
}

duplicates() {
  consumer_metric d-day-service 'member_events_processed_total{type="CREATED",outcome="duplicate"}'
}

duplicates_are() {
  [ "$(duplicates)" = "$1" ]
}

poller_start() { # NAME [WORD]
  process_spawn "$1" KILL "$ROOT/build/dev/tests/services/old_poller" "host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB" "$KAFKA" without-headers "${@:2}"
}

# records_of_run: KEY N, each partition in its order.
records_of_run() {
  timeout 60 kcat -C -b "$KAFKA" -q -e -J -o beginning -X fetch.wait.max.ms=10 -t member-events | jq -r --argjson first "$first_member" '
    select((.key | tonumber) - $first | 0 <= . and . < 4) | "\(.partition) \(.offset) \(.key) \(.payload | fromjson | .nickname[1:])"' | LC_ALL=C sort -n -k 1,1 -k 2,2 | cut -d ' ' -f 3,4
}

consumer_start d-day-service AUTH_SERVICE_URL=http://127.0.0.1:1 # nobody need be asked

echo '--- sent by the old program, killed before it marked: an event that the relay publishes again has one effect'
write 1 40
poller_start poller.killed stop-behind-send
await 'rows that are sent and not marked' 30 grep -qx sent "$RUN/poller.killed.log"
process_stop poller.killed
assert_eq 'records of the old program' 40 "$(records_of_run | wc -l)"
await 'their effects, by the id of the body' 60 effects_are 40
write 41 50
relay_command takeover takeover --table $table --order-by created_at --poller-is-stopped || fail "takeover: exit code $?: $(cat "$RUN/takeover.err")"
await 'the repetitions, known by the id of the header' 60 duplicates_are 40
await 'an effect of each row' 60 effects_are 50
relay_start
write 51 60
await 'an effect of each row' 60 effects_are 60

echo '--- back again, while the relay is behind'
kill -s STOP "${RELAY_PID[relay]}"
write 61 260 100000 # more than fits between the server and a relay that does not read
mkfifo "$RUN/lock.sql"
process_spawn lock TERM psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" -f "$RUN/lock.sql"
exec 9>"$RUN/lock.sql"
echo "BEGIN; LOCK TABLE $table IN SHARE ROW EXCLUSIVE MODE; SELECT pg_current_wal_insert_lsn();" >&9
await 'the lock' 20 test -s "$RUN/lock.log"
position=$(cat "$RUN/lock.log")
assert_match 'the position of the lock' '^[0-9A-F]+/[0-9A-F]+$' "$position"
write 261 280 &
writer=$!
await 'a writer who waits' 20 sql_is 1 "SELECT count(*) FROM pg_stat_activity WHERE datname = '$DB' AND wait_event_type = 'Lock'"
! slot_has_confirmed "$position" || fail 'the slot has confirmed what the relay cannot have read'
kill -s CONT "${RELAY_PID[relay]}"
await 'the relay to have published what was committed' 60 slot_has_confirmed "$position"
relay_stop
echo "UPDATE $table SET published = true WHERE NOT published; COMMIT;" >&9
exec 9>&-
wait $writer

echo '--- its other tables are still the relay'\''s'
pg "ALTER PUBLICATION \"$SLOT\" DROP TABLE $table"
jq 'del(.outbox[] | select(.table == "public.member_outbox_event"))' "$ROOT/producers/membership/relay.json" >"$RUN/others.json"
relay_set CONFIG "$RUN/others.json"
relay_start
poller_start poller
letter=$(cat /proc/sys/kernel/random/uuid)
pg "INSERT INTO public.outbox_binary (aggregatetype, aggregateid, payload, event_id) VALUES ('member-events.DLT', 'k', 'x', '$letter')"
await 'a letter by the relay' 30 has_with_id member-events.DLT "$letter" 1
await 'an effect of each row' 60 effects_are 280
write 281 300
await 'an effect of each row' 60 effects_are 300
await 'all rows marked' 30 sql_is 0 "SELECT count(*) FROM $table WHERE NOT published"
process_stop poller

records_of_run >"$RUN/records"
assert_eq 'records, and those among them that came again' '340 40' "$(wc -l <"$RUN/records") $(LC_ALL=C sort "$RUN/records" | uniq -d | wc -l)"
assert_eq 'events out of their order' '' "$(awk '!seen[$2]++ { if ($2 <= last[$1]) print; last[$1] = $2 }' "$RUN/records")"
assert_eq 'effects and repetitions' '300 40' "$(pg 'SELECT count(*) FROM dday.effect') $(duplicates)"
consumer_stop d-day-service
relay_stop
