#!/usr/bin/env bash
# A consumer without a database: what it is told and refuses; its events, each once, and its dead letters, which are those that the outbox would have carried, by a producer.
# While Redis is away nothing passes, and nothing is given up. What holds a letter is in no_database_letter_waits.sh, that it is killed in no_database_killed.sh.
# tags: real-kafka slow asan
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"
# shellcheck source=tests/services/filing.bash
. "${BASH_SOURCE[0]%/*}/filing.bash"

echo '--- what it refuses'
# refuses WORDS [VARIABLE=VALUE...]
refuses() {
  local words=$1 code=0
  shift
  env -i KAFKA_BOOTSTRAP_SERVERS="$KAFKA" HTTP_LISTEN=127.0.0.1:0 "$@" timeout 20 "$BUILD/tests/services/filing_consumer" >refused.out 2>&1 || code=$?
  assert_eq "exit code with $*" 2 "$code"
  grep -qF -- "$words" refused.out || fail "with $* it does not say \"$words\": $(cat refused.out)"
}
refuses 'DATABASE_URL: is set, and this consumer has no database' DATABASE_URL=postgresql://u:hush@h/d IDEMPOTENCY=none
! grep -q hush refused.out || fail 'it shows the password'
refuses 'DATABASE_URL_FILE: is set, and this consumer has no database' DATABASE_URL_FILE=/nowhere IDEMPOTENCY=none
refuses 'IDEMPOTENCY: is not set'
refuses 'IDEMPOTENCY: must be redis or none' IDEMPOTENCY=inbox

echo '--- a letter is the one that the outbox would have carried'
counting_tables
filing_new none 3
topic_create "$T.dlq" 3
topic_create "$T.bytes" 1
relay_carries_letters
relay_init
relay_start
printf '{"n":  1, "do": "poison", "name": "\303\244\\u00e4"}' >"$RUN/value"
kcat -P -b "$KAFKA" -t "$T" -p 2 -k 'ke y' -H id=5b7e9f6e-3f0c-4b55-9d8f-0d5d7c1e2a11 -H eventType=Made -H correlationId=c-1 -H note= -H lsn=0/1/0 "$RUN/value" || fail 'could not produce'
consumer_start one "${WITHOUT_DATABASE[@]}" IDEMPOTENCY=none
await 'the letter of the producer' 30 letters_are 1
CONSUMER_PROGRAM=counting_consumer consumer_start with GROUP_ID="$T.with"
await 'the letter of the outbox' 30 letters_are 2
dead_letters_are 1 || fail 'it did not go by the outbox'

# letter OFFSET: a line for each of its parts. The bytes of Spring's numbers may be anything, the same in both.
letter() {
  KCAT_FORMAT='key=%k,value=%s,partition=%p,%h' kcat_read -t "$T.dlq" -p 2 -o "$1" -c 1 | tr ',\0' '\n?' | LC_ALL=C sort
}
# part NAME: of the producer's letter.
part() {
  LC_ALL=C sed -n "s/^$1=//p" letter.producer
}
# without_who_and_when: what must differ: the consumer's name and group, times, and the relay's own header.
without_who_and_when() {
  LC_ALL=C sed -E '/^(lsn|dlt\.first-failure|dlt\.last-failure|kafka_dlt-original-consumer-group)=/d; s/(filing|counting)-consumer/CONSUMER/' "$1"
}
letter 0 >letter.producer
letter 1 >letter.outbox
without_who_and_when letter.producer >produced
without_who_and_when letter.outbox >relayed
assert_same_file 'the two letters' relayed produced
assert_eq 'key' 'ke y' "$(part key)"
kcat_read -t "$T.dlq" -p 2 -o 0 -c 1 -f %s >letter.value
assert_same_file 'value' "$RUN/value" letter.value
assert_eq 'id' 5b7e9f6e-3f0c-4b55-9d8f-0d5d7c1e2a11 "$(part id)"
assert_eq 'eventType' Made "$(part eventType)"
assert_eq 'its own header' c-1 "$(part correlationId)"
assert_eq 'the lsn that it had' 0/1/0 "$(part dlt.original.lsn)"
assert_eq 'the lsn that it has' '' "$(part lsn)"
assert_eq 'Spring: topic' "$T" "$(part kafka_dlt-original-topic)"
assert_eq 'Spring: group' "$T" "$(part kafka_dlt-original-consumer-group)"
assert_eq 'Connect' 'event asked to die' "$(part __connect.errors.exception.message)"
assert_eq 'consumer' filing-consumer "$(part dlt.consumer)"
assert_eq 'class' asked_to_die "$(part dlt.error.class)"
assert_eq 'attempts' 1 "$(part dlt.attempts)"
assert_match 'time' "^20[0-9-]+T[0-9:.]+Z$" "$(part dlt.last-failure)"
consumer_stop with
relay_stop

