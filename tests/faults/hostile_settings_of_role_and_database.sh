#!/usr/bin/env bash
# Settings that role and database give to every session of the relay, and that would change how values are written: dates in German, intervals in words, bytea as escapes,
# floats cut to six digits, another time zone, another client encoding, a search path of somebody else's, a statement timeout of a millisecond. No byte of key, value and
# headers differs from those that came before them.
# row: P-26 hostile settings of role and database
# expects: O1 O7
# tags:
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1 retention.ms=-1 # the records are dated by their rows
# The timestamp's column is of the event's own time, so that it goes into the record as well; the interval and the rest go into headers.
pg_read <<SQL
CREATE TABLE valued (id int PRIMARY KEY, aggregatetype text, aggregateid bytea, payload bytea, at timestamptz, lasts interval, day date, amount text, ratio int8);
ALTER PUBLICATION "$SLOT" ADD TABLE valued;
SQL
placements=at:header,lasts:header,day:header,amount:header,ratio:header
if [ "$PLUGIN" = pgoutput ]; then # wal2json would show NaN as null, so the relay refuses such columns
  pg "ALTER TABLE valued ADD COLUMN real8 float8"
  placements+=,real8:header
fi
relay_set OUTBOX_1_TABLE public.valued
relay_set OUTBOX_1_TABLE_FIELD_EVENT_TIMESTAMP at
relay_set OUTBOX_1_TABLE_FIELDS_ADDITIONAL_PLACEMENT "$placements"
relay_init

[ "$PLUGIN" != pgoutput ] || pg "ALTER TABLE valued ALTER COLUMN real8 SET DEFAULT 0.1::float8 + 0.2::float8"

pg_read <<SQL
INSERT INTO valued (id, aggregatetype, aggregateid, payload, at, lasts, day, amount, ratio)
  VALUES (1, '$T', '\\x00ff5c27', '\\x0001025c27227f80ff', '2026-02-03 04:05:06.789012+00', '1 year 2 mons 3 days 04:05:06.7', '2026-02-03', 'Grüße € 1,5', 9007199254740993);
SQL
relay_start
await 'the first' 20 slot_has_confirmed "$(wal_end)"
relay_stop

fault_begins hostile-settings
hostile=("datestyle = 'German, DMY'" "intervalstyle = postgres_verbose" "bytea_output = escape" "extra_float_digits = -9" "timezone = 'Asia/Kathmandu'"
  "client_encoding = 'LATIN1'" "search_path = nowhere" "statement_timeout = '1ms'" "lock_timeout = '1ms'" "standard_conforming_strings = off" "quote_all_identifiers = on"
  "default_transaction_read_only = on")
for setting in "${hostile[@]}"; do
  pg_in postgres "ALTER ROLE relay IN DATABASE \"$DB\" SET $setting" "ALTER DATABASE \"$DB\" SET $setting"
done
assert_eq 'settings of a session of the role' 'German, DMY, escape' \
  "$(PGOPTIONS='-c statement_timeout=0' psql -X -q -A -t -h "$PG_SOCKET" -p "$PG_PORT" -U relay -d "$DB" -c "SELECT current_setting('datestyle') || ', ' || current_setting('bytea_output')")"
# A statement that sets statement_timeout may itself take longer than a millisecond.
PGOPTIONS='-c statement_timeout=0' pg_read <<SQL
SET search_path = public;
SET default_transaction_read_only = off;
SET bytea_output = hex;
SET datestyle = ISO;
SET client_encoding = UTF8;
SET standard_conforming_strings = on;
INSERT INTO valued (id, aggregatetype, aggregateid, payload, at, lasts, day, amount, ratio)
  SELECT 2, aggregatetype, aggregateid, payload, at, lasts, day, amount, ratio FROM valued WHERE id = 1;
SQL
relay_start
KCAT_FORMAT='%T %K %S %k|%s|%h\n'
await_records "$topic" 2 >records
relay_stop
for setting in "${hostile[@]}"; do
  pg_in postgres "ALTER ROLE relay IN DATABASE \"$DB\" RESET ${setting%% *}" "ALTER DATABASE \"$DB\" RESET ${setting%% *}"
done
fault_ends hostile-settings

# What must differ: id and position.
LC_ALL=C sed -E 's/id=[0-9]+/id=/; s/lsn=[^,]*//' records >same
LC_ALL=C sed -n 1p same >before
LC_ALL=C sed -n 2p same >after
assert_match 'the record before' 'at=2026-02-03 04:05:06.789012\+00' "$(tr -d '\0' <before)"
assert_same_file 'the record under hostile settings' before after
printf '\x00\x01\x02\x5c\x27\x22\x7f\x80\xff' >expected
KCAT_FORMAT=%s
read_topic "$topic" >values
cat expected expected >both
assert_same_file 'values' both values
figure settings "${#hostile[@]}" settings
