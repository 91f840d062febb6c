#!/usr/bin/env bash
# PostgreSQL's fast shutdown waits for its walsenders. With Kafka down it must end within 2 seconds all the same, while the relay streams with an event in flight
# and while it is paused with full queues; and nothing is lost by the way it was let go.
# row: P-03 fast shutdown of PostgreSQL while Kafka is down
# expects: O1 O8 O10, stopped within 2 s
# tags: quick
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

own_broker
topic=outbox.event.$T
topic_create "$topic" 1
relay_set KAFKA_QUEUE_BUFFERING_MAX_MESSAGES 500
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

fault_begins 'Kafka down'
broker_is down
insert k 1
in_flight() {
  relay_metric_is cdc_relay_in_flight_events 'v >= 1'
}
await 'an event in flight' 20 in_flight
stop_in_time streaming
postgres_run own
await 'another session' 30 slot_is_active
confirmed=$(slot_confirmed)

pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT '$T', 'k', 'E', to_json(i || repeat('x', 2000)) FROM generate_series(2, 6000) i"
# Not the end of WAL later on: what the server writes when it starts is confirmed only by its next keepalive.
pending=$(wal_end)
await_state paused relay 30
stop_in_time paused
postgres_run own
assert_eq 'confirmed position, which must not move while Kafka is down' "$confirmed" "$(slot_confirmed)"

broker_is up
fault_ends 'Kafka down'
await 'confirmation of all' 90 slot_has_confirmed "$pending"
published=$(relay_get /metrics | awk '/^cdc_relay_events_total\{.*outcome="published"/ { print $NF }')
assert_number 'events published' "$published" '>=' 6000
relay_stop
