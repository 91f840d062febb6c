#!/usr/bin/env bash
# A consumer dies, as if killed, at each step between a record and its offset, one event at a time and in batches: at every crash point that fault_point.h in
# cdc-relay/lib has for consumers, the next life finding what the last one left.
#
#   inbox    each event's effect is there once, in the order of its partition, and nothing is given up but what asks for it, with one letter each. A letter that went
#            by a producer (the outbox takes none without a key) is there once more for each death between it and its offset
#   Redis    never twice. The one event in hand is lost where docs/guarantees.md says so, and nowhere else: reserved, and its effect not committed
# row: C-01 consumer killed at each step from a record to its offset
# tags: real-kafka slow
# build: faults
# seconds: 1500
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

counting_tables
topics_new 3
sent=0
letters=0
deaths=0
declare -A died with_redis_died

# more COUNT: so many new events.
more() {
  events $((sent + 1)) $((sent + $1)) | produce
  sent=$((sent + $1))
}

# more_poison: a letter that fits the outbox, and one that does not.
more_poison() {
  letters=$((letters + 1))
  more 10
  echo "k$((letters % 7))|{\"eventId\":\"p-$letters\",\"eventType\":\"Made\",\"n\":1,\"do\":\"poison\"}" | produce
  printf '{"eventId":"q-%d","eventType":"Made","n":1,"do":"poison"}' "$letters" | kcat -P -b "$KAFKA" -t "$T" || fail 'could not produce'
  more 10
}

# dies_at POINT PASSAGE [VARIABLE=VALUE...]: one life, which ends there. A static member gets its partitions at once.
dies_at() {
  local point=$1 passage=$2
  shift 2
  fault_begins "consumer dies at $point"
  CDC_CRASH_POINT=$point:$passage consumer_launch victim GROUP_INSTANCE_ID=victim "$@"
  await "passage $passage of $point ($*)" 30 process_is_gone "${CONSUMER_PID[victim]}"
  consumer_ends victim
  fault_ends "consumer dies at $point"
  assert_eq "exit code at passage $passage of $point" 137 "$CONSUMER_EXIT"
  deaths=$((deaths + 1))
  died[$point]=$((${died[$point]:-0} + 1))
}

