#!/usr/bin/env bash
# SIGTERM: what is in flight is settled and confirmed, exit code 0, `drained` true. With Kafka down it ends within its limit all the same, also with 0, says
# that it is not drained, and nothing is lost by it. In a campaign Kafka is a real one, which is killed; else the embedded one.
# row: R-03 SIGTERM with events in flight, with Kafka down, and twice
# expects: O1 O2
# tags: quick
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

own_kafka_or_broker
topic=outbox.event.$T
topic_create "$topic" 3
relay_set DELIVERY_DRAIN_TIMEOUT_MS "$(patience 2000)"
relay_init
relay_start
# Transactions of one event each, so that whatever is drained ends with one, and a writer that is in the midst of them when the signal comes.
pg "DO \$\$ BEGIN FOR i IN 1..2000 LOOP INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k' || i % 9, 'E', to_json(i)); COMMIT; END LOOP; END \$\$" &
writer=$!
await_records "$topic" 1 >/dev/null
relay_stop
wait "$writer" || fail 'the writer did not get through'
lsn=$(wal_end)
drained=$(relay_log relay 'select(has("drained")) | .drained' | tail -n 1)
assert_eq 'drained' true "$drained"
# What Kafka has was confirmed, so the next life begins without repetitions of it.
relay_start
await 'confirmation of all' 30 slot_has_confirmed "$lsn"
assert_eq 'events that arrived' 2000 "$(read_topic "$topic" | cut -d '|' -f 2 | sort -un | wc -l)"
assert_eq 'records, none twice' 2000 "$(read_topic "$topic" | wc -l)"

kafka_goes
insert k '"late"'
in_flight() {
  relay_metric_is cdc_relay_in_flight_events 'v >= 1'
}
await 'an event in flight' 20 in_flight
began=$EPOCHREALTIME
relay_stop
ended=$EPOCHREALTIME
assert_number 'seconds until the end with Kafka down' "$(awk "BEGIN { print $ended - $began }")" '<=' "$(patience 6)"
assert_eq 'drained with Kafka down' false "$(relay_log relay 'select(has("drained")) | .drained' | tail -n 1)"
kafka_comes
relay_set DELIVERY_DRAIN_TIMEOUT_MS 60000 # of what comes below
relay_start
await 'confirmation of the late event' 60 slot_has_confirmed "$(wal_end)"
assert_eq 'the late event' '"late"' "$(read_topic "$topic" | cut -d '|' -f 2 | grep late | sort -u)"

# A second signal ends at once, however long there would be.
kafka_goes
insert k '"later"'
await 'an event in flight' 20 in_flight
kill -TERM "${RELAY_PID[relay]}"
await_state draining
kill -TERM "${RELAY_PID[relay]}"
began=$EPOCHREALTIME
relay_ends relay 5
ended=$EPOCHREALTIME
assert_number 'seconds after the second signal' "$(awk "BEGIN { print $ended - $began }")" '<=' "$(patience 1)"
