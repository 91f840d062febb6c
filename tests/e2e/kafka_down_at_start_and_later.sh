#!/usr/bin/env bash
# Kafka is away when the relay starts, and again later: it keeps trying, is alive and not ready, shows the slot's figures, confirms nothing, and publishes all of
# it, in order, as soon as Kafka is back. In a campaign Kafka is a real one, which is killed; else the embedded one.
# row: K-01 Kafka away at the start and later
# expects: O1 O3, not ready and alive
# tags: quick
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

own_kafka_or_broker
topic=outbox.event.$T
topic_create "$topic" 1
relay_init
kafka_goes
insert k 1
pending=$(wal_end)
relay_start relay -

not_ready() {
  [ "$(relay_get_status /readyz)" = 503 ]
}
ready() {
  [ "$(relay_get_status /readyz)" = 200 ]
}
await 'readiness false' 20 not_ready
assert_eq 'liveness' 200 "$(relay_get_status /livez)"
assert_match 'the reason' '[Kk]afka' "$(relay_get /readyz)"
await "the slot's figures" 20 relay_metric_is cdc_relay_slot_retained_bytes 'v >= 0'
! slot_has_confirmed "$pending" || fail 'an event that Kafka does not have was confirmed'

kafka_comes
assert_match 'what was written meanwhile' '^k\|1\|' "$(await_records "$topic" 1 30)"
await 'readiness' 20 ready
await 'confirmation' 20 slot_has_confirmed "$pending"

kafka_goes
pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT '$T', 'k', 'E', to_json(i) FROM generate_series(2, 500) i"
pending=$(wal_end)
await 'readiness false again' 60 not_ready
! slot_has_confirmed "$pending" || fail 'an event that Kafka does not have was confirmed'
kafka_comes
await 'confirmation' 60 slot_has_confirmed "$pending"
read_topic "$topic" >records
# The mock behind the embedded broker does not remove what an idempotent producer repeats, and no broker what a new producer does.
assert_eq 'values, without repetitions, in order' "$(seq 500 | paste -sd ' ')" "$(cut -d '|' -f 2 records | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
