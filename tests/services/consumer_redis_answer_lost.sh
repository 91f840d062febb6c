#!/usr/bin/env bash
# IDEMPOTENCY=redis, and Redis stands still: it does later what it was asked, and nobody hears its answer. A consumer that stops before it asked again gives the reservation
# back, so that the next owner of the partition does not take the event for a duplicate and commit its offset.
# tags: real-kafka
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 1
redis_start redis
# keys_are COUNT: of e-1. False also where Redis does not answer.
keys_are() {
  [ "$(redis-cli -h 127.0.0.1 -p "$REDIS_PORT" EXISTS "counting-consumer:$T/e-1")" = "$1" ]
}
has_failed_four_times() {
  [ "$(consumer_metric one "consumer_retries_total{topic=\"$T\",class=\"transient\"}")" = 4 ]
}
# shellcheck disable=SC2034
WITH_REDIS=(IDEMPOTENCY=redis REDIS_URL="redis://127.0.0.1:$REDIS_PORT" IDEMPOTENCY_TTL_S=600)

consumer_start one "${WITH_REDIS[@]}"
kill -STOP "$(process_pid_of redis)"
events 1 1 | produce
await 'a wait of four seconds or more' 50 has_failed_four_times
kill -CONT "$(process_pid_of redis)"
await 'the reservation that nobody heard of' 3 keys_are 1
counted_are 0 || fail 'the consumer has asked again already: nothing is shown'
consumer_stop one
keys_are 0 || fail 'the reservation is still there'
! consumer_has_logged one '.event == "reservation_not_kept"' || fail 'the log says that Redis did not take it back'
consumer_start one "${WITH_REDIS[@]}"
events 2 2 | produce
await 'both events' 30 counted_are 2
consumer_stop one
