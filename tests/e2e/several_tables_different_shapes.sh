#!/usr/bin/env bash
# Several outbox tables at once, of different shapes and with names that need quotes: columns are found by name, also after columns were added, dropped and
# renamed while streaming. Rows of a table that is no outbox go nowhere.
# tags: asan
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

for topic in plain quoted numbers; do
  topic_create "outbox.event.$T-$topic" 1
done
pg_read <<SQL
CREATE SCHEMA "Odd schema";
CREATE TABLE "Odd schema"."Out.box" (extra text, "Event Type" text, "Payload" jsonb, "Key" text, "Topic" text, "Id" uuid DEFAULT gen_random_uuid(), dropped int, tenant text);
CREATE TABLE numbers (n bigint PRIMARY KEY, aggregatetype text, aggregateid integer, payload text);
CREATE TABLE stranger (id int, aggregatetype text, aggregateid text, payload text);
ALTER PUBLICATION "$SLOT" ADD TABLE "Odd schema"."Out.box", numbers, stranger;
SQL
relay_set OUTBOX_1_TABLE '"Odd schema"."Out.box"'
relay_set OUTBOX_1_TABLE_FIELD_EVENT_ID Id
relay_set OUTBOX_1_TABLE_FIELD_EVENT_KEY Key
relay_set OUTBOX_1_TABLE_FIELD_EVENT_TYPE 'Event Type'
relay_set OUTBOX_1_TABLE_FIELD_EVENT_PAYLOAD Payload
relay_set OUTBOX_1_ROUTE_BY_FIELD Topic
relay_set OUTBOX_1_TABLE_FIELDS_ADDITIONAL_PLACEMENT tenant:header:tenantId
relay_set OUTBOX_2_TABLE public.numbers
relay_set OUTBOX_2_TABLE_FIELD_EVENT_ID n
relay_init
relay_start

pg_read <<SQL
BEGIN;
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T-plain', 'p1', 'A', '{"x" :1}');
INSERT INTO "Odd schema"."Out.box" ("Event Type", "Payload", "Key", "Topic", "Id", tenant)
  VALUES ('B', '{"b":1,  "a":2}', 'q1', '$T-quoted', '00000000-0000-0000-0000-000000000001', 'anna');
INSERT INTO numbers VALUES (9007199254740993, '$T-numbers', 42, 'plain text');
INSERT INTO stranger VALUES (1, '$T-plain', 'nobody', 'nothing');
COMMIT;
ALTER TABLE "Odd schema"."Out.box" DROP COLUMN dropped;
ALTER TABLE "Odd schema"."Out.box" ADD COLUMN later text DEFAULT 'x';
INSERT INTO "Odd schema"."Out.box" ("Event Type", "Payload", "Key", "Topic", "Id", tenant)
  VALUES ('C', '[]', 'q1', '$T-quoted', '00000000-0000-0000-0000-000000000002', NULL);
ALTER TABLE numbers RENAME COLUMN payload TO content;
ALTER TABLE numbers ADD COLUMN payload text;
INSERT INTO numbers VALUES (2, '$T-numbers', 42, 'old column', 'new column');
SQL

plain=$(await_records "outbox.event.$T-plain" 1)
assert_match 'the default shape' '^p1\|\{"x" :1\}\|' "$plain"
quoted=$(await_records "outbox.event.$T-quoted" 2)
assert_eq 'keys and values of the quoted shape' 'q1|{"a": 2, "b": 1} q1|[]' "$(cut -d '|' -f 1,2 <<<"$quoted" | paste -sd ' ')"
first=$(head -n 1 <<<"$quoted" | cut -d '|' -f 3)
assert_eq 'id of the quoted shape' 00000000-0000-0000-0000-000000000001 "$(header id "$first")"
assert_eq 'type of the quoted shape' B "$(header eventType "$first")"
assert_eq 'placed header' anna "$(header tenantId "$first")"
assert_match 'placed header of a NULL' 'tenantId=' "$(tail -n 1 <<<"$quoted")"
numbers=$(await_records "outbox.event.$T-numbers" 2)
assert_eq 'keys and values of the numbers' '42|plain text,42|new column' "$(cut -d '|' -f 1,2 <<<"$numbers" | paste -sd ,)"
headers=$(head -n 1 <<<"$numbers" | cut -d '|' -f 3)
assert_eq 'id beyond 2^53' 9007199254740993 "$(header id "$headers")"
assert_eq 'no header for a type column that is not there' '' "$(header eventType "$headers")"
relay_stop
assert_eq 'records after the end' 1 "$(read_topic "outbox.event.$T-plain" | wc -l)"
