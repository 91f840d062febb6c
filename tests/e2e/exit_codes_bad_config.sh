#!/usr/bin/env bash
# What a person must mend is said at once, all of it, with an exit code that tells the kind: 2 usage and configuration, 3 the database refuses, 4 a
# position that cannot be trusted, 6 Kafka refuses.
# tags: quick
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

# expect CODE LOG ARGUMENT...
expect() {
  local code=0 wanted=$1 log=$2
  shift 2
  relay_command "$log" "$@" || code=$?
  assert_eq "exit code of: cdc-relay $* ($(head -n 3 "$RUN/$log.err"))" "$wanted" $code
}

expect 0 version version
expect 0 help --help
expect 2 no-command
expect 2 unknown-command stream
expect 2 unknown-option run --no-such-option
for command in run init check status takeover drop config; do
  expect 0 "help-$command" $command --help
  assert_number "lines of $command --help" "$(cat "$RUN/help-$command.out" "$RUN/help-$command.err" | wc -l)" '<=' 24
done

# 2: a file with many mistakes: each of them in one go. Nothing from the environment, which would stand above the file.
saved=("${RELAY_SETTINGS[@]}")
RELAY_SETTINGS=()
cat >bad.json <<'JSON'
{ "postgres": { "url": "postgresql://relay@127.0.0.1/x", "pluggin": "pgoutput", "plugin": "test_decoding" }, "kafka": { "acks": "1", "bootstrap.servers": "b" },
  "outbox": [ { "table": "public.outbox", "poison": "maybe" } ], "delivery": { "drain_timeout_ms": "soon" } }
JSON
expect 2 bad-file --config bad.json run
for word in postgres.pluggin 'postgres.plugin:' kafka.acks 'outbox[0].poison' drain_timeout_ms; do
  grep -qF "$word" bad-file.err || fail "the errors do not name $word: $(cat bad-file.err)"
done
RELAY_SETTINGS=("${saved[@]}")
relay_set OUTBOX_0_ROUTE_TOPIC_REGEX '('
expect 2 bad-parts --set delivery.drain_timeout_ms=soon --set kafka.linger.ms=never run
for word in 'outbox[0].route.topic.regex' delivery.drain_timeout_ms kafka.linger.ms; do
  grep -qF "$word" bad-parts.err || fail "mistakes of several parts are not told at once, $word is missing: $(cat bad-parts.err)"
done
RELAY_SETTINGS=("${saved[@]}")
expect 2 bad-option --set postgres.slots=x config
grep -q 'postgres\.slot$\|postgres\.slot[^s]' bad-option.err || fail "no nearest name: $(cat bad-option.err)"
expect 2 bad-property --set kafka.bootstrap.server=x config
grep -q 'bootstrap.server' bad-property.err || fail "the unknown property is not named: $(cat bad-property.err)"
relay_set POSTGRES_PLUGIN2 x
relay_set SHOP_SERVICE_HOST 10.0.0.1
relay_set PORT_5432_TCP_ADDR 10.0.0.1
expect 2 unknown-variable config
grep -q 'PLUGIN2' unknown-variable.err || fail "the unknown variable is not named: $(cat unknown-variable.err)"
! grep -q 'SERVICE_HOST\|TCP_ADDR' unknown-variable.err || fail "a variable made for a Service is refused: $(cat unknown-variable.err)"
RELAY_SETTINGS=("${saved[@]}")

# 4: a publication and no slot, which may have been there and lost. 3: a slot of the other plugin; no publication.
expect 4 no-slot run --exit-on-hold
other=wal2json
[ "$PLUGIN" = pgoutput ] || other=pgoutput
pg "SELECT pg_create_logical_replication_slot('$SLOT', '$other')" >slot.out
expect 3 other-plugin run --exit-on-hold
expect 3 other-plugin-init init
pg "SELECT pg_drop_replication_slot('$SLOT')" >slot.out
relay_init
relay_init
if [ "$PLUGIN" = pgoutput ]; then
  pg "DROP PUBLICATION \"$SLOT\""
  expect 3 no-publication run --exit-on-hold
  pg "CREATE PUBLICATION \"$SLOT\" FOR TABLE outbox WITH (publish = 'insert', publish_via_partition_root = true)"
fi

# 2: an admin port that is taken.
relay_start
relay_set ADMIN_LISTEN "127.0.0.1:${RELAY_PORT[relay]}"
expect 2 port-taken run
RELAY_SETTINGS=("${saved[@]}")
relay_stop

# 6: a topic that is not there. The line holds the command that creates it. The mock would make it.
if [ "$BROKER" = kafka ]; then
  relay_set KAFKA_TOPIC_METADATA_PROPAGATION_MAX_MS 1000
  insert k 1
  expect 6 no-topic run --exit-on-hold
  grep -q "outbox.event.$T" no-topic.err || fail "the topic is not named: $(cat no-topic.err)"
fi
