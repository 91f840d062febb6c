#!/usr/bin/env bash
# Policy dead-letter: a row that can never be published goes to the dead letter topic with its key, its bytes and headers that say why, and what is behind it goes
# on. While that topic does not exist the relay holds, and goes on by itself when it does.
# row: K-06 a row without a topic is a dead letter
# expects: O1 O3, policy dead-letter exact
# tags: asan
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
dead=dead.$T
topic_create "$topic" 1
pg 'ALTER TABLE outbox DROP CONSTRAINT outbox_aggregatetype_is_legal'
relay_set DELIVERY_POISON dead-letter
relay_set DELIVERY_DEAD_LETTER_TOPIC "$dead"
# So long librdkafka waits for a topic to become known before it calls it unknown.
relay_set KAFKA_TOPIC_METADATA_PROPAGATION_MAX_MS 1000
relay_init
relay_start

insert k 1
id=$(pg "SELECT outbox_publish('no topic!', 'dead-key', 'Broken', '{ \"a\" : 1 }')")
insert k 2
await_state held relay 30
topic_create "$dead" 1
await 'confirmation of all' 90 slot_has_confirmed "$(wal_end)"
await_state streaming relay 30
# A letter that was on its way when the relay held may come twice.
read_topic "$dead" >letters
record=$(head -n 1 letters)
assert_match 'key and value as they were' '^dead-key\|\{ "a" : 1 \}\|' "$record"
headers=$(cut -d '|' -f 3- <<<"$record")
assert_eq 'header id' "$id" "$(header id "$headers")"
assert_eq 'header eventType' Broken "$(header eventType "$headers")"
assert_match 'a header with the reason' 'reason' "$headers"
assert_eq 'values around it' '1 2' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
await 'the counter' 5 relay_metric_is 'cdc_relay_events_total{table="public.outbox",outcome="dead_lettered"}' 'v >= 1'
assert_eq 'letters without a reason' 0 "$(grep -c 'dead.letter.error=,' letters || true)"
relay_stop
