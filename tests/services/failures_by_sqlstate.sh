#!/usr/bin/env bash
# What PostgreSQL refuses decides what becomes of an event. A handler that is silent in its transaction for too long has its retries, then the dead letter; what a migration
# will bring is waited for; a plan that a migration changed costs nothing; an internal error of the server is waited for without end, told, and one event can be given up
# by its name.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 2
# shellcheck disable=SC2016
pg 'CREATE FUNCTION run_sql(sql text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE sql; END $$'
limited="DATABASE_URL=host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB options='-c idle_in_transaction_session_timeout=300'"
consumer_start one "$limited"

# event ID JSON-MEMBERS [PARTITION]
event() {
  printf 'k|{"eventId":"%s","eventType":"Made","n":1%s}' "$1" "${2:+,$2}" | produce -p "${3:-0}"
}

sql_event() { # ID SQL [PARTITION]
  event "$1" "\"do\":\"sql\",\"sql\":$(jq -Rn --arg sql "$2" '$sql')" "${3:-0}"
}

is_counted() {
  [ "$(pg "SELECT count(*) FROM counted WHERE event_id = '$1'")" = 1 ]
}

# failures ID FIELD: of its attempt_failed lines
failures() {
  consumer_log one "select(.event == \"attempt_failed\" and .event_id == \"$1\") | .$2"
}

echo '--- silent for too long: with a statement queued, and without any'
event idle-1 '"do":"sleep","ms":900'
event idle-2 '"do":"sleep_only","ms":900'
event behind-idle
await 'what is behind silent handlers' 60 is_counted behind-idle
dead_letters_are 2 || fail "dead letters: $(dead_letters)"
for id in idle-1 idle-2; do
  assert_eq "class and SQLSTATE of $id" 'unknown 25P03 unknown 25P03 unknown 25P03' \
    "$(consumer_log one "select(.event == \"attempt_failed\" and .event_id == \"$id\") | \"\\(.class) \\(.sqlstate)\"" | paste -sd ' ')"
  assert_eq "attempts of $id" 4 "$(consumer_log one "select(.event == \"dead_letter\" and .event_id == \"$id\") | .attempt")"
done

echo '--- a migration that is still to come'
sql_event column 'UPDATE counted SET colour = 1 WHERE false'
sql_event function "SELECT not_there_yet()" 1
await 'the missing column' 20 consumer_has_logged one '.event == "attempt_failed" and .event_id == "column" and .sqlstate == "42703" and .class == "transient"'
await 'the missing function' 20 consumer_has_logged one '.event == "attempt_failed" and .event_id == "function" and .sqlstate == "42883" and .class == "transient"'
pg 'ALTER TABLE counted ADD COLUMN colour integer' 'CREATE FUNCTION not_there_yet() RETURNS integer LANGUAGE sql AS '\''SELECT 1'\'
await 'the event that waited for a column' 60 is_counted column
await 'the event that waited for a function' 60 is_counted function

echo '--- a plan that a migration changed'
pg 'ALTER TABLE inbox ALTER COLUMN event_id TYPE varchar(300)'
event replanned
await 'the event behind the migration' 20 is_counted replanned
assert_eq 'failures of it' '' "$(failures replanned sqlstate)"

echo '--- what the server does not do is no fault of the world'
sql_event unsupported "DO 'BEGIN RAISE EXCEPTION USING ERRCODE = ''0A000''; END'"
event behind-unsupported
await 'what is behind it' 30 is_counted behind-unsupported
dead_letters_are 3 || fail "dead letters: $(dead_letters)"

echo '--- an internal error of one event: its partition waits, and people hear of it'
sql_event broken "DO 'BEGIN RAISE EXCEPTION USING ERRCODE = ''XX000''; END'"
event behind-broken
event elsewhere '' 1
await 'another partition' 20 is_counted elsewhere
await 'the internal error' 20 consumer_has_logged one '.event == "attempt_failed" and .event_id == "broken" and .sqlstate == "XX000" and .class == "transient"'
is_waiting() {
  awk -v v="$(consumer_metric one "consumer_waiting_seconds{topic=\"$T\",partition=\"0\"}")" 'BEGIN { exit !(v > 2) }'
}
await 'the partition that waits, in the figures' 20 is_waiting
assert_eq 'a partition that does not wait' 0 "$(consumer_metric one "consumer_waiting_seconds{topic=\"$T\",partition=\"1\"}")"
dead_letters_are 3 || fail 'an internal error of the server was dead-lettered'
place=$T/0/$(consumer_log one 'select(.event == "attempt_failed" and .event_id == "broken") | .offset' | tail -n 1)
consumer_stop one
consumer_start one "$limited" GIVE_UP="$place"
await 'what is behind the event that was given up' 30 is_counted behind-broken
dead_letters_are 4 || fail "dead letters: $(dead_letters)"
assert_eq 'the event that was given up' broken "$(pg "SELECT event_id FROM outbox_binary ORDER BY created_at DESC LIMIT 1")"
consumer_stop one
order_is_kept
