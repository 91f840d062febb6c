#!/usr/bin/env bash
# The outbox becomes a partition of a table that the publication has, too, and is published by its root: its rows come under the name of that table, which nobody has asked for.
# `check` says so, a running relay sees it within seconds and holds, and it goes on once the outbox stands for itself. The same where the outbox is partitioned itself, and where the
# publication names both. And a payload that becomes a domain over bytea, whose bytes would come as text, ends the stream as well.
# row: P-24 outbox attached to a table that the publication has, or its payload a domain over bytea, at run time
# expects: held, code 3, within the interval of the second connection; O3
# tags: short
# plugins: pgoutput
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
# check_says CODE WORDS
check_says() {
  local code=0
  relay_command check check || code=$?
  assert_eq "exit code of check ($(cat check.err))" "$1" "$code"
  assert_match 'what check says' "$2" "$(cat check.out check.err)"
}
held_as() {
  await_state held relay 20
  assert_eq 'code and cause' "3 $1" "$(relay_get /status | jq -r '"\(.problem.code) \(.problem.cause)"')"
}
publishes() {
  pg "BEGIN; DROP PUBLICATION \"$SLOT\"; CREATE PUBLICATION \"$SLOT\" FOR $1 WITH (publish = 'insert', publish_via_partition_root = true); COMMIT"
}

publishes 'ALL TABLES'
check_says 0 ''
relay_start
insert k 1
await_records "$topic" 1 >/dev/null
await 'the first answer on the second connection' 20 relay_metric_is cdc_relay_slot_retained_bytes 'v >= 0'
pg 'CREATE TABLE events (LIKE outbox) PARTITION BY LIST (aggregatetype)' "ALTER TABLE events ATTACH PARTITION outbox FOR VALUES IN ('$T')"
held_as not_published
assert_match 'the hint' 'events' "$(relay_get /status | jq -r .problem.hint)"
check_says 3 'table public.outbox is a partition of (public\.)?events, and publication'
pg 'ALTER TABLE events DETACH PARTITION outbox'
await_state streaming relay 20
insert k 2
await_records "$topic" 2 >/dev/null

# Partitioned, and one of the partitions of another, by the roots of both.
relay_stop
pg 'DROP TABLE events' 'ALTER TABLE outbox RENAME TO outbox_1' 'CREATE TABLE events (LIKE outbox_1 INCLUDING DEFAULTS) PARTITION BY LIST (aggregatetype)' \
  "CREATE TABLE outbox PARTITION OF events FOR VALUES IN ('$T') PARTITION BY RANGE (created_at)" 'ALTER TABLE outbox ATTACH PARTITION outbox_1 DEFAULT'
check_says 3 'is a partition of (public\.)?events'
publishes 'TABLE events, outbox'
check_says 3 'is a partition of (public\.)?events'
publishes 'TABLE outbox'
check_says 0 ''
relay_start
insert k 3
await 'confirmation' 20 slot_has_confirmed "$(wal_end)"
assert_eq 'values' '1 2 3' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
await 'the first answer on the second connection' 20 relay_metric_is cdc_relay_slot_retained_bytes 'v >= 0'

# Bytes in a domain: the walsender names the domain, and the stream that began without it would take them for text.
pg 'ALTER TABLE events DETACH PARTITION outbox' 'CREATE DOMAIN blob AS bytea' "ALTER TABLE outbox ALTER COLUMN payload TYPE blob USING convert_to(payload::text, 'UTF8')"
held_as column_type
pg "ALTER TABLE outbox ALTER COLUMN payload TYPE jsonb USING convert_from(payload, 'UTF8')::jsonb"
await_state streaming relay 20
insert k 4
await_records "$topic" 4 >/dev/null
relay_stop
