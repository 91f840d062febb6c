#!/usr/bin/env bash
# A discard while a redrive of the same topic is at work: what the redrive has not reached yet is not sent, what it has passed is not forgotten by what it remembers itself,
# and where both had letters in hand one of them says so.
# tags: quick
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

source=$MINE.orders
letters=$MINE.orders.dlq
topic_create "$source" 1
topic_create "$letters" 1

# letter KEY ID CLASS
letter() {
  printf '%s' "$2" >"$RUN/letter"
  timeout 30 kcat -P -b "$KAFKA" -t "$letters" -k "$1" -H "id=$2" -H "kafka_dlt-original-topic=$source" -H "dlt.error.class=$3" "$RUN/letter" || fail "could not give letter $2"
}

# published: one a line.
published() {
  KCAT_FORMAT='%s\n' read_topic "$source"
}

# newest: the number of the last one, 0 for none.
newest() {
  published | tail -n 1 | grep -o '[0-9]*$' || echo 0
}

is_published() {
  published | grep -qx "$1"
}

# is_past NUMBER: the redrive has sent a later letter, or has ended.
is_past() {
  ! is_working || [ "$(newest)" -gt "$1" ]
}

is_working() {
  kill -0 $slow 2>/dev/null
}

# discards ID: whether a discard says that it did.
discards() {
  run_dlq discard "$letters" --id "$1" --yes || true
  [ "$(cat "$RUN/dlq.out")" = '1 discarded' ]
}

letter passed p refused
for n in {1..24}; do
  letter slow "s$n" timeout
done
letter slow last refused

DLQ_WORDS=slow run_dlq redrive "$letters" --key slow --rate 1 &
slow=$!
await 'the first letter' 20 is_published s1

echo '--- what it has passed, and what it will come to'
run_dlq discard "$letters" --error-class refused --yes || fail "discard: $(cat "$RUN/dlq.err")"
assert_eq 'what discard says' '2 discarded' "$(cat "$RUN/dlq.out")"
is_working || fail 'the redrive was at its end too early for this to mean anything'

echo '--- the letter that it sends next'
# There is a second for it: where the machine is slow, the redrive may be faster, and tells it in the end.
in_time=''
both=0
while [ -z "$in_time" ] && is_working; do
  number=$(($(newest) + 1))
  if discards "s$number"; then
    await 'what comes next' 20 is_past "$number"
    if is_published "s$number"; then
      both=$((both + 1))
    else
      in_time=s$number
    fi
  fi
done
[ -n "$in_time" ] || fail 'no discard was seen by the redrive before it sent the letter'

echo '--- letters that it has just sent, and may not have remembered'
tries=0
while [ $both -lt 2 ] && [ $tries -lt 8 ] && is_working; do
  tries=$((tries + 1))
  ! discards "s$(newest)" || both=$((both + 1))
done
code=0
wait $slow || code=$?
case $both in
  0) assert_eq 'exit code of the redrive' 0 $code ;;
  1) echo 'one letter that both had in hand: the redrive may have written when it was discarded, and not know' ;;
  *)
    assert_eq "exit code of the redrive that had sent $both discarded letters" 5 $code
    assert_match 'words of the redrive' '[1-9] were dealt with by another run' "$(cat "$RUN/slow.err")"
    ;;
esac
expected=$(seq -f 's%g' 24 | grep -vx "$in_time" | paste -sd ' ')
assert_match 'what the redrive says' '^23 redriven, 0 left' "$(cat "$RUN/slow.out")"
assert_eq 'published' "$expected" "$(published | paste -sd ' ')"

echo '--- and nothing of it is offered again'
run_dlq redrive "$letters" || fail "redrive: $(cat "$RUN/dlq.err")"
assert_match 'what a second redrive says' '^0 redriven, 0 left' "$(cat "$RUN/dlq.out")"
assert_eq 'published' "$expected" "$(published | paste -sd ' ')"
