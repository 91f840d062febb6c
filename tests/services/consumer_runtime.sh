#!/usr/bin/env bash
# What the consumers' runtime promises, on one small consumer: each event takes effect once, in the order of its partition; what fails passes, waits or dies by what its
# failure is, and nothing before or behind it suffers; SIGTERM leaves the group with its offsets committed; wrong settings are told all at once.
# tags: asan real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

program=$BUILD/tests/services/counting_consumer
counting_tables
topics_new 3

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Settings

"$program" --help >help.out || fail '--help does not end with 0'
grep -q '^  DATABASE_URL .*must be set' help.out || fail '--help does not list DATABASE_URL'
code=0
env -i KAFKA_GROUP_ID=x KAFKA_NO_SUCH=1 IDEMPOTENCY=hope "$program" >wrong.out 2>&1 || code=$?
assert_eq 'exit code for wrong settings' 2 "$code"
for name in DATABASE_URL KAFKA_BOOTSTRAP_SERVERS KAFKA_GROUP_ID KAFKA_NO_SUCH IDEMPOTENCY; do
  grep -q "$name" wrong.out || fail "wrong settings: $name is not among $(cat wrong.out)"
done
# Shown all the same, what is wrong marked where it stands, and no secret, be it under a wrong name or in a wrong place.
code=0
env -i DATABASE_URL='dbname=postgres://u:hush@h/d' KAFKA_SASL_PASSWORT=hush KAFKA_ACKS=1 HTTP_PORT=80 LOG_LEVEL=debug "$program" --print-config >config.out 2>config.err || code=$?
assert_eq 'exit code of --print-config for wrong settings' 2 "$code"
grep -q '^LOG_LEVEL=debug  # environment$' config.out || fail "--print-config does not show what is right: $(cat config.out)"
for name in DATABASE_URL KAFKA_BOOTSTRAP_SERVERS KAFKA_SASL_PASSWORT KAFKA_ACKS HTTP_PORT; do
  grep -q "^$name=.*  # WRONG: " config.out || fail "--print-config does not mark $name: $(cat config.out)"
  grep -q "$name" config.err || fail "--print-config does not tell of $name: $(cat config.err)"
done
! grep hush config.out config.err || fail '--print-config shows a secret'
env -i DATABASE_URL=postgresql://u:hush@h/d KAFKA_BOOTSTRAP_SERVERS=b:1 KAFKA_SASL_PASSWORD=hush "$program" --print-config >config.out || fail '--print-config'
! grep hush config.out || fail '--print-config shows a secret'
grep -q '^KAFKA_SASL_PASSWORD=\*\*\*' config.out || fail "--print-config: $(cat config.out)"

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Once, and in order; old records without headers, and new ones with them

