#!/usr/bin/env bash
# dlq remembers exactly what it dealt with, whatever a filter left between; it keeps order, rate and limits, reads other programs' dead letters, and refuses to publish
# where nobody meant it to, also what was discarded and what Kafka has forgotten since.
# tags: quick asan
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

source=$MINE.orders
letters=$MINE.orders.dlq
topic_create "$source" 3
topic_create "$letters" 2

# letter PARTITION KEY ID [HEADER=VALUE...]: as Spring writes it, unless the headers say otherwise.
letter() {
  local partition=$1 key=$2 id=$3 header arguments=()
  shift 3
  for header in "${@:-kafka_dlt-original-topic=$source}"; do
    arguments+=(-H "$header")
  done
  printf '{"n": "%s"}' "$id" >"$RUN/letter"
  timeout 30 kcat -P -b "$KAFKA" -t "$letters" -p "$partition" -k "$key" -H "id=$id" "${arguments[@]}" "$RUN/letter" || fail "could not give letter $id"
}

# listed [ARGUMENT...]: the ids that list shows, in their order.
listed() {
  run_dlq list "$letters" --json "$@" || fail "list: $(cat "$RUN/dlq.err")"
  jq -r .id "$RUN/dlq.out" | paste -sd ' '
}

# published: the values in the source topic.
published() {
  KCAT_FORMAT='%s\n' read_topic "$source" | jq -r .n | sort | paste -sd ' '
}

# Asked where nobody answers, which takes its time; what comes of it is looked at in the end.
port=$(port_new)
KAFKA=127.0.0.1:$port DLQ_WORDS=nobody run_dlq list "$letters" &
nobody=$!

assert_eq 'letters of an empty topic' '' "$(listed)"
for n in 1 2 3 4 5 6; do
  letter 0 "key-$((n % 2))" "a$n"
done
letter 1 key-3 b1 "__connect.errors.topic=$source" '__connect.errors.exception.class.name=ConnectFailed' 'own=stays'
letter 1 key-3 b2 'dlt.error.class=contract'
letter 1 key-3 b3 "kafka_dlt-original-topic=__consumer_offsets"
letter 1 key-3 b4 "kafka_dlt-original-topic=$letters"
letter 1 key-3 b5 "kafka_dlt-original-topic=$source" redrive.count=3

echo '--- filters'
assert_eq 'all of a partition in order' 'a1 a2 a3 a4 a5 a6' "$(listed | tr ' ' '\n' | grep a | paste -sd ' ')"
assert_eq 'by key' 'a1 a3 a5' "$(listed --key key-1)"
assert_eq 'by id' a4 "$(listed --id a4)"
assert_eq 'by key and id that do not fit' '' "$(listed --key key-1 --id a4)"
assert_eq 'by class of another program' b1 "$(listed --error-class ConnectFailed)"
assert_eq 'limited' 'a1 a3' "$(listed --key key-1 --limit 2)"
run_dlq list "$letters" || fail "list: $(cat "$RUN/dlq.err")"
assert_eq 'lines of the table' 12 "$(wc -l <"$RUN/dlq.out")"

echo '--- what a filter left stays, what was dealt with does not come back'
run_dlq discard "$letters" --id a3 --yes || fail "discard: $(cat "$RUN/dlq.err")"
assert_eq 'what discard says' '1 discarded' "$(cat "$RUN/dlq.out")"
run_dlq redrive "$letters" --key key-0 --dry-run || fail "dry run: $(cat "$RUN/dlq.err")"
assert_match 'what the dry run says' '3 to be redriven, 0 left' "$(tail -n 1 "$RUN/dlq.out")"
assert_eq 'published by a dry run' '' "$(published)"
run_dlq redrive "$letters" --key key-0 || fail "redrive: $(cat "$RUN/dlq.err")"
assert_eq 'published' 'a2 a4 a6' "$(published)"
assert_eq 'left' 'a1 a5' "$(listed | tr ' ' '\n' | grep a | paste -sd ' ')"
assert_eq 'with those that were dealt with' 'a1 a2 a3 a4 a5 a6' "$(listed --all | tr ' ' '\n' | grep a | paste -sd ' ')"
assert_eq 'which are marked' 'a2 a3 a4 a6' "$(jq -r 'select(.done and (.id | startswith("a"))) | .id' "$RUN/dlq.out" | paste -sd ' ')"
run_dlq redrive "$letters" --key key-0 || fail "redrive: $(cat "$RUN/dlq.err")"
assert_match 'a second time' '^0 redriven' "$(cat "$RUN/dlq.out")"
run_dlq discard "$letters" --id a1 --yes || fail "discard: $(cat "$RUN/dlq.err")"
assert_eq 'left behind the first' a5 "$(listed | tr ' ' '\n' | grep a | paste -sd ' ')"
assert_eq 'with another memory' 'a1 a2 a3 a4 a5 a6' "$(DLQ_MEMORY=$MINE-other listed | tr ' ' '\n' | grep a | paste -sd ' ')"

