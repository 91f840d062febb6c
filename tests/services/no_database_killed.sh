#!/usr/bin/env bash
# A consumer without a database dies, as if killed, at each step between a record and its offset, the next life finding what the last one left. No event is without its
# effect or its letter, but for the one that docs/guarantees.md gives up for lost:
#
#   none     effects may come twice; a letter is there once more for each death between it and its offset, with the same id
#   redis    no effect twice, letters as above. Lost is the event that was reserved and whose handler had not run
# tags: real-kafka slow
# build: faults
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"
# shellcheck source=tests/services/filing.bash
. "${BASH_SOURCE[0]%/*}/filing.bash"

# more COUNT: so many new events.
more() {
  events $((sent + 1)) $((sent + $1)) | produce
  sent=$((sent + $1))
}

# dies_at POINT [VARIABLE=VALUE...]: one life, which ends at its first passage. A static member gets its partitions at once.
dies_at() {
  local point=$1
  shift
  CDC_CRASH_POINT=$point:1 consumer_launch victim GROUP_INSTANCE_ID=victim "${WITHOUT_DATABASE[@]}" "$@"
  consumer_ends victim 30
  assert_eq "exit code at $point ($*)" 137 "$CONSUMER_EXIT"
}

# lives_and_dies WAY POINT...: one death at each of them, and two among the letters.
lives_and_dies() {
  local way=$1 point
  shift
  filing_new "$way" 3
  topic_create "$T.dlq" 3
  sent=0
  for point in "$@"; do
    more 20
    dies_at "$point" "${settings[@]}"
  done
  for point in BEFORE_LETTER AFTER_LETTER; do
    more 10
    poison "p-$point" | produce
    more 10
    dies_at "$point" "${settings[@]}"
  done
  more 5
  consumer_start victim GROUP_INSTANCE_ID=victim "${WITHOUT_DATABASE[@]}" "${settings[@]}"
}

all_are_filed() {
  [ "$(filed | LC_ALL=C sort -u | wc -l)" = "$1" ]
}

# Both events that are given up have a letter, and one of the two has a second: the one that was written and whose offset was not.
letters_are_sound() {
  await 'the letters' 30 letters_are 3
  assert_eq 'letters, each id once' 'p-AFTER_LETTER p-BEFORE_LETTER' "$(letter_ids | uniq | paste -sd ' ')"
  assert_eq 'poison that was filed' '' "$(filed | sed -n '/^p-/p')"
}

echo '--- IDEMPOTENCY=none'
settings=(IDEMPOTENCY=none)
lives_and_dies none AFTER_EFFECT BEFORE_OFFSET AFTER_OFFSET
await 'all filed' 40 all_are_filed "$sent"
letters_are_sound
consumer_stop victim
echo "$(($(wc -l <"$FILED") - sent)) of $sent effects came again"

echo '--- IDEMPOTENCY=redis'
redis_start redis
settings=(IDEMPOTENCY=redis REDIS_URL="redis://127.0.0.1:$REDIS_PORT" IDEMPOTENCY_TTL_S=6000)
lives_and_dies redis BEFORE_RESERVATION AFTER_RESERVATION AFTER_EFFECT AFTER_DONE BEFORE_OFFSET AFTER_OFFSET
await 'all filed but the one that was reserved' 40 all_are_filed $((sent - 1))
letters_are_sound
consumer_stop victim
filed_are $((sent - 1)) || fail "an effect came twice: $(filed | LC_ALL=C sort | uniq -d | paste -sd ' ')"