# dies_among_events POINT BATCH [VARIABLE=VALUE...]: at a passage that is reached for certain, since there are at least 60 events to come. Offsets go every 200 ms.
dies_among_events() {
  local point=$1 batch=$2 slow=0 passages=$(($2 == 1 ? 40 : 3))
  shift 2
  if [[ $point == *_OFFSET ]]; then
    slow=10 passages=2
  fi
  more 60
  dies_at "$point" $((1 + $(random $passages))) COUNTING_BATCH="$batch" COUNTING_SLOW_MS="$slow" "$@"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# The inbox

for ((round = 0; round < $(times 1 15); round++)); do
  for batch in 1 20; do
    for point in BEFORE_INBOX AFTER_INBOX AFTER_EFFECT COMMIT_SENT AFTER_COMMIT BEFORE_OFFSET AFTER_OFFSET; do
      dies_among_events $point $batch
    done
    for point in BEFORE_LETTER AFTER_LETTER; do
      more_poison
      dies_at $point $((1 + $(random 2))) COUNTING_BATCH=$batch
    done
  done
done
consumer_start victim GROUP_INSTANCE_ID=victim
await_counted "$sent"
order_is_kept
await "$letters dead letters by the outbox" 20 dead_letters_are "$letters"
KCAT_FORMAT='%h\n' await_records "$T.dlq" "$letters" 30 >"$RUN/letters"
assert_eq 'what lies in the inbox' "$sent" "$(pg 'SELECT count(*) FROM inbox')"
assert_eq 'dead letters by the outbox, each once' "$(seq -f 'p-%.0f' "$letters" | LC_ALL=C sort)" "$(pg 'SELECT event_id FROM outbox_binary' | LC_ALL=C sort)"
LC_ALL=C sed -nE 's/^(.*,)?id=([^,]*).*/\2/p' "$RUN/letters" | LC_ALL=C sort >"$RUN/letters.ids"
assert_eq 'dead letters by the producer' "$(seq -f 'q-%.0f' "$letters" | LC_ALL=C sort)" "$(uniq "$RUN/letters.ids")"
consumer_stop victim
figure 'events, inbox' "$sent"
figure 'dead letters' "$((2 * letters))"
figure 'dead letters of the producer that came again' "$(($(wc -l <"$RUN/letters.ids") - letters))"

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Redis, with topics, group and tables that know nothing of the above

redis_start redis
redis() {
  redis-cli -h 127.0.0.1 -p "$REDIS_PORT" "$@"
}
with_redis=(IDEMPOTENCY=redis REDIS_URL="redis://127.0.0.1:$REDIS_PORT" IDEMPOTENCY_TTL_S=6000)
T=$T.redis
COUNTING_GROUP=$T
topics_new 3
pg 'TRUNCATE counted' 'TRUNCATE inbox' 'TRUNCATE outbox_binary'
sent=0
for ((round = 0; round < $(times 1 15); round++)); do
  for point in BEFORE_RESERVATION AFTER_RESERVATION AFTER_EFFECT COMMIT_SENT AFTER_COMMIT AFTER_DONE BEFORE_OFFSET AFTER_OFFSET; do
    dies_among_events $point 1 "${with_redis[@]}"
    with_redis_died[$point]=$((${with_redis_died[$point]:-0} + 1))
  done
done
every_event_has_a_key() {
  [ "$(redis DBSIZE)" = "$sent" ]
}
consumer_start victim GROUP_INSTANCE_ID=victim "${with_redis[@]}"
await "a key for each of $sent events" 60 every_event_has_a_key
consumer_stop victim # which finishes what is in hand
order_is_kept
dead_letters_are 0 || fail 'a death made a dead letter'
assert_eq 'rows in the inbox' 0 "$(pg 'SELECT count(*) FROM inbox')"
assert_eq 'events that were counted twice' 0 "$(pg 'SELECT count(*) - count(DISTINCT event_id) FROM counted')"
# Reserved and not committed is lost; behind COMMIT's way to the server only the server knows. The key of neither says DONE, nor does that of what was committed and
# not marked; all others do.
lost=$((with_redis_died[AFTER_RESERVATION] + with_redis_died[AFTER_EFFECT]))
unknown=${with_redis_died[COMMIT_SENT]}
mapfile -t keys < <(redis --scan)
redis MGET "${keys[@]}" | paste -d ' ' <(printf '%s\n' "${keys[@]#"counting-consumer:$T/"}") - | sed -n '/ DONE$/!s/ .*//p' | LC_ALL=C sort >"$RUN/undone"
pg "SELECT 'e-' || n FROM generate_series(1, $sent) n EXCEPT SELECT event_id FROM counted" | LC_ALL=C sort >"$RUN/lost"
assert_eq 'keys that are not DONE' $((lost + unknown + with_redis_died[AFTER_COMMIT])) "$(wc -l <"$RUN/undone")"
assert_eq 'events that are lost and whose key is DONE' '' "$(LC_ALL=C comm -23 "$RUN/lost" "$RUN/undone")"
assert_number 'lost events' "$(wc -l <"$RUN/lost")" '>=' $lost
assert_number 'lost events' "$(wc -l <"$RUN/lost")" '<=' $((lost + unknown))
figure 'events, Redis' "$sent"
figure 'lost with Redis, as documented' "$(wc -l <"$RUN/lost")"
figure deaths "$deaths"

# Every point of the table was tried.
while read -r point; do
  [ -n "${died[$point]:-}" ] || fail "crash point $point is not tried here"
done < <(sed -n '/^#define FAULT_CONSUMER_CRASH_POINTS/,/^$/s/^ *X(\([A-Z_]*\),.*/\1/p' "$ROOT/cdc-relay/lib/fault_point.h")
