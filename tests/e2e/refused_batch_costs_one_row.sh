#!/usr/bin/env bash
# A broker refuses whole batches for one record. Only the row that fails alone is poison: its neighbours arrive, in order, and with dead-letter policy the relay goes
# on behind it.
# row: K-06 MSG_SIZE_TOO_LARGE in the middle of a batch
# expects: O1 O3, no collateral record
# tags: real-kafka
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
dead=dead.$T
topic_create "$topic" 1 max.message.bytes=20000
topic_create "$dead" 1
relay_set DELIVERY_POISON dead-letter
relay_set DELIVERY_DEAD_LETTER_TOPIC "$dead"
relay_init
relay_start
# One transaction: 300 small rows of one key, the 150th larger than the topic takes.
pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
    SELECT '$T', 'k', 'E', to_json(i || CASE WHEN i = 150 THEN repeat('x', 100000) ELSE '' END) FROM generate_series(1, 300) i"
await 'the dead letter' 60 relay_metric_is 'cdc_relay_events_total{table="public.outbox",outcome="dead_lettered"}' 'v >= 1'
await 'confirmation of all' 60 slot_has_confirmed "$(wal_end)"
read_topic "$topic" | cut -d '|' -f 2 | tr -d '"' | awk '!seen[$0]++' >values
seq 300 | grep -vx 150 >expected
assert_same_file 'every other row once, in order, repetitions aside' expected values
# The order holds with the repetitions too: each goes back to a row that was sent before, never forward over one that was not.
read_topic "$topic" | cut -d '|' -f 2 | tr -d '"' | awk -v skip=150 '
  { next_one = last + 1; if (next_one == skip) next_one++ }
  $1 > next_one && NR > 1 { print "gap: " $1 " behind " last; exit 1 }
  { last = $1 }' || fail 'a row overtook another of its key'
assert_eq 'dead letters' 1 "$(read_topic "$dead" | cut -c 1-8 | sort -u | wc -l)"
assert_eq 'poison events by reason' 1 "$(relay_metric 'cdc_relay_poison_events_total{table="public.outbox",reason="refused_by_broker"}')"
relay_stop
