#!/usr/bin/env bash
# consumer_lag_records counts what waits behind an event that fails, however long it fails: its partition is not fetched from, and those who look at the figure
# must see it grow. The partition beside it is at its end all the while, and the group keeps its member, though the retry lasts longer than
# max.poll.interval.ms. Once they take effect, consumer_freshness_seconds has the age of all that waited, and consumer_processing_seconds has not.
# tags: real-kafka
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 2
# shellcheck disable=SC2016
pg 'CREATE FUNCTION run_sql(sql text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE sql; END $$'

# lag_is PARTITION RECORDS: a series that is not there is no lag of 0. Of a partition that waits the broker is asked every 10 s (LOOP_ENDS_INTERVAL_MS).
lag_is() {
  [ "$(consumer_metric one "consumer_lag_records{topic=\"$T\",partition=\"$1\"}")" = "$2" ]
}

# is_waiting [SECONDS]: for longer than that
is_waiting() {
  awk -v seconds="$(consumer_metric one "consumer_waiting_seconds{topic=\"$T\",partition=\"0\"}")" -v than="${1:-0}" 'BEGIN { exit !(seconds > than) }'
}

# figure NAME: of the records of $T
figure() {
  consumer_metric one "consumer_$1{topic=\"$T\"}"
}

figure_is() {
  [ "$(figure "$1")" = "$2" ]
}

consumer_start one COUNTING_SLOW_MS=20 KAFKA_MAX_POLL_INTERVAL_MS=6000
events 1 20 | produce
await_counted 20
await 'lag of partition 0 at its end' 10 lag_is 0 0
await 'lag of partition 1 at its end' 10 lag_is 1 0

first=$EPOCHREALTIME
echo 'k|{"eventId":"held","eventType":"Made","n":1,"do":"sql","sql":"SELECT FROM gate"}' | produce -p 0
await 'the event that waits for a table' 20 is_waiting
await 'lag of that event alone' 10 lag_is 0 1
events 101 105 | produce -p 0
await 'lag of the event and of five behind it' 40 lag_is 0 6
events 106 505 | produce -p 0
last=$EPOCHREALTIME
await 'lag of more than a lane holds' 40 lag_is 0 406
events 601 610 | produce -p 1
await_counted 30
await 'lag of the partition that does not wait' 10 lag_is 1 0
lag_is 0 406 || fail "lag of the partition that waits: $(consumer_get one /metrics | grep '^consumer_lag_records')"

# What failed is not among what was done.
await 'events in hand' 5 figure_is processing_seconds_count 30
assert_eq 'events with an age' 30 "$(figure freshness_seconds_count)"
assert_number 'seconds that 30 handlers took, 20 ms each' "$(figure processing_seconds_sum)" '>=' 0.6

# Heartbeats are librdkafka's own: who does not poll is thrown out for that alone.
await 'a retry that lasts longer than max.poll.interval.ms' 20 is_waiting 9
assert_eq 'what the group has taken away' '' "$(consumer_log one 'select(.event == "revoked" or .event == "kafka_trouble") | "\(.event) \(.message // .partitions)"')"

# Whoever comes next begins at the event that waited, and by a retry of its own.
consumer_stop one
consumer_start one
await 'the same lag, of another process' 40 lag_is 0 406
opened=$EPOCHREALTIME
pg 'CREATE TABLE gate ()'
await_counted 436
await 'lag once all is done' 10 lag_is 0 0
await 'all with an age' 5 figure_is freshness_seconds_count 406
await 'all in hand, once' 5 figure_is processing_seconds_count 406
assert_number 'seconds that they waited, all together' "$(figure freshness_seconds_sum)" '>=' "$(awk -v a="$last" -v b="$opened" 'BEGIN { print 405 * (b - a) }')"
assert_number 'the same' "$(figure freshness_seconds_sum)" '<=' "$(awk -v a="$first" -v b="$EPOCHREALTIME" 'BEGIN { print 406 * (b - a) }')"
assert_number 'seconds that handling them took' "$(figure processing_seconds_sum)" '<' "$(awk -v a="$opened" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')"
order_is_kept
consumer_stop one
