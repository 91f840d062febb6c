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

# While it asks for the end of a partition that waits for its retry. The question has a thread of its own, beside those of the loop and of the pages.
question_is_under_way() {
  [ "$(grep -l '^counting_' "/proc/${CONSUMER_PID[again]}"/task/*/comm 2>/dev/null | wc -l)" -ge 3 ]
}
echo 'k|{"eventId":"e-23","eventType":"Made","n":23,"do":"transient"}' | produce
await 'a retry' 20 consumer_has_logged again '.event == "attempt_failed"'
kill -STOP "$(process_pid_of own-broker)"
await 'a question that is not answered' 30 question_is_under_way
kill -TERM "${CONSUMER_PID[again]}"
await 'the end, a question under way' 20 process_is_gone "${CONSUMER_PID[again]}"
kill -CONT "$(process_pid_of own-broker)"
