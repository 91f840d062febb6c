#!/usr/bin/env bash
# A topic that does not exist is no fault of a row: code 6, the line holds the command that creates it, nothing behind that row is published. When the topic is there
# the relay goes on by itself, and in order.
# row: K-06 UNKNOWN_TOPIC
# expects: O1 O3, holds and goes on
# tags: real-kafka
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
late=outbox.event.$T-late
topic_create "$topic" 1
relay_set KAFKA_TOPIC_METADATA_PROPAGATION_MAX_MS 1000
relay_init
relay_start
insert k 1
insert k '"late 1"' "$T-late"
insert k 2
insert k '"late 2"' "$T-late"
await_state held relay 40
held=$(relay_log relay 'select(.event == "state" and .state == "held") | tojson' | tail -n 1)
assert_eq 'code' 6 "$(jq -r .code <<<"$held")"
assert_match 'the command that mends it' "kafka-topics.*--create.*$late" "$(jq -r .hint <<<"$held")"
assert_eq 'readiness' 503 "$(relay_get_status /readyz)"
assert_eq 'a poison event' 0 "$(relay_get /metrics | awk '/^cdc_relay_poison_events_total/ { sum += $NF } END { print sum + 0 }')"
topic_create "$late" 1
# Not so many records: the one that was held was tried alone, and comes once more.
await 'confirmation of all' 90 slot_has_confirmed "$(wal_end)"
await_state streaming relay 30
assert_eq 'late values, repetitions aside' '"late 1","late 2"' "$(read_topic "$late" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ,)"
assert_eq 'other values, repetitions aside' '1 2' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
