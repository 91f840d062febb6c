#!/usr/bin/env bash
# The one-shot commands on a database: init creates, repeats, refuses what differs and asks before it goes over a gap; check names every fault with what mends it; status
# shows slot and running relay; drop leaves a slot in use alone. Exit codes as documented.
# tags: real-kafka asan
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

admin_url="postgresql://postgres@127.0.0.1:$PG_PORT/$DB"
port=$(port_new)

# command CODE ARGUMENT...: one command; its output and errors together in $OUT.
command_is() {
  local expected=$1 code=0
  shift
  relay_command command "$@" || code=$?
  OUT=$(cat "$RUN/command.out" "$RUN/command.err")
  assert_eq "exit code of $* ($OUT)" "$expected" "$code"
}

# with NAME VALUE CODE ARGUMENT...: the same with one more setting
with() {
  local settings=("${RELAY_SETTINGS[@]}")
  relay_set "$1" "$2"
  shift 2
  command_is "$@"
  RELAY_SETTINGS=("${settings[@]}")
}

says() {
  assert_match "output" "$1" "$OUT"
}

slots() {
  pg "SELECT count(*) FROM pg_replication_slots WHERE database = '$DB'"
}

topic=outbox.event.$T
topic_create "$topic" 3
relay_set OUTBOX_0_ROUTE_TOPIC_ALLOW "$topic"

# Usage.
command_is 2 init --nonsense
says 'unknown option --nonsense'
command_is 2 init --partitions many --create-topics
command_is 2 status --probe dead
command_is 2 drop
says 'give --yes'
for name in init check status takeover drop config version; do
  command_is 0 $name --help
  assert_number "lines of $name --help" "$(wc -l <"$RUN/command.out")" '<=' 24
  assert_match "an example at the end of $name --help" "cdc-relay.* ${name}[^"$'\n'"]*$" "$OUT"
done

# Before: status and check say what is missing; --sql runs nothing.
command_is 4 status
says 'does not exist'
command_is 0 init --sql
says "CREATE PUBLICATION \"$SLOT\" FOR TABLE \"public\".\"outbox\""
says "pg_create_logical_replication_slot\\('$SLOT', '$PLUGIN'\\)"
assert_eq 'slots after --sql' 0 "$(slots)"

# postgres.failover: refused in clear words where the server knows no such thing; otherwise a property of the slot, and of a slot that has it not, init says how to give it.
if [ "$(postgres_version)" -lt 17 ]; then
  with POSTGRES_FAILOVER true 3 init
  says 'needs PostgreSQL 17 or later'
  assert_eq 'slots after the refusal of failover' 0 "$(slots)"
else
  with POSTGRES_FAILOVER true 0 init
  assert_eq 'failover of the slot' t "$(pg "SELECT failover FROM pg_replication_slots WHERE slot_name = '$SLOT'")"
  with POSTGRES_FAILOVER true 0 check
  says 'warning: .* synchronized_standby_slots is empty'
  command_is 0 drop --yes --keep-publication
  command_is 0 init
  with POSTGRES_FAILOVER true 3 init
  says 'exists without the property failover'
  psql -X -q "host=127.0.0.1 port=$PG_PORT user=relay dbname=$DB replication=database" -c "ALTER_REPLICATION_SLOT \"$SLOT\" (FAILOVER true)"
  with POSTGRES_FAILOVER true 0 init
  command_is 0 drop --yes --keep-publication
fi

# The script of the tables has made the publication; nothing was ever written.
command_is 0 init
says "replication slot \"$SLOT\" created"
says 'rows before the start in public.outbox: '
command_is 0 init
says "replication slot \"$SLOT\" exists"
assert_eq 'slots after repeating' 1 "$(slots)"
command_is 0 check
says "topic \"$topic\": 3 partitions"
says '0 problems'

