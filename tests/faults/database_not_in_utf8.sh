#!/usr/bin/env bash
# Databases in other encodings are refused at the start, by `check`, by `init`, and by a relay that finds a slot there: SQL_ASCII, whose bytes have no meaning, and
# LATIN1, whose bytes have another. A byte that is no UTF-8, as only SQL_ASCII lets in, so never reaches a decoder; nothing arrives in Kafka and the slot stays.
# row: P-27 SQL_ASCII and LATIN1 databases, and a bad byte
# expects: refused, code 3
# tags:
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
utf8=$DB
refused=0
for encoding in SQL_ASCII LATIN1; do
  DB=${utf8}_${encoding,,}
  SLOT=${DB}_outbox
  SLOT=${SLOT:0:63}
  pg_in postgres "CREATE DATABASE \"$DB\" TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'"
  pg_read <"$ROOT/sql/outbox.sql" >sql.out 2>&1 || fail "sql/outbox.sql in $encoding: $(cat sql.out)"
  relay_defaults
  fault_begins "encoding-${encoding,,}"
  code=0
  relay_command init init || code=$?
  assert_eq "exit code of init in $encoding" 3 $code
  assert_match "what init says in $encoding" "encoding $encoding; only UTF8" "$(cat init.err)"

  # Somebody made the slot by hand; the relay holds before it reads a byte.
  pg "SELECT pg_create_logical_replication_slot('$SLOT', '$PLUGIN')" >/dev/null
  relay_set POSTGRES_SLOT "$SLOT"
  pg "SET client_encoding = '$encoding'; INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', E'\\xe9', 'E', '1')"
  code=0
  relay_command check check || code=$?
  assert_eq "exit code of check in $encoding" 3 $code
  confirmed=$(slot_confirmed)
  began=$EPOCHREALTIME
  relay_start relay held
  figure "refusal_${encoding,,}" "$(seconds_since "$began")" s
  assert_eq "cause in $encoding" encoding "$(relay_log relay 'select(.event == "state" and .state == "held") | .cause')"
  relay_stop
  assert_eq "confirmed position in $encoding" "$confirmed" "$(slot_confirmed)"
  fault_ends "encoding-${encoding,,}"
  refused=$((refused + 1))
done
assert_eq 'records' 0 "$(read_topic "$topic" | wc -l)"
figure refused $refused databases
