#!/usr/bin/env bash
# Customers are told of an order and of its way, once per event. Whoever cannot be reached is tried four times, then the event lies in the dead-letter topic and comes
# back when somebody redrives it: once, however often that is done. With Redis as memory a death at the wrong moment loses a notification until the key expires.
# tags: slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

system_new orders
relay_init
relay_start
service_start order-service
sender=(NOTIFICATION_SENDER=file "NOTIFICATION_FILE=$RUN/sent")
unreachable=fail-user-1-$MINE
assert_match 'the prefix of customers that cannot be reached' 'NOTIFICATION_FAIL_PREFIX=fail-( |$)' \
  "$(env -i DATABASE_URL=postgresql:// KAFKA_BOOTSTRAP_SERVERS="$KAFKA" "$BUILD/consumers/notification-service" --print-config | grep FAIL_PREFIX)"
consumer_start notification-service "${sender[@]}" NOTIFICATION_FAIL_PREFIX="$unreachable"

# order CUSTOMER: its id in ORDER, its event in EVENT.
order() {
  call order-service POST /api/orders "{\"customerId\": \"$1\", \"customerEmail\": \"someone@example.com\", \"totalAmount\": 12.5, \"currency\": \"EUR\"}"
  answered 201
  ORDER=$(of_answer .orderId)
  event order.created.v1
  ID=$(of_event .headers.id)
}

# step CUSTOMER FROM TO: of ORDER.
step() {
  call order-service POST "/api/orders/$ORDER/status" "{\"customerId\": \"$1\", \"customerEmail\": \"someone@example.com\", \"previousStatus\": $2, \"currentStatus\": $3}"
  [[ $STATUS = 20? ]] || answered 200
  event order.shipped.v1
  ID=$(of_event .headers.id)
}

# sent EVENT-ID: how often.
sent() {
  jq -R --arg id "$1" 'fromjson? | select(.idempotencyKey == $id)' -c "$RUN/sent" 2>/dev/null | wc -l
}

notification() { # EVENT-ID
  pg "SELECT kind || ' ' || order_id || ' ' || customer_id || ' ' || recipient || ' ' || status FROM notification.notification WHERE event_id = '$1'"
}

# A customer that cannot be reached. Looked at below: each of the two events is given up after three pauses of two seconds.
order "$unreachable"
failed_id=$ID failed_key=$(of_event .key) failed_value=$(of_event .value) failed_correlation=$(of_event .headers.correlationId)
step "$unreachable" 20 25
shipped_id=$ID shipped_correlation=$(of_event .headers.correlationId)
# Another one, of which the table takes no row that says FAILED.
pg "ALTER TABLE notification.notification ADD CONSTRAINT takes_no_failure CHECK (status <> 'FAILED' OR customer_id <> '$unreachable-unnoted')"
order "$unreachable-unnoted"
unnoted_id=$ID unnoted_correlation=$(of_event .headers.correlationId)
# And one of which the outbox takes no letter, for a reason that is none of the program's.
order "$unreachable-unwritten"
unwritten_id=$ID
pg "ALTER TABLE public.outbox_binary ADD CONSTRAINT takes_no_letter CHECK (event_id <> '$unwritten_id')"

echo '--- an order, and its way'
order user-1
await 'a notification' 20 sql_is "ORDER_CREATED $ORDER user-1 someone@example.com SENT" \
  "SELECT kind || ' ' || order_id || ' ' || customer_id || ' ' || recipient || ' ' || status FROM notification.notification WHERE event_id = '$ID'"
assert_eq 'notices of the order' 1 "$(sent "$ID")"
first=$EVENT first_id=$ID
step user-1 20 25
await 'a notification of the first step' 20 sql_is SENT "SELECT status FROM notification.notification WHERE event_id = '$ID'"
assert_match 'the notification of the first step' "^ORDER_SHIPPED $ORDER " "$(notification "$ID")"
step user-1 25 80
await 'a notification of the second step' 20 sql_is SENT "SELECT status FROM notification.notification WHERE event_id = '$ID'"

echo '--- the same event twice'
give order.created.v1 "$(jq -r .key <<<"$first")" "$(jq -r .value <<<"$first")" "id=$first_id" eventType="$(jq -r .headers.eventType <<<"$first")"
duplicates() {
  [ "$(consumer_metric notification-service 'consumer_duplicates_total{topic="order.created.v1"}')" -ge 1 ]
}
await 'the duplicate, counted' 20 duplicates
assert_number 'notifications by their type' "$(consumer_metric notification-service 'events_consumed_total{service="notification-service",topic="order.created.v1",type="OrderCreated",outcome="handled"}')" '>=' 1
assert_eq 'notices after the same event came twice' 1 "$(sent "$first_id")"
assert_eq 'rows after the same event came twice' 1 "$(pg "SELECT count(*) FROM notification.notification WHERE event_id = '$first_id'")"

