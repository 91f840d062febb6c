#!/usr/bin/env bash
# The value is the column's bytes: text with every byte from 0x01 to 0x7f and the edges of UTF-8, jsonb in the server's form, json as written, bytea with every
# byte (as key and as value), 900,000 bytes of json, and Avro and Protobuf in the framing of a schema registry.
# row: P-28 every byte and character in every kind of column
# expects: O1 O7
# tags: asan
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

for shape in text jsonb bytea avro protobuf large empty; do
  topic_create "outbox.event.$T-$shape" 1
done
pg_read <<SQL
CREATE TABLE texts (id bigserial PRIMARY KEY, aggregatetype text, aggregateid text, payload text);
CREATE TABLE jsonbs (id bigserial PRIMARY KEY, aggregatetype text, aggregateid text, payload jsonb);
ALTER PUBLICATION "$SLOT" ADD TABLE texts, jsonbs;
SQL
relay_set OUTBOX_1_TABLE public.texts
relay_set OUTBOX_2_TABLE public.jsonbs
relay_set OUTBOX_3_TABLE public.outbox_binary
relay_init
relay_start

# 0x01 to 0x7f, then the first and last character of each length of UTF-8, and those next to the surrogates and to what JSON escapes.
edges='\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf'
for byte in $(seq 1 127); do
  # shellcheck disable=SC2059
  printf "\\x$(printf %x "$byte")"
done >text.expected
# shellcheck disable=SC2059
printf "$edges" >>text.expected
for byte in $(seq 0 255); do
  # shellcheck disable=SC2059
  printf "\\x$(printf %x "$byte")"
done >bytea.expected
# A registry's framing: a zero byte, the schema's id in four bytes, for Protobuf the path of the message in its schema, then the body. As Avro, a record of a string, a long
# and an array: {"order-17", 12900, [1.5]}; as Protobuf, the second message of its schema (path [1]: its length and the index, as zig-zag), with fields 1 to 3 as these.
printf '\x00\x00\x00\x01\x0a\x10order-17\xc8\xc9\x01\x02\x00\x00\x00\x00\x00\x00\xf8\x3f\x00' >avro.expected
printf '\x00\x00\x01\x00\x00\x02\x02\x0a\x08order-17\x10\xe4\x64\x1a\x08\x00\x00\x00\x00\x00\x00\xf8\x3f' >protobuf.expected
hex() {
  od -An -v -tx1 "$1" | tr -d ' \n'
}

pg_read <<SQL
INSERT INTO texts (aggregatetype, aggregateid, payload) VALUES ('$T-text', convert_from('\\x$(hex text.expected)', 'UTF8'), convert_from('\\x$(hex text.expected)', 'UTF8'));
INSERT INTO jsonbs (aggregatetype, aggregateid, payload) VALUES ('$T-jsonb', 'k', '{"b":1,"a":[1.50,  null,"\\u00e9\\ud83d\\ude00\\n"],"b":12345678901234567890.123}');
INSERT INTO outbox_binary (aggregatetype, aggregateid, type, payload) VALUES ('$T-bytea', '\\x$(hex bytea.expected)', 'E', '\\x$(hex bytea.expected)');
INSERT INTO outbox_binary (aggregatetype, aggregateid, type, payload) VALUES ('$T-empty', 'null', 'E', NULL), ('$T-empty', 'empty', 'E', '');
INSERT INTO outbox_binary (aggregatetype, aggregateid, type, payload) VALUES ('$T-avro', 'order-17', 'E', '\\x$(hex avro.expected)'), ('$T-protobuf', 'order-17', 'E', '\\x$(hex protobuf.expected)');
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T-large', 'k', 'E', (SELECT ('"' || string_agg(md5(i::text), '') || '"')::json FROM generate_series(1, 28124) i));
SQL
pg "SELECT payload FROM outbox WHERE aggregatetype = '$T-large'" | tr -d '\n' >large.expected
pg "SELECT payload FROM jsonbs" | tr -d '\n' >jsonb.expected
assert_number 'bytes of the large payload' "$(stat -c %s large.expected)" '>=' 899900

for shape in text jsonb bytea avro protobuf large; do
  await_records "outbox.event.$T-$shape" 1 >/dev/null
  # The record's bytes and nothing else.
  KCAT_FORMAT=%s
  read_topic "outbox.event.$T-$shape" >$shape.value
  KCAT_FORMAT=%k
  read_topic "outbox.event.$T-$shape" >$shape.key
  KCAT_FORMAT='%k|%s|%h\n'
  assert_same_file "value from a $shape column" $shape.expected $shape.value
done
assert_same_file 'text key' text.expected text.key
assert_same_file 'bytea key' bytea.expected bytea.key

# Neither a NULL nor an empty payload is a null value without route.tombstone.on.empty.payload: kcat gives the length -1 for null.
KCAT_FORMAT='%k %S\n'
await_records "outbox.event.$T-empty" 2 >empty
assert_eq 'lengths of NULL and empty payloads' 'null 0,empty 0' "$(paste -sd , empty)"
relay_stop
