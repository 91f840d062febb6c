#!/usr/bin/env bash
# What a crash repeats is what PostgreSQL had not been told of, and cdc_relay_unconfirmed_events said how much that would be.
# expects: O1 O4
# tags: quick
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 3
relay_set DELIVERY_CONFIRM_INTERVAL_MS 10000
relay_init
relay_start
# Of one, two and three events to a transaction, some of them confirmed before the crash and some not.
pg "DO \$\$ BEGIN FOR i IN 1..40 LOOP INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT '$T', 'k' || i % 9, 'E', to_json(i) FROM generate_series(0, i % 3); COMMIT; END LOOP; END \$\$"
await_records "$topic" 80 >/dev/null
nothing_in_flight() {
  relay_metric_is cdc_relay_in_flight_events 'v == 0'
}
await 'reports of all' 20 nothing_in_flight
said=$(relay_metric cdc_relay_unconfirmed_events)
kill -KILL "${RELAY_PID[relay]}"
relay_ends relay
assert_number 'unconfirmed events before the crash' "$said" '>' 0
relay_set DELIVERY_CONFIRM_INTERVAL_MS 100
relay_start
await 'confirmation of all' 30 slot_has_confirmed "$(wal_end)"
KCAT_FORMAT='%h\n' read_topic "$topic" | sed -E 's/.*\bid=([^,]+).*/\1/' >ids
assert_eq 'events in Kafka' 80 "$(sort -u ids | wc -l)"
assert_number 'events that came twice' "$(($(wc -l <ids) - 80))" '<=' "$said"
relay_stop
