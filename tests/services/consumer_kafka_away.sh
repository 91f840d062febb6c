#!/usr/bin/env bash
# The broker goes away under a consumer at work and comes back: what was fetched is finished, nothing is lost or repeated, the process stays, and a SIGTERM meanwhile ends
# it with 0 in bounded time.
# tags: slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

own_broker
counting_tables
topics_new 3
events 1 300 | produce
consumer_start one COUNTING_SLOW_MS=5
some_are_counted() {
  [ "$(pg 'SELECT count(*) FROM counted')" -gt 20 ]
}
await 'some events' 30 some_are_counted
broker_is down
await 'the trouble is told' 30 consumer_has_logged one '.event == "kafka_trouble"'
assert_eq 'livez' 200 "$(consumer_get_status one /livez)"
broker_is up
events 301 400 | produce
await 'all counted' 60 counted_are 400
order_is_kept
dead_letters_are 0 || fail 'the outage made dead letters'

broker_is down
began=$SECONDS
consumer_stop one # which waits for 20 s: 13 of them may be the group's and the client's (docs/services.md)
echo "the end took $((SECONDS - began)) s"
broker_is up
events 401 420 | produce
consumer_start one
await 'the rest' 60 counted_are 420
consumer_stop one