echo '--- an event of an old publisher, which names no type'
old=$(cat /proc/sys/kernel/random/uuid)
give order.created.v1 "$old" "{\"eventId\": \"$old\", \"orderId\": \"$old\", \"customerId\": \"user-1\", \"customerEmail\": \"someone@example.com\"}"
await 'its notification' 20 sql_is SENT "SELECT status FROM notification.notification WHERE event_id = '$old'"

echo '--- ids of an old publisher that counts per topic'
old=17-$MINE
give order.created.v1 "$old" "{\"eventId\": \"$old\", \"orderId\": \"$old\", \"customerId\": \"user-1\", \"customerEmail\": \"someone@example.com\"}"
give order.shipped.v1 "$old" "{\"eventId\": \"$old\", \"orderId\": \"$old\", \"customerId\": \"user-1\", \"customerEmail\": \"someone@example.com\", \"previousStatus\": 20, \"currentStatus\": 25}"
await 'a notification of each' 20 sql_is 'ORDER_CREATED ORDER_SHIPPED' "SELECT string_agg(kind, ' ' ORDER BY kind) FROM notification.notification WHERE order_id = '$old' AND status = 'SENT'"
for topic in order.created.v1 order.shipped.v1; do
  assert_eq "notices of $topic/$old" 1 "$(sent "$topic/$old")"
done

# dead_lettered TOPIC EVENT-ID CORRELATION-ID: four attempts, two seconds apart, then one dead letter, no notice, and a row that says so.
dead_lettered() {
  local topic=$1 id=$2 correlation=$3 letter line
  await "a dead letter of $id" 40 has_with_id "$topic.dlq" "$id" 1
  letter=$(with_id "$topic.dlq" "$id")
  assert_eq "dead letters of $id" 1 "$(wc -l <<<"$letter")"
  assert_eq 'attempts in the log' '1 2 3 4' "$(consumer_log notification-service ".event_id == \"$id\" and (.event == \"attempt_failed\" or .event == \"dead_letter\")" | jq -r .attempt | paste -sd ' ')"
  assert_eq 'pauses in the log' '2000 2000 2000' "$(consumer_log notification-service ".event_id == \"$id\" and .event == \"attempt_failed\"" | jq -r .retry_in_ms | paste -sd ' ')"
  while read -r line; do
    assert_eq 'place and correlation in a line of the log' "$topic true true $correlation" "$(jq -r '"\(.topic) \(.partition >= 0) \(.offset >= 0) \(.correlation_id)"' <<<"$line")"
  done < <(consumer_log notification-service ".event_id == \"$id\"")
  assert_number 'seconds from the first attempt to the last' "$(consumer_log notification-service ".event_id == \"$id\"" | jq -r '.ts | sub("\\.(?<ms>[0-9]+)Z$"; "Z") | fromdate' | awk 'NR == 1 { a = $1 } { b = $1 } END { print b - a }')" '>=' 5
  assert_eq "the row of $id" "FAILED 4 could not send notification: the provider does not reach this customer" \
    "$(pg "SELECT status || ' ' || attempts || ' ' || last_error FROM notification.notification WHERE event_id = '$id'")"
  assert_eq "rows of $id in the inbox" 0 "$(pg "SELECT count(*) FROM notification.inbox WHERE event_id = '$id'")"
  assert_eq "notices of $id" 0 "$(sent "$id")"
  assert_eq 'attempts in the header' 4 "$(jq -r '.headers["dlt.attempts"]' <<<"$letter")"
  assert_eq 'original topic in the header' "$topic" "$(jq -r '.headers["kafka_dlt-original-topic"]' <<<"$letter")"
}

echo '--- a customer that cannot be reached'
dead_lettered order.created.v1 "$failed_id" "$failed_correlation"
dead_lettered order.shipped.v1 "$shipped_id" "$shipped_correlation"
letter=$(with_id order.created.v1.dlq "$failed_id")
assert_eq 'key of the dead letter' "$failed_key" "$(jq -r .key <<<"$letter")"
assert_eq 'value of the dead letter' "$failed_value" "$(jq -r .value <<<"$letter")"
assert_eq 'correlation id of the dead letter' "$failed_correlation" "$(jq -r .headers.correlationId <<<"$letter")"

