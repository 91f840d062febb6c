#!/usr/bin/env bash
# What writers put into JSON and keys that some program on the way is bound to misread: every control character, quotes and backslashes, line separators, escaped and lone
# surrogates, \u0000, ten thousand levels, one key twice, numbers of 200 digits and beyond every float, white space, a megabyte. Each value and each key arrives byte by byte, which
# the SHA-256 of row and record decides. Columns with NaN and infinity arrive as text with pgoutput; with wal2json, which would send null, the relay refuses them.
# row: P-28 nasty payloads and keys
# expects: O1 O2 O7
# tags: short
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

relay_set KAFKA_MESSAGE_MAX_BYTES 1048000
pg 'ALTER TABLE outbox DROP CONSTRAINT outbox_payload_fits'
watch_start
relay_init
relay_start
fault_begins nasty-payloads
pg_read <<SQL
SET max_stack_depth = '6MB';
CREATE TEMPORARY TABLE nasty (what text, payload text);
INSERT INTO nasty
  SELECT 'escaped control character', format('"before\\u%safter"', lpad(to_hex(i), 4, '0')) FROM generate_series(0, 31) i
  UNION ALL SELECT 'character', to_json('x' || chr(i) || 'x')::text FROM unnest(ARRAY[34, 39, 47, 92, 127, 128, 159, 160, 173, 8203, 8232, 8233, 55295, 57344, 65279, 65534, 65535, 65536, 128512, 1114111]) i
  UNION ALL SELECT 'escape', e FROM unnest(ARRAY['"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00\\ud800"', '"\\/"', '"\\\\"', '"\\""', '"\\\\u0041"', '"\\b\\f\\n\\r\\t"']) e
  UNION ALL SELECT 'number', e FROM unnest(ARRAY['-0', '0.10', '1e400', '-1E-400', '9007199254740993', '12345678901234567890.12345678901234567890',
    repeat('9', 200), '0.' || repeat('3', 200), '1' || repeat('0', 2000)]) e
  UNION ALL SELECT 'twice', e FROM unnest(ARRAY['{"a":1,"a":2,"a":null}', '{"":"","":""}', '{"a":{"a":{"a":1},"a":2}}']) e
  UNION ALL SELECT 'space', e FROM unnest(ARRAY[E' {\\t"a" :\\r\\n [ 1 , 2 ] } ', E'\\n\\n1\\n', '[]', '{}', '""', 'null', 'true', '[null,null]', '{"null":null}']) e
  UNION ALL SELECT 'deep', repeat('[', 10000) || repeat(']', 10000)
  UNION ALL SELECT 'deep', repeat('{"a":', 5000) || '1' || repeat('}', 5000)
  UNION ALL SELECT 'long', '"' || repeat('x', 1000000) || '"'
  UNION ALL SELECT 'long', to_json(repeat(E'\\\\"\\u2028', 100000))::text
  UNION ALL SELECT 'many', '[' || repeat('{"a":"\\\\"},', 50000) || '0]';
INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
  SELECT '$T', CASE row_number() OVER () % 7 WHEN 0 THEN what WHEN 1 THEN E'line\\nfeed\\ttab\\r' WHEN 2 THEN 'it''s "quoted" \\ {"json":1}' WHEN 3 THEN chr(1) || chr(127)
    WHEN 4 THEN chr(128512) || chr(8232) WHEN 5 THEN repeat(chr(1114111), 256) ELSE ' ' END, E'type''"\\\\', payload::json FROM nasty;
SQL
fault_ends nasty-payloads
settle
verdict --only-unconfirmed
rows=$(pg 'SELECT count(*) FROM outbox')
assert_number 'rows' "$rows" '>' 80
figure payloads "$rows" payloads
assert_eq 'state' streaming "$(relay_state)"
relay_stop

pg_read <<SQL
CREATE TABLE valued (id int PRIMARY KEY, aggregatetype text, aggregateid text, payload text, real8 float8, digits numeric);
ALTER PUBLICATION "$SLOT" ADD TABLE valued;
SQL
relay_set OUTBOX_1_TABLE public.valued
relay_set OUTBOX_1_TABLE_FIELDS_ADDITIONAL_PLACEMENT real8:header,digits:header
if [ "$PLUGIN" = wal2json ]; then
  code=0
  relay_command refused run --exit-on-hold || code=$?
  assert_eq 'exit code with floats and wal2json' 3 $code
  exit 0
fi
relay_start
digits=$(printf '%0200d' 7 | tr 0 4)
pg "INSERT INTO valued VALUES (1, '$T', 'NaN', '', 'NaN', 'NaN'), (2, '$T', 'Infinity', '', 'Infinity', 'Infinity'), (3, '$T', '-Infinity', '', '-Infinity', $digits.$digits)"
await 'confirmation' 20 slot_has_confirmed "$(wal_end)"
KCAT_FORMAT='%k %h\n'
read_topic "outbox.event.$T" | sed -nE 's/^(NaN|-?Infinity) .*\<real8=([^,]*),digits=([^,]*).*/\1 \2 \3/p' | sort >headers
assert_eq 'headers' "-Infinity -Infinity $digits.$digits Infinity Infinity Infinity NaN NaN NaN" "$(paste -sd ' ' headers)"
relay_stop
