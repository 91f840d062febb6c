#!/usr/bin/env bash
# sql/roles.sql: what each of the four roles can do and what it cannot, with login roles that are members, as in production.
# shellcheck source=tests/sql/harness.bash
. "${BASH_SOURCE[0]%/*}/harness.bash"

orders=${DB}_orders customers=${DB}_customers pool=${DB}_pool janitor=${DB}_janitor monitor=${DB}_monitor stranger=${DB}_stranger relay=${DB}_relay
for role in "$orders" "$customers" "$pool" "$janitor" "$monitor" "$stranger"; do
  pg_in postgres "CREATE ROLE \"$role\" LOGIN NOINHERIT"
done
for role in "$orders" "$customers" "$janitor" "$monitor"; do
  pg_in postgres "ALTER ROLE \"$role\" INHERIT"
done
pg_in postgres "GRANT outbox_writer TO \"$orders\", \"$customers\"" "GRANT \"$orders\" TO \"$pool\"" "GRANT outbox_janitor TO \"$janitor\"" "GRANT outbox_monitor TO \"$monitor\""
pg "INSERT INTO outbox_writer_aggregate VALUES ('$orders', 'order'), ('$customers', 'customer'), ('a_role_that_is_gone', 'order')"

# Writer: own types by each way.
can 'INSERT of its own type' "$orders" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}')"
cannot 'INSERT of bytes, which name their partition' "$orders" "INSERT INTO outbox_binary ($EVENT) VALUES ('order', '1', 'T', 'b')"
can 'outbox_publish' "$orders" "SELECT outbox_publish('order', '1', 'T', '{}')"
can 'outbox_emit' "$orders" "SELECT outbox_emit('order', '1', 'T', '{}')"
# Writer: not another's.
cannot 'INSERT of another type' "$orders" "INSERT INTO outbox ($EVENT) VALUES ('customer', '1', 'T', '{}')"
cannot 'one foreign row among its own' "$orders" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}'), ('customer', '1', 'T', '{}')"
# By a grant of its own, and only its own types; whoever has the table by an earlier version of the script loses it.
pg "GRANT INSERT ON outbox_binary TO \"$orders\"" 'GRANT INSERT ON outbox_binary TO outbox_writer'
apply roles.sql >"$RUN/again.log" 2>&1 || fail "roles.sql once more: $(cat "$RUN/again.log")"
can 'INSERT of bytes by a grant' "$orders" "INSERT INTO outbox_binary ($EVENT) VALUES ('order', '1', 'T', 'b')"
cannot 'INSERT of bytes of another type' "$orders" "INSERT INTO outbox_binary ($EVENT) VALUES ('customer', '1', 'T', 'b')"
cannot 'INSERT of bytes by the group alone' "$customers" "INSERT INTO outbox_binary ($EVENT) VALUES ('customer', '1', 'T', 'b')"
cannot 'outbox_publish of another type' "$orders" "SELECT outbox_publish('customer', '1', 'T', '{}')"
cannot 'outbox_emit of another type' "$orders" "SELECT outbox_emit('customer', '1', 'T', '{}')"
cannot 'outbox_emit of a type that nobody has' "$orders" "SELECT outbox_emit('stock', '1', 'T', '{}')"
cannot 'the wildcard as a type' "$orders" "INSERT INTO outbox ($EVENT) VALUES ('*', '1', 'T', '{}')" '42501|23514'
# Writer: not read, change, remove, or find out.
cannot 'RETURNING' "$orders" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}') RETURNING id"
cannot 'SELECT' "$orders" "SELECT count(*) FROM outbox"
cannot 'UPDATE' "$orders" "UPDATE outbox SET type = 'X'"
cannot 'DELETE' "$orders" "DELETE FROM outbox"
cannot 'TRUNCATE' "$orders" "TRUNCATE outbox"
cannot 'ON CONFLICT DO UPDATE' "$orders" "INSERT INTO outbox (id, $EVENT) VALUES (gen_random_uuid(), 'order', '1', 'T', '{}') ON CONFLICT (id) DO UPDATE SET type = 'X'"
cannot 'reading the grants' "$orders" "SELECT * FROM outbox_writer_aggregate"
cannot 'finding out what another may write' "$orders" "SELECT outbox_role_may_write('$customers', 'customer')"
cannot 'asking about itself as if it were another' "$orders" "SELECT outbox_role_may_write('$orders', 'order')"
assert_eq 'what it may write itself' order "$(as "$orders" 'SELECT aggregatetype FROM outbox_own_aggregate')"
assert_eq 'whether it may' 't f f' "$(as "$orders" "SELECT outbox_may_write('order')" "SELECT outbox_may_write('customer')" "SELECT outbox_may_write(NULL) IS TRUE" | paste -sd ' ')"
cannot 'granting itself a type' "$orders" "INSERT INTO outbox_writer_aggregate VALUES ('$orders', 'customer')"
cannot 'pruning' "$orders" "SELECT outbox_prune()"
cannot 'a bare text message' "$orders" "SELECT pg_logical_emit_message(true, 'outbox', '{}')"
cannot 'a bare binary message' "$orders" "SELECT pg_logical_emit_message(true, 'outbox', '\\x7b7d'::bytea)"
# Writer: no way round by shadowing what the functions with the owner's rights use, in a schema of its own that it puts before pg_catalog.
pg "CREATE SCHEMA evil AUTHORIZATION \"$orders\""
can 'a writer makes its own functions' "$orders" "
  CREATE FUNCTION evil.pg_has_role(name, oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
  CREATE FUNCTION evil.outbox_role_may_write(name, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
  CREATE FUNCTION evil.outbox_may_write(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
  CREATE FUNCTION evil.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
  CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
  CREATE VIEW evil.outbox_own_aggregate AS SELECT 'customer'::text AS aggregatetype;
  CREATE FUNCTION evil.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE NOTICE ''seen: %'', \$1; RETURN true; END';
  CREATE TABLE evil.outbox_writer_aggregate AS SELECT '$orders'::name AS role, 'customer'::text AS aggregatetype"
cannot 'a shadowed rule of emit' "$orders" "SET search_path = evil, pg_catalog, public; SELECT outbox_emit('customer', '1', 'T', '{}')"
cannot 'a shadowed rule of the policy' "$orders" "SET search_path = evil, pg_catalog, public; INSERT INTO outbox ($EVENT) VALUES ('customer', '1', 'T', '{}')"
assert_eq 'what a function of its own sees of the grants' 'seen: order' "$(as "$orders" 'SET client_min_messages = notice; SELECT FROM outbox_own_aggregate WHERE evil.tell(aggregatetype)' 2>&1 | grep -o 'seen: .*')"
# A function with its owner's rights writes what the owner may, whoever calls it, and no more.
can 'a writer lends its right by a function' "$orders" "
  CREATE FUNCTION evil.place(kind text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'INSERT INTO public.outbox ($EVENT) VALUES (\$1, ''1'', ''T'', ''{}'')';
  GRANT USAGE ON SCHEMA evil TO \"$stranger\"; GRANT EXECUTE ON FUNCTION evil.place(text) TO \"$stranger\""
can 'a stranger publishes by that function' "$stranger" "SELECT evil.place('order')"
cannot 'a stranger publishes something else by that function' "$stranger" "SELECT evil.place('customer')"
# A pool that logs in once and takes on the writer's role: the role it has taken on counts, and only while it has.
can 'SET ROLE and INSERT' "$pool" "SET ROLE \"$orders\"; INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}')"
can 'SET ROLE and emit' "$pool" "SET ROLE \"$orders\"; SELECT outbox_emit('order', '1', 'T', '{}')"
cannot 'emit without SET ROLE' "$pool" "SELECT outbox_emit('order', '1', 'T', '{}')"
assert_eq 'a membership that is not taken on' f "$(pg "SELECT outbox_role_may_write('$pool', 'order')")"
cannot 'SET ROLE to a stranger' "$pool" "SET ROLE \"$customers\"; SELECT outbox_emit('customer', '1', 'T', '{}')"
# A grant to a group counts for its members; the wildcard is for all types; a taken grant is gone at once.
cannot 'before the grant' "$customers" "SELECT outbox_publish('order', '1', 'T', '{}')"
pg "INSERT INTO outbox_writer_aggregate VALUES ('$customers', '*')"
can 'by the wildcard' "$customers" "SELECT outbox_publish('order', '1', 'T', '{}'), outbox_emit('stock', '1', 'T', '{}')"
pg "DELETE FROM outbox_writer_aggregate WHERE role = '$customers'"
cannot 'after the grant was taken' "$customers" "SELECT outbox_publish('customer', '1', 'T', '{}')"
pg "INSERT INTO outbox_writer_aggregate VALUES ('outbox_writer', 'shared')"
can 'by the group' "$customers" "SELECT outbox_publish('shared', '1', 'T', '{}'), outbox_emit('shared', '1', 'T', '{}')"

# Of an earlier version: the policies asked a function that answered everybody about anybody.
pg "GRANT EXECUTE ON FUNCTION outbox_role_may_write(name, text) TO outbox_writer" \
  "ALTER POLICY outbox_writer_own_types ON outbox WITH CHECK (outbox_role_may_write(current_user, aggregatetype))" \
  "ALTER POLICY outbox_writer_own_types ON outbox_binary WITH CHECK (outbox_role_may_write(current_user, aggregatetype))"
can 'finding out, before' "$orders" "SELECT outbox_role_may_write('$customers', 'customer')"
apply roles.sql >"$RUN/again.log" 2>&1 || fail "roles.sql over an earlier one: $(cat "$RUN/again.log")"
cannot 'finding out, afterwards' "$orders" "SELECT outbox_role_may_write('$customers', 'customer')"
can 'INSERT of its own type, afterwards' "$orders" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}'); INSERT INTO outbox_binary ($EVENT) VALUES ('order', '1', 'T', 'b')"
cannot 'INSERT of another type, afterwards' "$orders" "INSERT INTO outbox ($EVENT) VALUES ('customer', '1', 'T', '{}')"

# Stranger: nothing. INSERT by a grant of its own, without membership, meets the row policy.
cannot 'a stranger inserts' "$stranger" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}')"
cannot 'a stranger publishes' "$stranger" "SELECT outbox_publish('order', '1', 'T', '{}')"
cannot 'a stranger emits' "$stranger" "SELECT outbox_emit('order', '1', 'T', '{}')"
cannot 'a stranger prunes' "$stranger" "SELECT outbox_prune()"
cannot 'a stranger emits a bare message' "$stranger" "SELECT pg_logical_emit_message(true, 'outbox', '{}')"
cannot 'a stranger asks who may write what' "$stranger" "SELECT outbox_role_may_write('$orders', 'order')"
cannot 'a stranger asks what it may write' "$stranger" "SELECT outbox_may_write('order')"
cannot 'a stranger reads what it may write' "$stranger" 'SELECT FROM outbox_own_aggregate'
pg "GRANT INSERT ON outbox TO \"$stranger\""
cannot 'a stranger with INSERT' "$stranger" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}')"

# Relay: sees what `check` asks for; neither reads nor writes by SQL.
pg_in postgres "CREATE ROLE \"$relay\" LOGIN REPLICATION" "GRANT outbox_relay TO \"$relay\""
can 'the slots' "$relay" "SELECT confirmed_flush_lsn FROM pg_replication_slots"
assert_eq 'state of others sessions' t "$(as "$relay" "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'checkpointer'" | tail -n 1)"
cannot 'the relay reads' "$relay" "SELECT 1 FROM outbox"
cannot 'the relay writes' "$relay" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}')"
cannot 'the relay publishes' "$relay" "SELECT outbox_publish('order', '1', 'T', '{}')"
cannot 'the relay emits' "$relay" "SELECT outbox_emit('order', '1', 'T', '{}')"
cannot 'the relay deletes' "$relay" "DELETE FROM outbox"
cannot 'the relay prunes' "$relay" "SELECT outbox_prune()"
cannot 'the relay drops the publication' "$relay" "DROP PUBLICATION \"$PUBLICATION\""
assert_eq 'REPLICATION is not inherited' f "$(pg "SELECT rolreplication FROM pg_roles WHERE rolname = 'outbox_relay'")"