events 1 300 | produce
printf 'k1|{"n":301}' | produce -H id=3f2504e0-4f89-41d3-9a0c-0305e82c3301 -H eventType=Made -H correlationId=c-301
printf 'k1|{"n":302}' | produce -H id=3f2504e0-4f89-41d3-9a0c-0305e82c3302 -H eventType=Unheard
printf 'k1|{"n":303,"do":"ignore","eventId":"e-303","eventType":"Made"}' | produce
consumer_start one
await 'all counted' 30 counted_are 301
order_is_kept
assert_eq 'event by header' 301 "$(pg "SELECT n FROM counted WHERE event_id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'")"
metric_is() {
  [ "$(consumer_metric one "$1")" = "$2" ]
}
await 'unhandled types are counted' 5 metric_is "events_consumed_total{service=\"counting-consumer\",topic=\"$T\",type=\"other\",outcome=\"unhandled\"}" 1
await 'ignored events are counted' 5 metric_is "events_consumed_total{service=\"counting-consumer\",topic=\"$T\",type=\"Made\",outcome=\"ignored\"}" 1
await 'handled events are counted' 5 metric_is "events_consumed_total{service=\"counting-consumer\",topic=\"$T\",type=\"Made\",outcome=\"handled\"}" 301
assert_eq 'livez' 200 "$(consumer_get_status one /livez)"
await 'readyz' 10 consumer_status_is one /readyz 200
# The same events once more, as a redelivery would bring them.
events 1 300 | produce
duplicates_are() {
  [ "$(consumer_metric one "consumer_duplicates_total{topic=\"$T\"}")" = "$1" ]
}
await 'duplicates' 20 duplicates_are 300
counted_are 301 || fail 'a repeated event took effect again'
# Each event was in hand once, as a unit of its own, be it for nothing; what took effect has an age at that moment.
await 'events that were in hand' 5 metric_is "consumer_processing_seconds_count{topic=\"$T\"}" 603
assert_eq 'events that took effect' 301 "$(consumer_metric one "consumer_freshness_seconds_count{topic=\"$T\"}")"
lag_is_nothing() {
  # of three partitions, and of the one of $T.bytes
  [ "$(consumer_get one /metrics | awk '/^consumer_lag_records/ { count++; sum += $2 } END { print count + 0, sum + 0 }')" = '4 0' ]
}
await 'lag of each partition is 0' 10 lag_is_nothing

# SIGTERM commits the offsets: with an empty inbox, nothing comes again.
consumer_stop one
consumer_has_logged one '.event == "revoked"' || fail 'the partitions were not given back'
pg 'TRUNCATE inbox'
consumer_start one
printf 'k9|{"eventId":"e-400","eventType":"Made","n":400}' | produce
await 'the next event' 20 counted_are 302

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Failures

# Retried in place: what is behind waits, and keeps its order.
printf '%s\n' 'k2|{"eventId":"f-1","eventType":"Made","n":1,"do":"fail","until":3}' 'k2|{"eventId":"f-2","eventType":"Made","n":2}' \
  'k2|{"eventId":"f-3","eventType":"Made","n":3,"do":"transient","until":2}' 'k2|{"eventId":"f-4","eventType":"Changed","n":4}' | produce
await 'retried events' 30 counted_are 306
assert_eq 'order and attempts' 'f-1/3 f-2/1 f-3/2 f-4/1' "$(pg "SELECT string_agg(event_id || '/' || attempt, ' ' ORDER BY seq) FROM counted WHERE event_id LIKE 'f-%'")"
order_is_kept
dead_letters_are 0 || fail 'something was given up'

# A partition that waits is paused, whatever is behind: more than a lane holds, and none of it is skipped or repeated when it goes on.
{
  echo 'k2|{"eventId":"w-0","eventType":"Made","n":0,"do":"fail","until":3}'
  for ((i = 1; i <= 400; i++)); do
    echo "k2|{\"eventId\":\"w-$i\",\"eventType\":\"Made\",\"n\":$i}"
  done
} | produce
await 'what waited behind a retry' 30 counted_are 707
assert_eq 'order behind a retry' t "$(pg "SELECT bool_and(n = place) FROM (SELECT n, row_number() OVER (ORDER BY seq) - 1 AS place FROM counted WHERE event_id LIKE 'w-%') w")"
pg "DELETE FROM counted WHERE event_id LIKE 'w-%'"

# Given up: at once what is poison or what the database refuses, after its retries what nobody knows; each with what the record was, and the next ones are handled.
printf '%s\n' 'k3|{"eventId":"g-1","eventType":"Made","n":1}' 'k3|{"eventId":"p-1","eventType":"Made","n":2,"do":"poison"}' \
  'k3|{"eventId":"p-2","eventType":"Made","n":-1}' 'k3|{"eventId":"p-3","eventType":"Made","n":3,"do":"fail"}' 'k3|not even close' \
  'k3|{"eventId":"g-2","eventType":"Made","n":2}' | produce
await 'what is behind the poison' 30 counted_are 308
await 'dead letters' 5 dead_letters_are 4
assert_eq 'dead letters in the inbox' 0 "$(pg "SELECT count(*) FROM inbox WHERE event_id LIKE '%/p-%'")"
assert_eq 'topics and keys of dead letters' "$T.dlq|k3" "$(pg "SELECT DISTINCT aggregatetype, convert_from(aggregateid, 'UTF8') FROM outbox_binary")"
assert_eq 'partition of dead letters' "$(pg "SELECT DISTINCT partition FROM counted WHERE event_id LIKE 'g-%'")" "$(pg 'SELECT DISTINCT partition FROM outbox_binary')"
assert_eq 'a dead letter is its record' 'not even close' "$(pg "SELECT convert_from(payload, 'UTF8') FROM outbox_binary WHERE payload = 'not even close'")"
headers_of() {
  pg "SELECT string_agg(h ->> 0 || '=' || convert_from(decode(h ->> 1, 'base64'), 'UTF8'), ' ' ORDER BY h ->> 0) FROM outbox_binary, jsonb_array_elements(headers) h
       WHERE event_id = '$1' AND h ->> 0 LIKE 'dlt.%' AND h ->> 0 ~ 'attempts|class|consumer|sqlstate'"
}
assert_eq 'why p-1 died' 'dlt.attempts=1 dlt.consumer=counting-consumer dlt.error.class=asked_to_die' "$(headers_of p-1)"
assert_match 'why p-2 died' 'dlt.attempts=1 .*dlt.error.sqlstate=23514' "$(headers_of p-2)"
assert_eq 'why p-3 died' 'dlt.attempts=4 dlt.consumer=counting-consumer dlt.error.class=asked_to_fail' "$(headers_of p-3)"
assert_eq 'attempts of p-3 in the log' 3 "$(consumer_log one 'select(.event == "attempt_failed" and .event_id == "p-3") | .attempt' | wc -l)"
# A redrive brings the same event id, and finds the door open.
echo 'k3|{"eventId":"p-3","eventType":"Made","n":3}' | produce
await 'the redriven event' 20 counted_are 309

# An outbox takes no record without a key: this one goes by a producer. It took no JSON either.
printf '\001\002\003' | kcat -P -b "$KAFKA" -t "$T.bytes" || fail 'could not produce'
await 'bytes' 20 counted_are 310
printf 'neither key nor JSON' | kcat -P -b "$KAFKA" -t "$T" -p 2 || fail 'could not produce'
KCAT_FORMAT='%p|%s|%h\n' await_records "$T.dlq" 1 30 >/dev/null
record=$(KCAT_FORMAT='%p|%k|%s|%h\n' read_topic "$T.dlq")
assert_match 'the dead letter without a key' '^2\|\|neither key nor JSON\|id=.*dlt.error.class=not_json' "$record"

# An effect that is an event: in the outbox, with the incoming event's correlation id and as its effect.
printf 'k4|{"n":5,"do":"publish"}' | produce -H id=3f2504e0-4f89-41d3-9a0c-0305e82c3305 -H eventType=Made -H correlationId=c-305
await 'the event that publishes' 20 counted_are 311
assert_eq 'the published event' "$T.counted|Counted|c-305|3f2504e0-4f89-41d3-9a0c-0305e82c3305|counting-consumer" \
  "$(pg "SELECT aggregatetype, type, headers ->> 'correlationId', headers ->> 'causationId', headers ->> 'source' FROM outbox")"
assert_eq 'lines that hold a payload' 0 "$(grep -cE 'not even close|neither key|"n\\?":' "${CONSUMER_LOG[one]}" || true)"
consumer_stop one

# A topic that is not there is reported, and does not hold up the others; once it is there it is read.
topic_create "$T.later.bytes" 1
consumer_start one COUNTING_TOPIC="$T.later" KAFKA_TOPIC_METADATA_REFRESH_INTERVAL_MS=1000
await 'the missing topic is told' 20 consumer_has_logged one '.event == "kafka_trouble" and (.error | test("UNKNOWN_TOPIC"))'
printf 'not held up' | kcat -P -b "$KAFKA" -t "$T.later.bytes"
await 'the event of the other topic' 20 counted_are 312
topic_create "$T.later" 1
kcat -P -b "$KAFKA" -t "$T.later" <<<'{"eventId":"later-1","eventType":"Made","n":1}'
await 'the event of the late topic' 30 counted_are 313
# The dead-letter topic is not there: the record waits for it, and is not given up in another way.
printf 'nobody is waiting' | kcat -P -b "$KAFKA" -t "$T.later"
await 'the dead letter that finds no topic' 30 consumer_has_logged one '.event == "dead_letter_failed"'
topic_create "$T.later.dlq" 1
await_records "$T.later.dlq" 1 60 | grep -q '^|nobody is waiting|' || fail "dead letters: $(read_topic "$T.later.dlq")"
consumer_stop one

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# In batches: one that fails costs its batch a second run, one by one, and the others nothing.

{
  events 1001 1100
  echo 'k3|{"eventId":"p-9","eventType":"Made","n":2,"do":"poison"}'
  events 1101 1200
} | produce
before=$(dead_letters)
consumer_start two COUNTING_BATCH=50 COUNTING_WAIT_MS=200
await 'batches' 30 counted_are 513
assert_eq 'dead letters of batches' $((before + 1)) "$(dead_letters)"
consumer_has_logged two '.event == "batch_split"' || fail 'no batch was split'
order_is_kept
consumer_stop two

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Beginnings and ends

# A static member gets its partitions back at once, however it ended.
consumer_start one GROUP_INSTANCE_ID=same
port=${CONSUMER_PORT[one]}
code=0
env -i DATABASE_URL=postgresql://h/d KAFKA_BOOTSTRAP_SERVERS="$KAFKA" HTTP_LISTEN="127.0.0.1:$port" timeout 20 "$program" >taken.out 2>&1 || code=$?
assert_eq 'exit code where the address is taken' 2 "$code"
grep -q "$port" taken.out || fail "the address that is taken is not named: $(cat taken.out)"
grep -q 'set HTTP_LISTEN to another port' taken.out || fail "the setting that mends it is not named: $(cat taken.out)"
# The first signal lets the event in hand end; the second does not.
is_in_hand() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'counting-consumer' AND state = 'idle in transaction'")" = 1 ]
}
# in_hand ID: an event that is in hand until $RUN/ID is there.
in_hand() {
  printf 'wait %s' "$RUN/$1" | kcat -P -b "$KAFKA" -t "$T.bytes" -H "id=$1" || fail 'could not produce'
  await 'an event in hand' 20 test -e "$RUN/$1.waits"
  await 'its transaction' 5 is_in_hand
}
in_hand slow-1
kill -TERM "${CONSUMER_PID[one]}"
await 'the signal is seen' 5 consumer_status_is one /readyz 503
touch "$RUN/slow-1"
consumer_ends one
assert_eq 'exit code after SIGTERM' 0 "$CONSUMER_EXIT"
assert_eq 'the event in hand was finished' 1 "$(pg "SELECT count(*) FROM counted WHERE event_id = 'slow-1'")"
consumer_start one GROUP_INSTANCE_ID=same
in_hand slow-2
kill -TERM "${CONSUMER_PID[one]}"
await 'the first signal is seen' 5 consumer_status_is one /readyz 503
kill -TERM "${CONSUMER_PID[one]}"
consumer_ends one 1
[ "$CONSUMER_EXIT" != 0 ] || fail 'a second signal is no orderly end'
touch "$RUN/slow-2"
consumer_start one GROUP_INSTANCE_ID=same
await 'the event that was cut' 20 counted_are 515
consumer_stop one

# A program with a table of its own for what was handled has neither inbox nor choice.
before=$(pg 'SELECT count(*) FROM inbox')
COUNTING_OWN_IDEMPOTENCE=1 "$program" --help >own.out
! grep -q IDEMPOTENCY own.out || fail "a choice of idempotence where there is none: $(cat own.out)"
consumer_start one GROUP_INSTANCE_ID=same COUNTING_OWN_IDEMPOTENCE=1
echo 'k1|{"eventId":"own-1","eventType":"Made","n":1}' | produce
await 'the event without an inbox' 20 counted_are 516
assert_eq 'rows in the inbox' "$before" "$(pg 'SELECT count(*) FROM inbox')"
consumer_stop one

# Of two static members with one name the elder goes.
consumer_start one GROUP_INSTANCE_ID=same
consumer_start two GROUP_INSTANCE_ID=same
consumer_ends one
assert_eq 'exit code of the member that was replaced' 6 "$CONSUMER_EXIT"
consumer_stop two