echo '--- IDEMPOTENCY=none'
{
  events 1 30
  poison p-1
  echo 'k1|{"eventId":"f-1","eventType":"Made","n":1,"do":"fail","until":3}'
  echo 'k2|{"eventId":"f-2","eventType":"Made","n":1,"do":"fail"}'
  echo 'k3|{"eventId":"i-1","eventType":"Made","n":1,"do":"ignore"}'
  echo 'k4|no event'
  events 31 60
} | produce
await 'all filed' 40 filed_are 61
await 'the letters' 20 letters_are 5
assert_eq 'lines out of their partition'\''s order' '' "$(awk '$2 in at && $3 <= at[$2] { print } { at[$2] = $3 }' "$FILED")"
assert_eq 'attempts of the event that failed twice' 3 "$(awk '$1 == "f-1" { print $4 }' "$FILED")"
assert_eq 'readyz' 'ok' "$(consumer_get one /readyz)"
outcomes_are() {
  local outcome=$1
  [ "$(consumer_metric one "events_consumed_total{service=\"filing-consumer\",topic=\"$T\",type=\"Made\",outcome=\"$outcome\"}")" = "$2" ]
}
await 'all handled' 20 outcomes_are handled 61
await 'one ignored' 20 outcomes_are ignored 1
assert_eq 'dead letters for ever' 3 "$(consumer_metric one "consumer_dead_letters_total{topic=\"$T\",class=\"permanent\"}")"
assert_eq 'dead letters of unknown reason' 1 "$(consumer_metric one "consumer_dead_letters_total{topic=\"$T\",class=\"unknown\"}")"
! consumer_has_logged one '.event // "" | startswith("database_")' || fail 'it speaks of a database'
consumer_stop one

echo '--- IDEMPOTENCY=redis'
filing_new redis 3
topic_create "$T.dlq" 3
redis_start redis
redis() {
  redis-cli -h 127.0.0.1 -p "$REDIS_PORT" "$@"
}
with_redis=("${WITHOUT_DATABASE[@]}" IDEMPOTENCY=redis REDIS_URL="redis://127.0.0.1:$REDIS_PORT" IDEMPOTENCY_TTL_S=600)
consumer_start two "${with_redis[@]}"
{
  events 1 50
  poison p-1
  events 1 50
  events 51 51
} | produce
await 'each once' 40 filed_are 51
await 'the letter' 20 letters_are 1
duplicates_are() {
  [ "$(consumer_metric two "consumer_duplicates_total{topic=\"$T\"}")" = "$1" ]
}
await 'fifty duplicates' 20 duplicates_are 50
assert_eq 'the key of the dead letter' 0 "$(redis EXISTS "filing-consumer:$T/p-1")"

echo '--- Redis is away'
process_stop redis
{
  events 52 60
  poison p-2
} | produce
await 'the failure' 20 consumer_has_logged two '.event == "attempt_failed" and .class == "transient" and .cause == "redis"'
assert_eq 'readyz: Redis is no part of it' 200 "$(consumer_get_status two /readyz)"
filed_are 51 || fail 'an event passed without a reservation'
letters_are 1 || fail 'the absence of Redis made a dead letter'
redis_start redis
await 'Redis is back' 60 filed_are 60
await 'the letter behind it' 60 letters_are 2
assert_eq 'the letters' 'p-1 p-2' "$(letter_ids | paste -sd ' ')"
consumer_stop two