echo '--- one whose row the table does not take: the letter goes without, and the log says so'
await "a dead letter of $unnoted_id" 40 has_with_id order.created.v1.dlq "$unnoted_id" 1
assert_eq "rows of $unnoted_id" 0 "$(pg "SELECT count(*) FROM notification.notification WHERE event_id = '$unnoted_id'")"
assert_eq 'the line of the log' "order.created.v1 $unnoted_correlation 23514 takes_no_failure" \
  "$(consumer_log notification-service ".event == \"given_up_not_noted\" and .event_id == \"$unnoted_id\"" | jq -r '"\(.topic) \(.correlation_id) \(.sqlstate) \(.constraint)"')"

echo '--- one whose letter the outbox does not take: a producer has it, the row is there, and nothing is said against that'
await "a dead letter of $unwritten_id" 40 has_with_id order.created.v1.dlq "$unwritten_id" 1
assert_eq "rows of $unwritten_id" FAILED "$(pg "SELECT status FROM notification.notification WHERE event_id = '$unwritten_id'")"
assert_eq 'lines of the log that say otherwise' '' "$(consumer_log notification-service ".event == \"given_up_not_noted\" and .event_id == \"$unwritten_id\"")"

echo '--- list, show, dry run'
run_dlq list order.created.v1.dlq --json --id "$failed_id" || fail "dlq list: $(cat "$RUN/dlq.err")"
assert_eq 'what list says' "send_failed order.created.v1 0 4 false" "$(jq -r '"\(.errorClass) \(.originalTopic) \(.redrives) \(.attempts) \(.done)"' "$RUN/dlq.out")"
place=$(jq -r '"\(.partition)/\(.offset)"' "$RUN/dlq.out")
run_dlq show order.created.v1.dlq "$place" || fail "dlq show: $(cat "$RUN/dlq.err")"
assert_eq 'what show says' "$failed_value" "$(jq -r .value "$RUN/dlq.out")"
run_dlq list order.created.v1.dlq --json --key "$failed_key" --error-class send_failed --since 2020-01-01 || fail "dlq list: $(cat "$RUN/dlq.err")"
assert_eq 'letters by key, class and time' 1 "$(wc -l <"$RUN/dlq.out")"
run_dlq list order.created.v1.dlq --json --id "$failed_id" --until 2020-01-01 || fail "dlq list: $(cat "$RUN/dlq.err")"
assert_eq 'letters before all time' 0 "$(wc -l <"$RUN/dlq.out")"
run_dlq redrive order.created.v1.dlq --id "$failed_id" --dry-run || fail "dlq redrive --dry-run: $(cat "$RUN/dlq.err")"
assert_eq 'records after a dry run' 1 "$(with_id order.created.v1 "$failed_id" | wc -l)"
code=0
run_dlq discard order.created.v1.dlq --id "$failed_id" || code=$?
assert_eq 'exit code of discard without --yes' 2 "$code"

echo '--- redriven before anybody mended it'
run_dlq redrive order.created.v1.dlq --id "$failed_id" || fail "dlq redrive: $(cat "$RUN/dlq.err")"
assert_match 'what redrive says' '^1 redriven, 0 left' "$(cat "$RUN/dlq.out")"
await 'a second dead letter' 40 has_with_id order.created.v1.dlq "$failed_id" 2
await 'its row, failed again' 20 sql_is 'FAILED 8' "SELECT status || ' ' || attempts FROM notification.notification WHERE event_id = '$failed_id'"
again=$(with_id order.created.v1 "$failed_id" | tail -n 1)
assert_eq 'redriven: key' "$failed_key" "$(jq -r .key <<<"$again")"
assert_eq 'redriven: value' "$failed_value" "$(jq -r .value <<<"$again")"
assert_eq 'redriven: headers of the failure' '' "$(jq -r '.headers | keys[] | select(startswith("dlt.") or startswith("kafka_dlt-") or startswith("__connect."))' <<<"$again")"
assert_eq 'redriven: count, whence and correlation' "1 order.created.v1.dlq/$place $failed_correlation" "$(jq -r '"\(.headers["redrive.count"]) \(.headers["redrive.of"]) \(.headers.correlationId)"' <<<"$again")"

echo '--- mended, and redriven: one notification each'
consumer_stop notification-service
consumer_start notification-service "${sender[@]}" NOTIFICATION_FAIL_PREFIX=-
run_dlq redrive order.created.v1.dlq --id "$failed_id" --rate 50 || fail "dlq redrive: $(cat "$RUN/dlq.err")"
assert_match 'what the second redrive says' '^1 redriven' "$(cat "$RUN/dlq.out")"
run_dlq redrive order.shipped.v1.dlq --id "$shipped_id" || fail "dlq redrive: $(cat "$RUN/dlq.err")"
# Nine attempts: two lives of four, and the one that succeeded.
await 'the row of the redriven event' 20 sql_is 'SENT 9 t' "SELECT status || ' ' || attempts || ' ' || (sent_at IS NOT NULL)::text::char FROM notification.notification WHERE event_id = '$failed_id'"
for id in "$failed_id" "$shipped_id"; do
  await "the notification of $id" 20 sql_is SENT "SELECT status FROM notification.notification WHERE event_id = '$id'"
  assert_eq "notices of $id" 1 "$(sent "$id")"