# Janitor: prunes, and nothing else.
pg "UPDATE outbox SET created_at = now() - interval '8 days'"
assert_eq 'rows that the janitor removed' t "$(as "$janitor" "SELECT outbox_prune('7 days') > 0" | tail -n 1)"
assert_eq 'rows that are left' 0 "$(pg "SELECT count(*) FROM outbox")"
cannot 'the janitor reads' "$janitor" "SELECT 1 FROM outbox"
cannot 'the janitor deletes by itself' "$janitor" "DELETE FROM outbox"
cannot 'the janitor writes' "$janitor" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}')"
cannot 'the janitor publishes' "$janitor" "SELECT outbox_publish('order', '1', 'T', '{}')"

# Monitor: figures only.
can 'replication and settings' "$monitor" "SELECT * FROM pg_stat_replication, pg_replication_slots, pg_settings LIMIT 1"
assert_eq 'settings for monitors' t "$(as "$monitor" "SELECT current_setting('data_directory') <> ''" | tail -n 1)"
cannot 'the monitor reads' "$monitor" "SELECT 1 FROM outbox"
cannot 'the monitor writes' "$monitor" "INSERT INTO outbox ($EVENT) VALUES ('order', '1', 'T', '{}')"
cannot 'the monitor prunes' "$monitor" "SELECT outbox_prune()"
cannot 'the monitor makes a slot' "$monitor" "SELECT pg_create_logical_replication_slot('x', 'pgoutput')"
