#!/usr/bin/env bash
# IDEMPOTENCY=redis, as a document wants it: reserve, effect, done; a failed event gives its reservation back. And what it cannot do: a crash between the reservation and
# the effect loses the event until the key expires, which the inbox does not.
# tags: real-kafka
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 1
redis_start redis
redis() {
  redis-cli -h 127.0.0.1 -p "$REDIS_PORT" "$@"
}
# shellcheck disable=SC2034
WITH_REDIS=(IDEMPOTENCY=redis REDIS_URL="redis://127.0.0.1:$REDIS_PORT" IDEMPOTENCY_TTL_S=600)

consumer_start one "${WITH_REDIS[@]}"
{
  events 1 50
  events 1 50
  echo 'k1|{"eventId":"f-1","eventType":"Made","n":1,"do":"fail","until":3}'
  echo 'k1|{"eventId":"p-1","eventType":"Made","n":1,"do":"poison"}'
  echo 'k1|{"eventId":"e-51","eventType":"Made","n":51}'
} | produce
await 'all counted' 30 counted_are 52
assert_eq 'rows in the inbox' 0 "$(pg 'SELECT count(*) FROM inbox')"
assert_eq 'attempts of the event that failed' 3 "$(pg "SELECT attempt FROM counted WHERE event_id = 'f-1'")"
dead_letters_are 1 || fail "dead letters: $(dead_letters)"
assert_eq 'duplicates' 50 "$(consumer_metric one "consumer_duplicates_total{topic=\"$T\"}")"
assert_eq 'keys' 52 "$(redis DBSIZE)"
assert_eq 'the key of the dead letter' 0 "$(redis EXISTS "counting-consumer:$T/p-1")"
consumer_stop one

# Redis is away: nothing is let through, nothing is given up.
process_stop redis
consumer_start one "${WITH_REDIS[@]}"
events 52 52 | produce
await 'the failure' 20 consumer_has_logged one '.event == "attempt_failed" and .event_id == "e-52" and .class == "transient"'
counted_are 52 || fail 'an event passed without a reservation'
redis_start redis
await 'Redis is back' 40 counted_are 53
dead_letters_are 1 || fail 'the absence of Redis made a dead letter'
consumer_stop one

# Redis does not take back the reservation of an event that is to be given up: the letter waits, since its redrive would pass for a repetition. Scripts alone are refused.
# What was done before is still done: its reservation stands for it.
redis ACL SETUSER default -eval >/dev/null
consumer_start one "${WITH_REDIS[@]}"
events 53 53 | produce
await 'an effect' 20 counted_are 54
await 'the key that does not say DONE' 20 consumer_has_logged one '.event == "reservation_not_kept" and .step == "done" and .event_id == "e-53" and .correlation_id == "e-53"'
events 53 53 | produce
duplicates_are() {
  [ "$(consumer_metric one "consumer_duplicates_total{topic=\"$T\"}")" = "$1" ]
}
await 'the repetition' 20 duplicates_are 1
echo 'k1|{"eventId":"p-2","eventType":"Made","n":1,"do":"poison"}' | produce
await 'the letter that waits' 20 consumer_has_logged one '.event == "dead_letter_failed" and .event_id == "p-2" and .cause == "redis"'
dead_letters_are 1 || fail 'a letter was written, and the key of its event is still there'
redis ACL SETUSER default +eval >/dev/null
await 'the letter' 60 dead_letters_are 2
assert_eq 'the key of the dead letter' 0 "$(redis EXISTS "counting-consumer:$T/p-2")"
echo 'k1|{"eventId":"p-2","eventType":"Made","n":2}' | produce # mended, and redriven
await 'the event that was redriven' 20 counted_are 55
consumer_stop one

# The hole: killed with the reservation taken and the effect not there.
# A static member gets its partition back at once.
consumer_start one "${WITH_REDIS[@]}" GROUP_INSTANCE_ID=one COUNTING_SLOW_MS=60000
events 60 60 | produce
is_reserved() {
  [ "$(redis EXISTS "counting-consumer:$T/e-60")" = 1 ]
}
await 'the reservation' 20 is_reserved
consumer_kill one
consumer_start one "${WITH_REDIS[@]}" GROUP_INSTANCE_ID=one
events 61 61 | produce
await 'the event behind it' 30 counted_are 56
assert_eq 'the event that was lost' 0 "$(pg "SELECT count(*) FROM counted WHERE event_id = 'e-60'")"
redis DEL "counting-consumer:$T/e-60" >/dev/null # as when it expires
events 60 60 | produce
await 'the lost event, after its key' 20 counted_are 57

# Redis loses its keys: what comes again takes effect again.
redis FLUSHALL >/dev/null
events 1 1 | produce
was_counted_twice() {
  [ "$(pg "SELECT count(*) FROM counted WHERE event_id = 'e-1'")" = 2 ]
}
await 'a second effect' 20 was_counted_twice
consumer_stop one
