#!/usr/bin/env bash
# The database goes away under a consumer at work, for a minute in a campaign: of the events nothing is lost, repeated or given up but what asks for it, and that lies
# between the others, before and in the outage, and is given up once. The group does not notice, and readiness says what is wrong.
# row: C-04 database away under a consumer for a minute, poison between good events
# tags: real-kafka slow
POSTGRES=own
# shellcheck disable=SC2034
OWN_POSTGRES=()
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

# poison NUMBER...: events that can never succeed, p-NUMBER.
poison() {
  local n
  for n in "$@"; do
    printf 'k%d|{"eventId":"p-%d","eventType":"Made","n":1,"do":"poison"}\n' $((n % 7)) "$n"
  done
}

seconds=$(times 5 60)
counting_tables
topics_new 3
{
  events 1 10
  poison 1 2
  events 11 400
  poison 3
} | produce
consumer_start one COUNTING_SLOW_MS=5 DATABASE_URL="host=127.0.0.1 port=$PG_PORT user=postgres dbname=$DB"
some_are_counted() {
  [ "$(pg 'SELECT count(*) FROM counted')" -gt 20 ]
}
await 'some events' 30 some_are_counted
fault_begins 'database away'
postgres_kill own # as in a crash: transactions are cut
{
  poison 4
  events 401 500
  poison 5 6
  events 501 510
} | produce
await 'readyz says so' 15 consumer_status_is one /readyz 503
consumer_get one /readyz | grep -q database || fail "readyz: $(consumer_get one /readyz)"
assert_eq 'livez' 200 "$(consumer_get_status one /livez)"
sleep "$seconds" # the length of the outage is what is tested
assert_eq "livez after $seconds s" 200 "$(consumer_get_status one /livez)"
postgres_run own
fault_ends 'database away'
recovered=$EPOCHREALTIME
await_counted 510 40
figure 'all events handled after the database was back' "$(seconds_since "$recovered")" s
await 'readyz' 10 consumer_status_is one /readyz 200
order_is_kept
await 'the poison in the dead letters' 10 dead_letters_are 6
assert_eq 'dead letters' 'p-1 p-2 p-3 p-4 p-5 p-6' "$(pg "SELECT string_agg(event_id, ' ' ORDER BY event_id) FROM outbox_binary")"
assert_eq 'assignments' 1 "$(consumer_log one 'select(.event == "assigned") | .event' | wc -l)"
[ "$(consumer_log one 'select(.event == "attempt_failed") | .event' | wc -l)" -le 12 ] || fail 'the outage filled the log'
consumer_stop one