done
run_dlq redrive order.created.v1.dlq --id "$failed_id" || fail "dlq redrive: $(cat "$RUN/dlq.err")"
assert_match 'what the third redrive says' '^0 redriven' "$(cat "$RUN/dlq.out")"

echo '--- a redrive that has forgotten all does no harm, and a limit holds'
before=$(consumer_metric notification-service 'consumer_duplicates_total{topic="order.created.v1"}')
code=0
DLQ_MEMORY=$MINE-forgetful run_dlq redrive order.created.v1.dlq --id "$failed_id" --max-redrives 1 || code=$?
assert_eq 'exit code where letters came back too often' 5 "$code"
assert_match 'what the forgetful redrive says' '^1 redriven, 1 left: 1 came back too often' "$(cat "$RUN/dlq.out")"
more_duplicates() {
  [ "$(consumer_metric notification-service 'consumer_duplicates_total{topic="order.created.v1"}')" -gt "$before" ]
}
await 'the duplicate, counted' 20 more_duplicates
assert_eq "notices of $failed_id" 1 "$(sent "$failed_id")"

echo '--- in the log, at its usual level'
consumer_stop notification-service
consumer_start notification-service NOTIFICATION_SENDER=log NOTIFICATION_FAIL_PREFIX=- LOG_LEVEL=info
order user-4
await 'the line of the notice' 20 consumer_has_logged notification-service ".event == \"notification\" and .event_id == \"$ID\""
assert_eq 'lines of the event' notification "$(consumer_log notification-service ".event_id == \"$ID\"" | jq -r .event)"
assert_eq 'the place and the correlation that the line names' "$(of_event '"\(.topic) \(.partition) \(.offset) \(.headers.correlationId)"')" \
  "$(consumer_log notification-service ".event_id == \"$ID\"" | jq -r '"\(.topic) \(.partition) \(.offset) \(.correlation_id)"')"

echo '--- with Redis: killed while the event is reserved'
consumer_stop notification-service
redis_port=$(port_new)
process_spawn redis TERM redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$RUN"
redis() {
  redis-cli -h 127.0.0.1 -p "$redis_port" "$@"
}
await redis 10 redis ping
# A static member gets its partitions back at once, so that the reservation need not outlive a session.
by_redis=("${sender[@]}" NOTIFICATION_FAIL_PREFIX=- IDEMPOTENCY=redis "REDIS_URL=redis://127.0.0.1:$redis_port/0" IDEMPOTENCY_TTL_S=600 GROUP_INSTANCE_ID=one)
# The row cannot come in, so that the event is reserved and not done.
pg 'BEGIN; LOCK TABLE notification.notification IN EXCLUSIVE MODE; SELECT pg_sleep(60)' >"$RUN/lock.log" 2>&1 &
lock=$!
table_is_locked() {
  [ "$(pg "SELECT count(*) FROM pg_locks WHERE relation = 'notification.notification'::regclass AND mode = 'ExclusiveLock' AND granted")" = 1 ]
}
await 'the lock' 10 table_is_locked
order user-2
lost=$ID
is_reserved() {
  redis --scan --pattern "*:$lost" | grep -q .
}
consumer_launch notification-service "${by_redis[@]}"
await 'the reservation' 20 is_reserved
consumer_kill notification-service
pg "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%LOCK TABLE notification%' AND pid <> pg_backend_pid()" >/dev/null
wait $lock || true
consumer_start notification-service "${by_redis[@]}"
was_skipped() {
  [ "$(consumer_metric notification-service 'consumer_duplicates_total{topic="order.created.v1"}')" -ge 1 ]
}
await 'the event, skipped as a duplicate' 30 was_skipped
order user-3
await 'the notification of a later order' 20 sql_is SENT "SELECT status FROM notification.notification WHERE event_id = '$ID'"
assert_eq 'notices of the event that was reserved' 0 "$(sent "$lost")"
# Its time is over early.
key=$(redis --scan --pattern "*:$lost")
assert_number 'seconds that are left to the reservation' "$(redis TTL "$key")" '>' 0
redis EXPIRE "$key" 0 >/dev/null
consumer_stop notification-service
consumer_start notification-service "${by_redis[@]}" GROUP_ID="$MINE-rewound"
await 'the notification that was lost' 30 sql_is SENT "SELECT status FROM notification.notification WHERE event_id = '$lost'"
assert_eq 'notices of the event that was reserved' 1 "$(sent "$lost")"
consumer_stop notification-service
