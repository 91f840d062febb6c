#!/usr/bin/env bash
# One event that fails holds up its neighbours no longer than it must. In a batch it is alone at once, whatever it fails for; a batch whose session somebody ends stays one,
# and one whose session an event of its own ends, again and again, does not. An event that ends its session is tried again after longer and longer times, though the
# database is there all the while.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 2
# shellcheck disable=SC2016
pg 'CREATE FUNCTION run_sql(sql text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE sql; END $$' 'CREATE SEQUENCE ends'
ends_session='pg_terminate_backend(pg_backend_pid()) AND pg_sleep(10) IS NULL'

# special NUMBER JSON-MEMBERS: one line for produce
special() {
  printf 'k|{"eventId":"e-%d","eventType":"Made","n":%d,%s}\n' "$1" "$1" "$2"
}

# ends_its_session NUMBER SQL-CONDITION
ends_its_session() {
  special "$1" "\"do\":\"sql\",\"sql\":$(jq -Rn --arg sql "SELECT CASE WHEN $2 THEN $ends_session END" '$sql')"
}

splits() {
  consumer_log one 'select(.event == "batch_split") | "\(.events) \(.class)"' | paste -sd ,
}

failures() {
  consumer_log one 'select(.event == "attempt_failed" and .class == "transient") | .event' | wc -l
}

batches=(COUNTING_BATCH=100 COUNTING_WAIT_MS=3000)

echo '--- an event that waits for the world'
{
  events 1 60
  special 61 '"do":"transient","until":3'
  events 62 100
} | produce -p 0
consumer_start one "${batches[@]}"
await_counted 100 20
assert_eq 'batches that were split' '100 transient' "$(splits)"
consumer_stop one

echo '--- a session that somebody ends'
events 101 200 | produce -p 0
failed=$(failures)
consumer_start one "${batches[@]}" COUNTING_SLOW_MS=20
session_is_ended() {
  [ "$(pg "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '$DB' AND application_name = 'counting-consumer' AND state = 'idle in transaction'")" -gt 0 ]
}
await 'the batch is in hand, and its session is ended' 20 session_is_ended
await_counted 200 30
assert_number 'attempts that failed' "$(failures)" '>' "$failed"
assert_eq 'batches that were split' '100 transient' "$(splits)"
consumer_stop one

echo '--- an event that ends the session of its batch'
{
  events 201 250
  ends_its_session 251 "nextval('ends') < 4"
  events 252 300
} | produce -p 0
consumer_start one "${batches[@]}"
await_counted 300 20
assert_eq 'batches that were split' '100 transient,99 transient' "$(splits)"
consumer_stop one
order_is_kept

echo '--- an event that ends its own session, among others'
ends_its_session 0 true | produce -p 0
consumer_start one
await 'its first attempt' 20 consumer_has_logged one '.event == "attempt_failed" and .event_id == "e-0"'
began=$SECONDS
away=$(consumer_log one 'select(.event == "database_away") | .event' | wc -l)
events 301 600 | produce -p 1
await_counted 600 60
retries=$(consumer_metric one "consumer_retries_total{topic=\"$T\",class=\"transient\"}")
echo "attempts of it in $((SECONDS - began)) s: $retries"
# 1 s, 2 s, 4 s ..., each of them halved by chance at most
assert_number 'attempts of the event that ends its session' "$retries" '<=' $((4 + (SECONDS - began) / 4))
assert_eq 'times that the database was thought to be away' "$away" "$(consumer_log one 'select(.event == "database_away") | .event' | wc -l)"
assert_eq 'readyz' 200 "$(consumer_get_status one /readyz)"
consumer_stop one