# A slot of another kind is refused and left as it is.
other=pgoutput
[ "$PLUGIN" = wal2json ] || other=wal2json
with POSTGRES_PLUGIN $other 3 init
says "was made for plugin $PLUGIN"
with POSTGRES_PLUGIN $other 3 check

# drop; then rows have been written, a publication without a slot is a gap, and only one word goes over it. The count is exact where the role may read.
command_is 0 drop --yes --keep-publication
command_is 0 drop --yes --keep-publication
says 'nothing to remove'
insert k1 1
insert k2 2
command_is 4 init
says 'init --accept-gap'
assert_eq 'slots after the refusal' 0 "$(slots)"
command_is 4 check
with POSTGRES_ADMIN_URL "$admin_url" 0 init --accept-gap
says 'rows before the start in public.outbox: 2; they are not published'
says 'rows written before a table joins the publication are never published'

# The relay's role may not remove the owner's publication: the slot goes, the rest is told. With the owner it all goes.
command_is 3 drop --yes
says 'must be owner of publication'
says "DROP PUBLICATION \"$SLOT\";"
with POSTGRES_ADMIN_URL "$admin_url" 0 drop --yes
assert_eq 'publications after drop' 0 "$(pg 'SELECT count(*) FROM pg_publication')"

# Neither exists: as the relay's role the publication cannot be made, and nothing is left half-way; with the owner both are.
command_is 3 check
says 'neither replication slot'
command_is 3 init
says 'CREATE PUBLICATION'
assert_eq 'slots without a publication' 0 "$(slots)"
if [ "$(postgres_version)" -lt 17 ]; then
  with POSTGRES_FAILOVER true 3 run --init --exit-on-hold
  says 'needs PostgreSQL 17 or later'
fi
with POSTGRES_ADMIN_URL "$admin_url" 0 init
says "publication \"$SLOT\" created"
assert_eq 'publication of init' 't|f|f|f|t' "$(pg 'SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_publication')"

# The publication vanishes under the slot: with pgoutput the slot can never be read again.
pg "DROP PUBLICATION \"$SLOT\""
if [ "$PLUGIN" = pgoutput ]; then
  command_is 4 init
  says 'does not exist at that position'
  command_is 3 check
fi
with POSTGRES_ADMIN_URL "$admin_url" 0 drop --yes

# A transaction that does not end: bounded, named, nothing left behind.
mkfifo "$RUN/held"
process_spawn held TERM psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" -f "$RUN/held"
exec 9>"$RUN/held"
echo "BEGIN; CREATE TABLE held (i int); SELECT 'held by ' || pg_backend_pid();" >&9
await 'the open transaction' 10 grep -q 'held by' "$RUN/held.log"
blocker=$(grep -o 'held by [0-9]*' "$RUN/held.log" | grep -o '[0-9]*')
with POSTGRES_ADMIN_URL "$admin_url" 1 init --lock-timeout 1
says "open transaction.* pid $blocker \\(role \"postgres\", idle in transaction"
assert_eq 'slots after the lock timeout' 0 "$(slots)"
assert_eq 'publications after the lock timeout' 0 "$(pg 'SELECT count(*) FROM pg_publication')"
echo 'ROLLBACK;' >&9
exec 9>&-
with POSTGRES_ADMIN_URL "$admin_url" 0 init

# Faults in tables, all at once.
pg 'CREATE UNLOGGED TABLE volatile (aggregatetype text, aggregateid text, payload text)' 'CREATE VIEW seen AS SELECT * FROM outbox' \
  'CREATE TABLE slim (aggregatetype text, aggregateid text)' 'CREATE TABLE later (aggregatetype text, aggregateid text, payload json)'
relay_set OUTBOX_1_TABLE public.volatile
relay_set OUTBOX_2_TABLE public.seen
relay_set OUTBOX_3_TABLE public.slim
relay_set OUTBOX_4_TABLE public.later
relay_set OUTBOX_5_TABLE public.nowhere
command_is 3 check
says 'table public.volatile is unlogged'
says 'public.seen is not a table'
says 'table public.slim has no column "payload"'
says 'table public.nowhere does not exist'
says 'warning: table public.later does not limit the payload'
if [ "$PLUGIN" = pgoutput ]; then
  says "table public.later is not in publication \"$SLOT\""
  says "ALTER PUBLICATION \"$SLOT\" ADD TABLE \"public\".\"later\""
