#!/usr/bin/env bash
# The database goes away for ten seconds under a consumer at work: nothing is given up, nothing is lost, nothing is repeated, the group does not notice, and readiness
# says what is wrong.
# tags: real-kafka slow
POSTGRES=own
# shellcheck disable=SC2034
OWN_POSTGRES=()
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 3
events 1 400 | produce
consumer_start one COUNTING_SLOW_MS=5 DATABASE_URL="host=127.0.0.1 port=$PG_PORT user=postgres dbname=$DB"
some_are_counted() {
  [ "$(pg 'SELECT count(*) FROM counted')" -gt 20 ]
}
await 'some events' 30 some_are_counted
process_stop own QUIT # at once, as in a crash: transactions are cut
events 401 500 | produce
await 'readyz says so' 15 consumer_status_is one /readyz 503
consumer_get one /readyz | grep -q database || fail "readyz: $(consumer_get one /readyz)"
assert_eq 'livez' 200 "$(consumer_get_status one /livez)"
sleep 10 # the length of the outage is what is tested
assert_eq 'livez after 10 s' 200 "$(consumer_get_status one /livez)"
postgres_run own
await 'all counted' 40 counted_are 500
await 'readyz' 10 consumer_status_is one /readyz 200
order_is_kept
dead_letters_are 0 || fail 'the outage made dead letters'
assert_eq 'assignments' 1 "$(consumer_log one 'select(.event == "assigned") | .event' | wc -l)"
[ "$(consumer_log one 'select(.event == "attempt_failed") | .event' | wc -l)" -le 12 ] || fail 'the outage filled the log'
consumer_stop one