echo '--- where a letter may not go'
code=0
run_dlq redrive "$letters" || code=$?
assert_eq 'exit code where some were left' 5 $code
assert_match 'what redrive says' '^2 redriven, 4 left: 1 came back too often, 3 without a topic to go to' "$(cat "$RUN/dlq.out")"
assert_eq 'published' 'a2 a4 a5 a6 b1' "$(published)"
record=$(with_id "$source" b1)
assert_eq "a letter of Kafka Connect's" 'stays 1 null null' "$(jq -r '"\(.headers.own) \(.headers["redrive.count"]) \(.headers["__connect.errors.topic"]) \(.headers["__connect.errors.exception.class.name"])"' <<<"$record")"
assert_eq 'left' 'b2 b3 b4 b5' "$(listed)"
code=0
run_dlq redrive "$letters" --id b2 --to "$source" || code=$?
assert_eq 'exit code with --to' 0 $code
code=0
run_dlq redrive "$letters" --id b3 --to "$source" || code=$?
assert_eq 'exit code of a letter that names a topic nobody meant, even so' 5 $code
run_dlq redrive "$letters" --id b5 --max-redrives 4 || fail "redrive: $(cat "$RUN/dlq.err")"
assert_eq 'the count of b5' 4 "$(with_id "$source" b5 | jq -r '.headers["redrive.count"]')"

echo '--- rate, and order of a key'
for n in {10..29}; do
  letter 0 same-key "c$n"
done
began=$EPOCHREALTIME
run_dlq redrive "$letters" --key same-key --rate 20 || fail "redrive: $(cat "$RUN/dlq.err")"
assert_number 'seconds for 20 letters, 20 a second' "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" '>=' 0.9
assert_eq 'order' "$(seq -f 'c%g' 10 29 | paste -sd ' ')" "$(KCAT_FORMAT='%k|%s\n' read_topic "$source" | sed -n 's/^same-key|//p' | jq -r .n | paste -sd ' ')"

echo '--- what is not there'
code=0
run_dlq show "$letters" 0/4711 || code=$?
assert_eq 'exit code of a record that is not there' 1 $code
# The embedded broker makes topics that are asked for.
if [ "$BROKER" = kafka ]; then
  code=0
  run_dlq list "$MINE.nowhere" || code=$?
  assert_eq 'exit code of a topic that is not there' 6 $code
  assert_match 'words about it' "could not look up topic \"$MINE.nowhere\"" "$(cat "$RUN/dlq.err")"
  letter 0 key-9 d1 "kafka_dlt-original-topic=$MINE.nowhere"
  code=0
  run_dlq redrive "$letters" --id d1 || code=$?
  assert_eq 'exit code where the original topic is gone' 6 $code
  assert_eq 'the letter, afterwards' d1 "$(listed --id d1)"
fi
code=0
wait $nobody || code=$?
assert_eq 'exit code where nobody answers' 1 $code

echo '--- what was discarded does not come back when Kafka has forgotten it'
# Another group is a memory that was forgotten; without hours to its name Kafka may forget at once.
letters=$MINE.rests.dlq
topic_create "$letters" 2
letter 0 key-1 e1
letter 1 key-2 e2
is_in_source() {
  with_id "$source" "$1" | wc -l
}
redrive_stops_at() { # EVENT-ID [ARGUMENT...]
  local code=0 id=$1
  shift
  run_dlq redrive "$letters" "$@" || code=$?
  assert_eq "exit code of redrive $*" 5 $code
  assert_match "words of redrive $*" "letter $letters/[01]/[0-9]+ may have been discarded" "$(cat "$RUN/dlq.err")"
  assert_match "the way out" 'hint: look with dlq list' "$(cat "$RUN/dlq.err")"
  assert_eq "$id in its topic" 0 "$(is_in_source "$id")"
}
export DLQ_MEMORY=$MINE-rests
run_dlq discard "$letters" --id e1 --yes || fail "discard: $(cat "$RUN/dlq.err")"
letter 1 key-2 e3
DLQ_MEMORY=$MINE-forgot DLQ_MEMORY_HOURS=0 redrive_stops_at e1
DLQ_MEMORY=$MINE-forgot-2 DLQ_MEMORY_HOURS=0 redrive_stops_at e1 --key key-1
DLQ_MEMORY=$MINE-forgot DLQ_MEMORY_HOURS=0 redrive_stops_at e1 --dry-run
DLQ_MEMORY=$MINE-forgot-2 run_dlq redrive "$letters" --dry-run || fail "letters that are younger than any memory: $(cat "$RUN/dlq.err")"
assert_match 'younger than any memory' '^3 to be redriven' "$(tail -n 1 "$RUN/dlq.out")"
DLQ_MEMORY=$MINE-forgot-3 DLQ_MEMORY_HOURS=0 run_dlq redrive "$letters" --forgotten --dry-run || fail "--forgotten: $(cat "$RUN/dlq.err")"
assert_match 'told to' '^3 to be redriven' "$(tail -n 1 "$RUN/dlq.out")"
export DLQ_MEMORY_HOURS=0
assert_eq 'listed' 'e2 e3' "$(listed)"
assert_match 'what list says of them' 'dlq: 1 of them may have been redriven or discarded before' "$(cat "$RUN/dlq.err")"
redrive_stops_at e2
assert_eq 'what lies behind it' 0 "$(is_in_source e3)"
run_dlq redrive "$letters" --id e2 || fail "one that is named: $(cat "$RUN/dlq.err")"
assert_eq 'in its topic' 1 "$(is_in_source e2)"
# The memory of partition 1 began with that of partition 0, though nothing of it was discarded: what came later is in no doubt.
run_dlq redrive "$letters" || fail "what came after the memory began: $(cat "$RUN/dlq.err")"
assert_match 'what is left' '^1 redriven, 0 left' "$(cat "$RUN/dlq.out")"
assert_eq 'in its topic' '1 0' "$(is_in_source e3) $(is_in_source e1)"
