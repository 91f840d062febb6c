#!/usr/bin/env bash
# SIGTERM ends a consumer in time while Kafka is away, or takes connections and does not answer. What it could not commit comes again, and has no second effect.
# tags: slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
# A broker for each, so that they can end side by side.
embedded_broker_start silent-broker
topics_new 1
events 11 20 | produce
consumer_start silent KAFKA_SESSION_TIMEOUT_MS=45000
own_broker
topics_new 1
events 1 10 | produce
consumer_start away KAFKA_SESSION_TIMEOUT_MS=45000
await 'all counted' 30 counted_are 20

broker_is down
kill -STOP "$(process_pid_of silent-broker)"
began=$SECONDS
kill -TERM "${CONSUMER_PID[away]}" "${CONSUMER_PID[silent]}"
await 'the end, Kafka away' 20 process_is_gone "${CONSUMER_PID[away]}"
await 'the end, Kafka silent' $((began + 20 - SECONDS)) process_is_gone "${CONSUMER_PID[silent]}"
kill -CONT "$(process_pid_of silent-broker)"

broker_is up
COUNTING_GROUP=$T.second # the first waits for its member's session to end
consumer_start again KAFKA_SESSION_TIMEOUT_MS=45000
events 21 22 | produce
await 'two more' 30 counted_are 22
consumer_stop again
