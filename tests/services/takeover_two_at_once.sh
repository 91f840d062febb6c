#!/usr/bin/env bash
# Two take-overs of one table at once. The lock keeps the second one out only as long as the first one's session lives, and somebody ends it behind the last mark; the
# second one begins, and a part of its backlog is in Kafka, when the first goes on to give the half-made slot its name: that slot is the second's. It is left alone, and
# when the second is killed, too, a third one finds all that is to be done. Then the half-made slot is made anew by hand between the last steps of a take-over that
# has its lock: it is neither given the relay's name nor dropped.
# tags:
# build: faults
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

half=${SLOT}_takeover
topic=outbox.event.$T
topic_create "$topic" 1
pg "CREATE TABLE public.old_events (no bigint PRIMARY KEY, kind text, about text, body text, published boolean)"
pg "ALTER PUBLICATION $SLOT ADD TABLE public.old_events"
cat >"$RUN/relay.json" <<JSON
{"outbox": [{"table": "public.old_events", "table.field.event.id": "no", "table.field.event.key": "about", "table.field.event.type": "kind", "table.field.event.payload": "body",
  "route.by.field": "kind", "route.topic.replacement": "$topic", "route.topic.allow": ["$topic"]}]}
JSON
RELAY_SETTINGS=()
relay_set CONFIG "$RUN/relay.json"
relay_set POSTGRES_URL "postgresql://relay@127.0.0.1:$PG_PORT/$DB"
relay_set POSTGRES_ADMIN_URL "host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB"
relay_set POSTGRES_PLUGIN "$PLUGIN"
relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA"
relay_set ADMIN_LISTEN 127.0.0.1:0
takeover=(takeover --id no --batch 2 --poller-is-stopped)

# rows FIRST LAST
rows() {
  pg "INSERT INTO public.old_events SELECT i, 'Made', 'k', '{}' FROM generate_series($1, $2) AS i ORDER BY i"
}

slots() {
  pg "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots WHERE database = '$DB'"
}

# takeover_stops NAME POINT: in the background, as process $pid, which stands still at that point.
takeover_stops() {
  process_spawn "$1" KILL env -i PATH="$PATH" HOME="$RUN" "CDC_PAUSE_POINT=$2" "${RELAY_SETTINGS[@]}" "$BUILD/cdc-relay/cdc-relay" "${takeover[@]}"
  pid=$process_pid
  await "a take-over that stands still at $2" 20 stands_still
}

stands_still() {
  grep -q '^State:.T' "/proc/$pid/status"
}

# takeover_goes_on PID: its exit code in $code
takeover_goes_on() {
  kill -s CONT "$1"
  code=0
  wait "$1" || code=$?
}

# takes_over EXIT-CODE LOG
takes_over() {
  local code=0
  relay_command "$2" "${takeover[@]}" || code=$?
  assert_eq "exit code of $2: $(cat "$RUN/$2.out" "$RUN/$2.err")" "$1" $code
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# A session that was ended, and a second take-over

rows 1 3
takeover_stops first BEFORE_COPY
first=$pid
rows 4 10
assert_eq 'sessions with the lock, which are ended' 1 "$(pg "SELECT count(*) FILTER (WHERE pg_terminate_backend(l.pid, 20000)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
  WHERE l.locktype = 'advisory' AND d.datname = '$DB'")"
takeover_stops second AFTER_MARK
second=$pid
begun=$(slot_confirmed "$half")
takeover_goes_on "$first"
assert_eq "exit code of one whose session was ended: $(cat "$RUN/first.log")" 1 $code
assert_match 'its words' 'could not hold the lock of this take-over' "$(cat "$RUN/first.log")"
assert_eq 'slots while the second one is at work' "$half at $begun" "$(slots) at $(slot_confirmed "$half")"
kill -s KILL "$second"
wait "$second" || true
takes_over 0 third
assert_eq 'slots behind the third' "$SLOT" "$(slots)"
assert_eq 'rows that are not marked' 0 "$(pg 'SELECT count(*) FROM public.old_events WHERE published IS NOT TRUE')"
assert_eq 'rows in Kafka' "$(seq 10 | paste -sd ' ')" "$(KCAT_FORMAT='%h\n' read_topic "$topic" | sed -E 's/.*\bid=([0-9]+).*/\1/' | sort -nu | paste -sd ' ')"

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# A half-made slot that is another's by the same name

# slot_is_replaced POINT SLOTS: while a take-over stands still there; which slots are left.
slot_is_replaced() {
  takeover_stops "replaced.$1" "$1"
  pg "SELECT pg_drop_replication_slot('$half')" "SELECT pg_create_logical_replication_slot('$half', '$PLUGIN')" >/dev/null
  begun=$(slot_confirmed "$half")
  takeover_goes_on "$pid"
  assert_eq "exit code, $1: $(cat "$RUN/replaced.$1.log")" 4 $code
  assert_match "words, $1" 'another take-over with slot "'"$SLOT"'" has begun' "$(cat "$RUN/replaced.$1.log")"
  assert_eq "slots, $1" "$2 at $begun" "$(slots) at $(slot_confirmed "$half")"
}

pg "SELECT pg_drop_replication_slot('$SLOT')" >/dev/null
slot_is_replaced BEFORE_COPY "$half"
takes_over 0 anew
pg "SELECT pg_drop_replication_slot('$SLOT')" >/dev/null
slot_is_replaced AFTER_COPY "$SLOT $half"
takes_over 4 both
