#!/usr/bin/env bash
# sql/outbox.sql: what a row needs and what it may not be, the three functions, the publication's name for odd database names, applying twice, applying as a role that is
# no superuser, and dump and restore. The relay is not part of it.
# shellcheck source=tests/sql/harness.bash
. "${BASH_SOURCE[0]%/*}/harness.bash"

# refused WHAT SQLSTATE SQL
refused() {
  cannot "$1" "$PGUSER" "$3" "$2"
}

dump() {
  # 15.14 and later put a random word into \restrict.
  pg_dump "$1" | grep -v '^\\\(un\)\?restrict '
}

# A row: the least that is enough, and each limit from both sides.
pg "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'Made', '{\"b\" : 1, \"b\":2}')"
assert_eq 'payload is kept byte for byte' '{"b" : 1, "b":2}' "$(pg "SELECT payload FROM outbox")"
assert_eq 'what is filled in' t "$(pg "SELECT id IS NOT NULL AND created_at = now() - (now() - created_at) AND headers IS NULL FROM outbox")"
pg "INSERT INTO outbox ($EVENT) VALUES (repeat('a', 200), repeat('k', 1024), repeat('t', 255), to_json(repeat('p', 899998)))"
refused 'no aggregatetype' 23502 "INSERT INTO outbox (aggregateid, type, payload) VALUES ('1', 'T', '{}')"
refused 'a topic that is none' 23514 "INSERT INTO outbox ($EVENT) VALUES ('../etc', '1', 'T', '{}')"
refused 'a newline behind the topic' 23514 "INSERT INTO outbox ($EVENT) VALUES (E'order\n', '1', 'T', '{}')"
refused 'a letter that is not ASCII' 23514 "INSERT INTO outbox ($EVENT) VALUES ('ordér', '1', 'T', '{}')"
refused 'an empty aggregatetype' 23514 "INSERT INTO outbox ($EVENT) VALUES ('', '1', 'T', '{}')"
refused 'a long aggregatetype' 23514 "INSERT INTO outbox ($EVENT) VALUES (repeat('a', 201), '1', 'T', '{}')"
refused 'an empty aggregateid' 23514 "INSERT INTO outbox ($EVENT) VALUES ('order', '', 'T', '{}')"
refused 'no payload' 23502 "INSERT INTO outbox (aggregatetype, aggregateid, type) VALUES ('order', '1', 'T')"
refused 'a payload of 900001 bytes' 23514 "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', to_json(repeat('p', 899999)))"
refused 'a payload that is no JSON' 22P02 "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{')"
# What the tables and outbox_emit() take the relay can deliver, and they take all of that: the same list is the router's.
headers=$(<"$ROOT/tests/fixtures/event_headers.txt")
pg "CREATE FUNCTION pg_temp.is_taken(statement text, headers jsonb) RETURNS boolean LANGUAGE plpgsql
      AS \$\$ BEGIN EXECUTE statement USING headers; RETURN true; EXCEPTION WHEN check_violation THEN RETURN false; END \$\$" \
  BEGIN \
  "SELECT line, pg_temp.is_taken(statement, substr(line, length(word) + 2)::jsonb), statement
     FROM regexp_split_to_table(\$list\$$headers\$list\$, '\n') line, substring(line, '^(yes|no) ') word, (VALUES
       ('INSERT INTO outbox ($EVENT, headers) VALUES (''order'', ''1'', ''T'', ''{}'', \$1)'), ('SELECT outbox_emit(''order'', ''1'', ''T'', ''{}'', \$1)'),
       ('INSERT INTO outbox_binary ($EVENT, headers) VALUES (''dead'', ''k'', ''T'', NULL, \$1)')) ways(statement)
    WHERE word IS NOT NULL" \
  ROLLBACK >"$RUN/headers"
