#!/usr/bin/env bash
# SIGTERM ends a consumer in time while Kafka is away, or takes connections and does not answer. What it could not commit comes again, and has no second effect.
# tags: slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
own_broker
topics_new 1
events 1 10 | produce

# stops_in_time WHAT
stops_in_time() {
  kill -TERM "${CONSUMER_PID[one]}"
  await "the end, $1" 20 process_is_gone "${CONSUMER_PID[one]}"
}

consumer_start one KAFKA_SESSION_TIMEOUT_MS=45000
await 'all counted' 30 counted_are 10
broker_is down
stops_in_time 'Kafka away'
broker_is up
COUNTING_GROUP=$T.second # the first waits for its member's session to end
consumer_start one KAFKA_SESSION_TIMEOUT_MS=45000
events 11 12 | produce
await 'two more' 30 counted_are 12
kill -STOP "$(process_pid_of own-broker)"
stops_in_time 'Kafka silent'
kill -CONT "$(process_pid_of own-broker)"

# While it asks for the end of a partition that waits for its retry. The question has a thread of its own, beside those of the loop and of the pages.
question_is_under_way() {
  [ "$(grep -l '^counting_' "/proc/${CONSUMER_PID[one]}"/task/*/comm 2>/dev/null | wc -l)" -ge 3 ]
}
COUNTING_GROUP=$T.third
consumer_start one KAFKA_SESSION_TIMEOUT_MS=45000
echo 'k|{"eventId":"e-13","eventType":"Made","n":13,"do":"transient"}' | produce
await 'a retry' 20 consumer_has_logged one '.event == "attempt_failed"'
kill -STOP "$(process_pid_of own-broker)"
await 'a question that is not answered' 30 question_is_under_way
stops_in_time 'a question under way'
kill -CONT "$(process_pid_of own-broker)"
