#!/usr/bin/env bash
# A discard counts when it is remembered. With more gaps between the discarded letters than a committed offset has room for it stops and says where; nothing that it counted
# comes back, whatever is redriven between them, and it can go on then.
# tags: quick asan
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

source=$MINE.orders
letters=$MINE.orders.dlq
topic_create "$source" 1
topic_create "$letters" 1

# published: the values in the source topic.
published() {
  KCAT_FORMAT='%s\n' read_topic "$source" | paste -sd ' '
}

seq 600 | awk '{ kind = $1 % 2 ? "odd" : "even"; print kind ":" kind "-" $1 }' |
  timeout 30 kcat -P -b "$KAFKA" -t "$letters" -p 0 -K: -H id=gap -H "kafka_dlt-original-topic=$source" || fail 'could not give letters'
code=0
run_dlq discard "$letters" --key odd --yes || code=$?
assert_eq 'exit code where there are too many gaps' 5 $code
assert_match 'words' "letter $letters/0/[0-9]+ and what lies behind it are not discarded" "$(cat "$RUN/dlq.err")"
discarded=$(sed -n 's/ discarded$//p' "$RUN/dlq.out")
assert_number 'discarded' "$discarded" '>=' 200
assert_number 'discarded' "$discarded" '<' 300
run_dlq list "$letters" --key odd --json || fail "list: $(cat "$RUN/dlq.err")"
assert_eq 'left' $((300 - discarded)) "$(wc -l <"$RUN/dlq.out")"

echo '--- the oldest letters make room'
run_dlq redrive "$letters" --key even || fail "redrive: $(cat "$RUN/dlq.err")"
run_dlq discard "$letters" --key odd --yes || fail "discard: $(cat "$RUN/dlq.err")"
assert_eq 'the rest' "$((300 - discarded)) discarded" "$(cat "$RUN/dlq.out")"
run_dlq redrive "$letters" || fail "redrive: $(cat "$RUN/dlq.err")"
assert_match 'what is left' '^0 redriven, 0 left' "$(cat "$RUN/dlq.out")"
assert_eq 'published of those that were discarded' 0 "$(published | tr ' ' '\n' | grep -c odd || true)"
assert_eq 'published of the others' 300 "$(published | wc -w)"