assert_eq 'headers that were tried, in three ways' $((3 * $(grep -cE '^(yes|no) ' <<<"$headers"))) "$(grep -c . "$RUN/headers")"
assert_eq 'headers that may be there and are refused, or the other way round' '' "$(grep -E '^(yes .*\|f|no .*\|t)\|(INSERT|SELECT) ' "$RUN/headers" || true)"
refused '49 headers' 23514 "INSERT INTO outbox ($EVENT, headers) SELECT 'order', '1', 'T', '{}', jsonb_object_agg('h' || i, i) FROM generate_series(1, 49) i"
pg "BEGIN; INSERT INTO outbox ($EVENT, headers) SELECT 'order', '1', 'T', '{}', jsonb_object_agg('h' || i, i) FROM generate_series(1, 48) i; ROLLBACK"
refused 'a time that never ends' 23514 "INSERT INTO outbox ($EVENT, created_at) VALUES ('order', '1', 'T', '{}', 'infinity')"
pg "INSERT INTO outbox_binary ($EVENT, headers) VALUES ('dead', '\\x00ff', 'T', NULL, '[[\"n\", \"AP8=\"], [\"n\", \"\"]]')"
refused 'an empty binary key' 23514 "INSERT INTO outbox_binary ($EVENT) VALUES ('dead', '', 'T', NULL)"
refused 'a binary payload of 900001 bytes' 23514 "INSERT INTO outbox_binary ($EVENT) VALUES ('dead', 'k', 'T', decode(repeat('00', 900001), 'hex'))"

# A dead letter has the id of its event, whatever that is and however often it comes; a row without one has its own. No type is no eventType. A partition is none below 0.
letter='INSERT INTO outbox_binary (id, aggregatetype, aggregateid, type, payload, event_id, partition)'
pg 'TRUNCATE outbox_binary' "$letter VALUES (gen_random_uuid(), 'dead', 'k', NULL, NULL, 'order_123', 2), (gen_random_uuid(), 'dead', 'k', 'T', '', 'order_123', NULL)" \
  "$letter VALUES ('00000000-0000-0000-0000-000000000001', 'dead', 'k', 'T', '', NULL, 0)"
assert_eq 'event ids and partitions' '00000000-0000-0000-0000-000000000001|0 order_123| order_123|2' "$(pg "SELECT event_id, partition FROM outbox_binary ORDER BY event_id, partition DESC NULLS FIRST" | paste -sd ' ')"
pg "$letter VALUES ('00000000-0000-0000-0000-000000000001', 'dead', 'k', 'T', '', 'e', 0) ON CONFLICT DO NOTHING"
assert_eq 'the same row again' 3 "$(pg 'SELECT count(*) FROM outbox_binary')"
refused 'a partition below 0' 23514 "$letter VALUES (gen_random_uuid(), 'dead', 'k', 'T', '', 'e', -1)"
refused 'a partition that no topic has' 23514 "$letter VALUES (gen_random_uuid(), 'dead', 'k', 'T', '', 'e', 100000)"
pg "BEGIN; $letter VALUES (gen_random_uuid(), 'dead', 'k', 'T', '', 'e', 99999), (gen_random_uuid(), '_a._b', 'k', 'T', '', 'e', 0); ROLLBACK"
for topic in . .. __consumer_offsets __x; do
  refused "topic $topic" 23514 "$letter VALUES (gen_random_uuid(), '$topic', 'k', 'T', '', 'e', 0)"
done
refused 'an empty event id' 23514 "$letter VALUES (gen_random_uuid(), 'dead', 'k', 'T', '', '', 0)"
refused 'a dead letter without a key' 23502 "$letter VALUES (gen_random_uuid(), 'dead', NULL, 'T', '', 'e', 0)"

# outbox_publish: the id that it returns is the row's.
id=$(pg "SELECT outbox_publish('order', '2', 'Made', '{\"a\":  1}', '{\"h\": \"v\"}')")
assert_eq 'row of outbox_publish' 'order|2|Made|{"a":  1}|{"h": "v"}' "$(pg "SELECT $EVENT, headers FROM outbox WHERE id = '$id'")"
refused 'outbox_publish with an empty key' 23514 "SELECT outbox_publish('order', '', 'Made', '{}')"

