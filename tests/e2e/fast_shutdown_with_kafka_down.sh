#!/usr/bin/env bash
# PostgreSQL's fast shutdown waits for its walsenders. With Kafka down it must end within 2 seconds all the same, while the relay streams with an event in flight
# and while it is paused with full queues; and nothing is lost by the way it was let go: each row is in the topic in the end. In a campaign Kafka is a real one, which is
# killed; else the embedded one, which is quicker to come back.
#
# Before PostgreSQL 17 a position that is confirmed as the server stops is forgotten, so that a relay which lies in order to be let go would show nothing and lose nothing. Only
# where what it confirms moves restart_lsn, too, each release writes it down at once: so the log has a place for that behind each event that is pending here.
# row: P-03 fast shutdown of PostgreSQL while Kafka is down
# expects: O1 O8 O10, stopped within 2 s
# tags: quick
# seconds: 300
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

own_kafka_or_broker
topic=outbox.event.$T
topic_create "$topic" 1
relay_set KAFKA_QUEUE_BUFFERING_MAX_MESSAGES 500
# The embedded broker keeps 5 MB of a partition, and lets the oldest go.
relay_set KAFKA_COMPRESSION_TYPE lz4
relay_init
relay_start
insert k 0
await_records "$topic" 1 >/dev/null
await 'confirmation' 20 slot_has_confirmed "$(wal_end)"

# stop_in_time WHAT
stop_in_time() {
  local began=$EPOCHREALTIME took
  process_stop own || true # it is killed in the end; how long that took is judged here
  took=$(seconds_since "$began")
  figure "stop_while_$1" "$took" s
  assert_number "seconds of the shutdown, $1" "$took" '<=' 2
}

walsender_has_sent() {
  [ "$(pg "SELECT sent_lsn >= '$1' FROM pg_stat_replication WHERE pid = (SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT')")" = t ]
}
# whatever_is_confirmed_stays: a checkpoint names the transactions that run, and the walsender notes that restart_lsn may move there once it is confirmed.
whatever_is_confirmed_stays() {
  pg CHECKPOINT
  await 'the checkpoint, read by the walsender' 20 walsender_has_sent "$(wal_end)"
}
# nothing_was_confirmed WHILE: of what was pending before the server stopped
nothing_was_confirmed() {
  ! slot_has_confirmed "$first_pending" || fail "the stop while $1 has confirmed $(slot_confirmed), and Kafka has nothing of what ends at $first_pending"
}

fault_begins 'Kafka down'
kafka_goes
insert k 1
in_flight() {
  relay_metric_is cdc_relay_in_flight_events 'v >= 1'
}
await 'an event in flight' 20 in_flight
first_pending=$(wal_end)
whatever_is_confirmed_stays
stop_in_time streaming
postgres_run own
nothing_was_confirmed streaming
await 'another session' 30 slot_is_active
confirmed=$(slot_confirmed)
whatever_is_confirmed_stays

pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT '$T', 'k', 'E', to_json(i || repeat('x', 2000)) FROM generate_series(2, 6000) i"
# Not the end of WAL later on: what the server writes when it starts is confirmed only by its next keepalive.
pending=$(wal_end)
await_state paused relay 30
stop_in_time paused
postgres_run own
nothing_was_confirmed paused
assert_eq 'confirmed position, which must not move while Kafka is down' "$confirmed" "$(slot_confirmed)"

kafka_comes
fault_ends 'Kafka down'
await 'confirmation of all' 90 slot_has_confirmed "$pending"
relay_stop
# Which rows, and in which order; what was on its way when the server stopped may be there twice.
KCAT_FORMAT='%s\n'
read_topic "$topic" | tr -d 'x"' >records
awk '!seen[$0]++' records >values
seq 0 6000 >expected
assert_same_file 'values in the topic, without repetitions, in order' expected values
figure repeated $(($(wc -l <records) - $(wc -l <values))) records
