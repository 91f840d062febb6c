#!/usr/bin/env bash
# The relay is away for so long that the server gives the slot up (max_slot_wal_keep_size). It refuses with code 4 and the range of positions; the operator follows
# "A lost slot" in docs/operations.md word for word: a new slot, a restart, the rows of the gap once more. At the end each id that the table holds is in Kafka.
# row: P-10 slot lost by max_slot_wal_keep_size
# expects: refused, code 4; O1 after the documented repair
# tags:
POSTGRES=own
OWN_POSTGRES=("max_slot_wal_keep_size = '16MB'" "wal_keep_size = 0" "max_wal_size = '64MB'" "min_wal_size = '32MB'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 3
relay_init
relay_start

# events COUNT: one transaction each, of 20 keys.
events() {
  local i
  for i in $(seq "$1"); do
    echo "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k$((i % 20))', 'E', to_json(clock_timestamp()::text));"
  done | pg_read
}
events 200
await 'confirmation' 30 slot_has_confirmed "$(wal_end)"
relay_stop

fault_begins slot-lost
lost_from=$(pg "SELECT clock_timestamp()")
events 300
gap=$(pg "SELECT count(*) FROM outbox WHERE created_at >= '$lost_from'")
assert_eq 'rows of the gap' 300 "$gap"
slot_is_lost() {
  pg "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000)) FROM generate_series(1, 20)" "SELECT pg_switch_wal()" "CHECKPOINT" >/dev/null
  [ "$(pg_in postgres "SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = lost ]
}
await 'a lost slot' 60 slot_is_lost
began=$EPOCHREALTIME
relay_start relay held
figure detection "$(seconds_since "$began")" s
assert_match 'the refusal' '^4 slot_lost .*events committed between [0-9A-F]+/[0-9A-F]+ and [0-9A-F]+/[0-9A-F]+ may be missing' \
  "$(relay_log relay 'select(.event == "state" and .state == "held") | "\(.code) \(.cause) \(.error)"' | tail -n 1)"
relay_stop

relay_command drop drop --yes --keep-publication || fail "drop: $(cat drop.err)"
relay_command init init --accept-gap || fail "init: $(cat init.err)"
lost_to=$(pg "SELECT clock_timestamp()")
fault_ends slot-lost
relay_start
events 50 # writers have not stopped
began=$EPOCHREALTIME
again=$(pg "WITH again AS (DELETE FROM outbox WHERE created_at >= '$lost_from' AND created_at < '$lost_to' RETURNING *),
  put AS (INSERT INTO outbox SELECT * FROM again ORDER BY created_at RETURNING 1) SELECT count(*) FROM put")
events 50
await 'confirmation of all' 60 slot_has_confirmed "$(wal_end)"
figure recovery "$(seconds_since "$began")" s
figure published_again "$again" rows
assert_eq 'rows of the gap that were published again' "$gap" "$again"
relay_stop

pg "SELECT id FROM outbox" | LC_ALL=C sort >expected
KCAT_FORMAT='%h\n'
read_topic "$topic" | sed -E 's/.*\<id=([0-9a-f-]+).*/\1/' | LC_ALL=C sort >arrived
LC_ALL=C sort -u arrived >ids
assert_same_file 'ids in Kafka' expected ids
figure lost "$(comm -23 expected ids | wc -l)" events
figure duplicates $(($(wc -l <arrived) - $(wc -l <ids))) events