# outbox_emit: a message with the columns' names, the payload as it was, and the table's limits.
pg "SELECT pg_create_logical_replication_slot('${DB}_look', 'test_decoding')" >/dev/null
payload=$'{"b" : 1.0,\n "b":2}'
id=$(pg "SET timezone = 'Asia/Seoul'; SELECT outbox_emit('order', E'3\"\\\\', 'Made', '$payload', '{\"h\": \"v\"}')")
message=$(pg "SELECT data FROM pg_logical_slot_get_changes('${DB}_look', NULL, NULL) WHERE data LIKE 'message:%'")
assert_match 'one message, in the transaction' '^message: transactional: 1 prefix: outbox, sz: [0-9]+ content:\{' "$message"
content=${message#*content:}
assert_eq 'fields of the message' "$id|order|3\"\\|Made|v" "$(jq -r '[.id, .aggregatetype, .aggregateid, .type, .headers.h] | join("|")' <<<"$content")"
assert_eq 'payload of the message, byte for byte' "$payload}" "${content#*'"payload":'}"
assert_eq 'time of the message, UTC, as a column prints it' 't' \
  "$(pg "SELECT '$(jq -r .created_at <<<"$content")'::timestamptz BETWEEN now() - interval '1 minute' AND now()")"
pg "SELECT pg_drop_replication_slot('${DB}_look')" >/dev/null
refused 'emit without a payload' 23514 "SELECT outbox_emit('order', '1', 'T', NULL)"
refused 'emit to a topic that is none' 23514 "SELECT outbox_emit('../etc', '1', 'T', '{}')"
refused 'emit without a key' 23514 "SELECT outbox_emit('order', NULL, 'T', '{}')"
refused 'emit of a payload of 900001 bytes' 23514 "SELECT outbox_emit('order', '1', 'T', to_json(repeat('p', 899999)))"
refused 'emit with headers that are a text' 23514 "SELECT outbox_emit('order', '1', 'T', '{}', '\"h\"')"

# outbox_prune: by age, in batches, both tables, nothing younger.
pg "TRUNCATE outbox, outbox_binary" \
  "INSERT INTO outbox ($EVENT, created_at) SELECT 'order', i::text, 'T', '{}', now() - i * interval '1 day' FROM generate_series(0, 9) i" \
  "INSERT INTO outbox_binary ($EVENT, created_at) SELECT 'order', 'k', 'T', NULL, now() - i * interval '1 day' FROM generate_series(0, 9) i"
assert_eq 'rows removed, step by step' '3 1 0' "$(pg "SELECT outbox_prune('7 days 1 hour', 3)" "SELECT outbox_prune('7 days 1 hour', 3)" "SELECT outbox_prune('7 days 1 hour', 3)" | paste -sd ' ')"
assert_eq 'what is left' '8 8' "$(pg "SELECT (SELECT count(*) FROM outbox) || ' ' || (SELECT count(*) FROM outbox_binary)")"
assert_eq 'by default 7 days' 2 "$(pg "SELECT outbox_prune()")"
refused 'a negative age' 22023 "SELECT outbox_prune('-1 day')"
refused 'no age' 22023 "SELECT outbox_prune(NULL)"
refused 'an empty batch' 22023 "SELECT outbox_prune('1 day', 0)"

# The publication: inserts only, by the root, both tables; then nothing changes when both scripts are applied again.
assert_eq 'publication' "$PUBLICATION|t|f|f|f|t" "$(pg "SELECT pubname, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_publication")"
assert_eq 'published tables' 'outbox outbox_binary' "$(pg "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables")"
before=$(dump "$DB")
apply outbox.sql >"$RUN/again.log" 2>&1 || fail "outbox.sql once more: $(cat "$RUN/again.log")"
apply roles.sql >"$RUN/again.log" 2>&1 || fail "roles.sql once more: $(cat "$RUN/again.log")"
assert_eq 'the database after applying again' "$before" "$(dump "$DB")"

# A table that is missing from the publication joins it again; a foreign table of that name is refused before anything depends on it.
pg "ALTER PUBLICATION \"$PUBLICATION\" DROP TABLE outbox_binary"
apply outbox.sql >"$RUN/again.log" 2>&1 || fail "outbox.sql once more: $(cat "$RUN/again.log")"
assert_eq 'published tables after a third time' 2 "$(pg "SELECT count(*) FROM pg_publication_tables")"

# Dump and restore into an empty database: all works as before, row policies and revoked functions included.
pg "INSERT INTO outbox_writer_aggregate VALUES ('outbox_writer', 'order') ON CONFLICT DO NOTHING"
COPY=${DB}_copy
pg_in postgres "CREATE DATABASE \"$COPY\""
dump "$DB" >"$RUN/dump.sql"
DB=$COPY
psql -X -q -v ON_ERROR_STOP=1 -d "$DB" -f "$RUN/dump.sql" >"$RUN/restore.log" 2>&1 || fail "restore: $(tail -n 3 "$RUN/restore.log")"
pg "SET ROLE outbox_writer; SELECT outbox_publish('order', 'r', 'T', '{}'); SELECT outbox_emit('order', 'r', 'T', '{}')" >/dev/null
refused 'another type after the restore' 42501 "SET ROLE outbox_writer; SELECT outbox_publish('customer', 'r', 'T', '{}')"
refused 'a bare message after the restore' 42501 "SET ROLE outbox_writer; SELECT pg_logical_emit_message(true, 'outbox', '{}')"
refused 'reading after the restore' 42501 "SET ROLE outbox_writer; SELECT 1 FROM outbox"
assert_eq 'published tables after the restore' 2 "$(pg "SELECT count(*) FROM pg_publication_tables WHERE pubname = '$PUBLICATION'")"
assert_eq 'default id after the restore' t "$(pg "SELECT count(DISTINCT id) = count(*) FROM outbox")"
DB=$NAME
pg_in postgres "DROP DATABASE \"$COPY\""

# Tables of the first version of this script, with rows in them: afterwards all is as in an empty database, but for the rows. A rule that a row breaks is not put aside.
pg_in postgres "CREATE DATABASE \"$COPY\""
DB=$COPY
pg "CREATE FUNCTION public.outbox_headers_are_sound(headers jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'" \
  'CREATE TABLE public.outbox (id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, aggregatetype text NOT NULL, aggregateid text NOT NULL, type text NOT NULL, payload json NOT NULL, headers jsonb,
     created_at timestamptz NOT NULL DEFAULT now(), CONSTRAINT outbox_headers_fit CHECK (public.outbox_headers_are_sound(headers) AND octet_length(headers::text) <= 65536))' \
  'CREATE TABLE public.outbox_binary (id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY, aggregatetype text NOT NULL, aggregateid bytea NOT NULL, type text NOT NULL, payload bytea, headers jsonb,
     created_at timestamptz NOT NULL DEFAULT now(), CONSTRAINT outbox_binary_headers_fit CHECK (public.outbox_headers_are_sound(headers) AND octet_length(headers::text) <= 65536))' \
  "INSERT INTO outbox ($EVENT, headers) VALUES ('order', '1', 'T', '{}', NULL), ('order', '1', 'T', '{}', '{\"a\": \"b\"}')" "INSERT INTO outbox_binary ($EVENT, headers) VALUES ('order', '1', 'T', '{}', '[[\"a\", null]]')"
apply outbox.sql >"$RUN/upgrade.log" 2>&1 || fail "outbox.sql over an older one: $(cat "$RUN/upgrade.log")"
columns() {
  pg_in "$1" "SELECT attrelid::regclass, attname, atttypid::regtype, attnotnull FROM pg_attribute WHERE attrelid IN ('outbox'::regclass, 'outbox_binary'::regclass) AND attnum > 0 ORDER BY attrelid::regclass::text, attnum" \
    "SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname ~ 'headers_fit|event_id_fits|partition_is_one|partition_fits|no_internal_one' ORDER BY 1" "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
}
assert_eq 'tables of an older version' "$(columns "$NAME")" "$(columns "$COPY")"
# A rule that let through what the relay cannot deliver is made anew. What it let through is named and left alone, and keeps nothing of the script from being applied.
pg "ALTER TABLE outbox DROP CONSTRAINT outbox_headers_fit, ADD CONSTRAINT outbox_headers_fit CHECK (headers IS NULL OR octet_length(headers::text) <= 65536)" \
  "INSERT INTO outbox ($EVENT, headers) VALUES ('order', '1', 'T', '{}', '{\"a\\u0001\": \"x\"}')"
apply outbox.sql >"$RUN/upgrade.log" 2>&1 || fail "outbox.sql over an older rule: $(cat "$RUN/upgrade.log")"
assert_match 'what is said of rows with wrong headers' 'WARNING: .*outbox has rows with headers that the relay cannot deliver.*HINT: .*SELECT id FROM outbox WHERE' "$(cat "$RUN/upgrade.log")"
refused 'a control character behind rows with wrong headers' 23514 "INSERT INTO outbox ($EVENT, headers) VALUES ('order', '1', 'T', '{}', '{\"a\\u0001\": \"x\"}')"
pg 'DELETE FROM outbox WHERE NOT public.outbox_headers_are_sound(headers)'
apply outbox.sql >"$RUN/upgrade.log" 2>&1 || fail "outbox.sql once more: $(cat "$RUN/upgrade.log")"
assert_eq 'the rule once they are gone' "$(columns "$NAME")" "$(columns "$COPY")"
assert_eq 'its rows' '2 1' "$(pg "SELECT (SELECT count(*) FROM outbox) || ' ' || (SELECT count(*) FROM outbox_binary)")"
refused 'a reserved header after the upgrade' 23514 "INSERT INTO outbox ($EVENT, headers) VALUES ('order', '1', 'T', '{}', '{\"id\": \"x\"}')"
DB=$NAME
pg_in postgres "DROP DATABASE \"$COPY\""

# Odd database names: the publication's name is the relay's default. And an owner who is no superuser.
owner=${DB}_owner
odd="${DB}_Shop-é\\1"
pg "CREATE ROLE \"$owner\" LOGIN" 
pg_in postgres "CREATE DATABASE \"$odd\" OWNER \"$owner\""
DB=$odd
pg 'CREATE TABLE outbox (id int)'
assert_match 'a foreign table' 'outbox of another shape: column outbox.id uuid' "$(apply outbox.sql "$owner" 2>&1 || true)"
assert_eq 'what the refused script left' outbox "$(pg "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace")"
pg 'DROP TABLE outbox'
apply outbox.sql "$owner" >"$RUN/owner.log" 2>&1 || fail "outbox.sql as an owner: $(cat "$RUN/owner.log")"
assert_eq 'publication of an odd name' sql_test_outbox_shop____1_outbox "$(pg "SELECT pubname FROM pg_publication")"
assert_match 'roles.sql without a superuser' 'must be applied by a superuser' "$(apply roles.sql "$owner" 2>&1 || true)"
apply roles.sql >"$RUN/again.log" 2>&1 || fail "roles.sql once more: $(cat "$RUN/again.log")"
# The owner of outbox_emit() is the only one who still has the bare function.
assert_match 'emit by its owner' '^[0-9a-f-]{36}$' "$(as "$owner" "SELECT outbox_emit('order', 'k', 'T', '{}')")"
assert_eq 'emit by a writer' t "$(pg "INSERT INTO outbox_writer_aggregate VALUES ('outbox_writer', 'order')" \
  "SET ROLE outbox_writer; SELECT outbox_emit('order', 'k', 'T', '{}') IS NOT NULL")"
DB=$NAME
