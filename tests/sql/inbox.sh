#!/usr/bin/env bash
# sql/inbox.sql: an inbox in any schema, made once; a second row of an event does not come in and waits for the first one's transaction; pruning by age, in batches, with
# the caller's rights alone.
# shellcheck source=tests/sql/harness.bash
. "${BASH_SOURCE[0]%/*}/harness.bash"

consumer=${DB}_consumer janitor=${DB}_janitor
ROW="INTO \"Odd schema\".inbox (consumer, event_id, topic, partition, \"offset\")"
apply inbox.sql >"$RUN/apply.log" 2>&1 || fail "inbox.sql: $(cat "$RUN/apply.log")"
pg 'CREATE SCHEMA "Odd schema"' "SELECT inbox_create('Odd schema')" "CREATE ROLE \"$consumer\" LOGIN" "CREATE ROLE \"$janitor\" LOGIN" "GRANT outbox_janitor TO \"$janitor\"" \
  "GRANT USAGE ON SCHEMA \"Odd schema\" TO \"$consumer\", outbox_janitor" "GRANT SELECT, INSERT ON \"Odd schema\".inbox TO \"$consumer\"" >/dev/null

# Once per consumer and event, whatever the place.
assert_eq 'the first time' e1 "$(as "$consumer" "INSERT $ROW VALUES ('c', 'e1', 't', 0, 7) ON CONFLICT DO NOTHING RETURNING event_id")"
assert_eq 'the second time, by a redrive' '' "$(as "$consumer" "INSERT $ROW VALUES ('c', 'e1', 't', 2, 900) ON CONFLICT DO NOTHING RETURNING event_id")"
assert_eq 'another consumer' e1 "$(as "$consumer" "INSERT $ROW VALUES ('d', 'e1', 't', 0, 7) ON CONFLICT DO NOTHING RETURNING event_id")"
cannot 'an empty id' "$consumer" "INSERT $ROW VALUES ('c', '', 't', 0, 7)" 23514
cannot 'an id of 451 characters' "$consumer" "INSERT $ROW VALUES ('c', repeat('e', 451), 't', 0, 7)" 23514
can 'an id of 450 characters' "$consumer" "INSERT $ROW VALUES ('c', repeat('é', 450), 't', 0, 7)"

# A second transaction waits for the first, and is told the truth: here the first one's effect fails, so that the second handles the event.
mkfifo "$RUN/first.sql"
psql -X -q -U "$consumer" -d "$DB" <"$RUN/first.sql" >"$RUN/first.out" 2>&1 &
first=$!
exec 3>"$RUN/first.sql"
echo "BEGIN; INSERT $ROW VALUES ('c', 'e2', 't', 0, 8); SELECT 'is in';" >&3
for _ in {1..200}; do grep -q 'is in' "$RUN/first.out" && break; sleep 0.05; done
as "$consumer" "INSERT $ROW VALUES ('c', 'e2', 't', 0, 8) ON CONFLICT DO NOTHING RETURNING event_id" >"$RUN/second.out" 2>&1 &
second=$!
waits() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE datname = '$DB' AND usename = '$consumer' AND wait_event_type = 'Lock'")" = 1 ]
}
for _ in {1..200}; do waits && break; sleep 0.05; done
waits || fail 'the second transaction does not wait for the first'
echo 'ROLLBACK;' >&3
exec 3>&-
wait $first $second
assert_eq 'after the first was rolled back' e2 "$(cat "$RUN/second.out")"

# Made again: nothing. In a schema that is not there, over a table of another shape, or by who may not: refused.
before=$(pg_dump "$DB" | grep -v '^\\\(un\)\?restrict ')
pg "SELECT inbox_create('Odd schema')" >/dev/null
apply inbox.sql >"$RUN/apply.log" 2>&1 || fail "inbox.sql once more: $(cat "$RUN/apply.log")"
assert_eq 'the database after applying again' "$before" "$(pg_dump "$DB" | grep -v '^\\\(un\)\?restrict ')"
# An inbox of before, which took ids of 200 characters, takes those that are written now, and is as one that was made anew.
pg 'DELETE FROM "Odd schema".inbox WHERE char_length(event_id) > 200' \
  'ALTER TABLE "Odd schema".inbox DROP CONSTRAINT inbox_event_id_fits, ADD CONSTRAINT inbox_event_id_fits CHECK (char_length(event_id) >= 1 AND char_length(event_id) <= 200)' >/dev/null
cannot 'an id of 450 characters, before' "$consumer" "INSERT $ROW VALUES ('c', repeat('f', 450), 't', 0, 7)" 23514
pg "SELECT inbox_create('Odd schema')" >/dev/null
can 'an id of 450 characters' "$consumer" "INSERT $ROW VALUES ('c', repeat('f', 450), 't', 0, 7)"
cannot 'an id of 451 characters' "$consumer" "INSERT $ROW VALUES ('c', repeat('f', 451), 't', 0, 7)" 23514
constraint() {
  pg "SELECT oid FROM pg_constraint WHERE conname = 'inbox_event_id_fits' AND conrelid = '\"Odd schema\".inbox'::regclass"
}
before=$(constraint)
pg "SELECT inbox_create('Odd schema')" >/dev/null
assert_eq 'the constraint after applying again' "$before" "$(constraint)"
cannot 'a schema that is not there' "$PGUSER" "SELECT inbox_create('nowhere')" 3F000
pg 'CREATE SCHEMA other' 'CREATE TABLE other.inbox (id int, handled_at timestamptz)'
cannot 'a table of another shape' "$PGUSER" "SELECT inbox_create('other')" 42P07
cannot 'a consumer makes inboxes' "$consumer" "SELECT inbox_create('Odd schema')"
cannot 'a quoted name is only a name' "$PGUSER" "SELECT inbox_create('x.inbox; DROP TABLE other.inbox; --')" 3F000

# Pruning.
pg "TRUNCATE \"Odd schema\".inbox" "INSERT $ROW SELECT 'c', i::text, 't', 0, i FROM generate_series(0, 9) i" "UPDATE \"Odd schema\".inbox SET handled_at = now() - event_id::int * interval '1 day'"
cannot 'the janitor before its grant' "$janitor" "SELECT inbox_prune('Odd schema', '45 days')"
pg "GRANT SELECT, DELETE ON \"Odd schema\".inbox TO outbox_janitor"
assert_eq 'rows removed, step by step' '3 1 0' "$(as "$janitor" "SELECT inbox_prune('Odd schema', '5 days 1 hour', 3)" "SELECT inbox_prune('Odd schema', '5 days 1 hour', 3)" "SELECT inbox_prune('Odd schema', '5 days 1 hour', 3)" | paste -sd ' ')"
assert_eq 'what is left' '0 1 2 3 4 5' "$(pg "SELECT event_id FROM \"Odd schema\".inbox ORDER BY 1" | paste -sd ' ')"
cannot 'the consumer prunes' "$consumer" "SELECT inbox_prune('Odd schema', '1 day')"
cannot 'no age' "$janitor" "SELECT inbox_prune('Odd schema', NULL)" 22023
cannot 'a negative age' "$janitor" "SELECT inbox_prune('Odd schema', '-1 day')" 22023
cannot 'an empty batch' "$janitor" "SELECT inbox_prune('Odd schema', '1 day', 0)" 22023