fi
command_is 3 init
RELAY_SETTINGS=()
relay_defaults
relay_set OUTBOX_0_ROUTE_TOPIC_ALLOW "$topic"

# A partitioned outbox: by its root with pgoutput; refused with wal2json.
pg 'CREATE TABLE parts (LIKE outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (created_at)' \
  'CREATE TABLE parts_1 PARTITION OF parts DEFAULT' "ALTER PUBLICATION \"$SLOT\" ADD TABLE parts"
if [ "$PLUGIN" = pgoutput ]; then
  with OUTBOX_0_TABLE public.parts 0 check
  with OUTBOX_0_TABLE public.parts_1 3 check
  says 'table public.parts_1 is a partition of (public\.)?parts, and publication'
  pg "ALTER PUBLICATION \"$SLOT\" SET (publish_via_partition_root = false)"
  with OUTBOX_0_TABLE public.parts 3 check
  says 'SET \(publish_via_partition_root = true\)'
  pg "ALTER PUBLICATION \"$SLOT\" SET (publish_via_partition_root = true)"
else
  with OUTBOX_0_TABLE public.parts 3 check
  says 'is partitioned: wal2json'
fi
pg "ALTER PUBLICATION \"$SLOT\" DROP TABLE parts"

# A column list that leaves out what is needed; a domain over bytea as payload.
if [ "$PLUGIN" = pgoutput ]; then
  pg "ALTER PUBLICATION \"$SLOT\" SET TABLE outbox (id, aggregatetype, aggregateid)"
  command_is 3 check
  says 'no column "payload", or does not publish it'
  pg "ALTER PUBLICATION \"$SLOT\" SET TABLE outbox (id, aggregatetype, aggregateid, payload)"
  command_is 0 check
  says 'warning: publication .* has a row filter or a column list'
  pg "ALTER PUBLICATION \"$SLOT\" SET TABLE outbox"
fi
pg 'CREATE DOMAIN bytes AS bytea' 'CREATE DOMAIN more_bytes AS bytes' 'CREATE TABLE domains (aggregatetype text, aggregateid text, payload more_bytes)' \
  "ALTER PUBLICATION \"$SLOT\" ADD TABLE domains"
with OUTBOX_0_TABLE public.domains 3 check
says 'domain over bytea'
says 'ALTER COLUMN "payload" TYPE bytea;'

# A running relay: its figures, its probes, and a slot that drop leaves alone.
relay_set ADMIN_LISTEN "127.0.0.1:$port"
relay_start
command_is 0 status
says "slot +$SLOT \\($PLUGIN\\), reserved, read by pid [0-9]+"
says "relay at 127.0.0.1 port $port"
relay_command json status --json || fail "status --json: exit code $?"
assert_eq 'status --json' "$SLOT true reserved object" \
  "$(jq -r '[.slot.name, .slot.active, .slot.status, (.relay | type)] | join(" ")' "$RUN/json.out")"
command_is 0 status --probe live
assert_eq 'output of a probe' '' "$OUT"
relay_is_ready() {
  [ "$(relay_get_status /readyz)" = 200 ]
}
await 'readiness' 20 relay_is_ready # streaming comes first, Kafka's answer a moment later
command_is 0 status --probe ready
with POSTGRES_ADMIN_URL "$admin_url" 3 drop --yes
says 'in use by pid [0-9]+'
assert_eq 'slots after drop was refused' 1 "$(slots)"
relay_stop
command_is 1 status --probe live
command_is 0 status
says 'could not ask the relay'
command_is 0 version
says 'librdkafka [0-9]'
