#!/usr/bin/env bash
# Dead letters of member events become rows for people, and alerts by webhook and e-mail, each once. Whoever takes alerts may be away for as long as he likes: the
# consumer goes on, and the alerts arrive afterwards. A person lists, retries and closes; what fails again is the same row, and new; a letter that merely comes twice
# is no second failure.
# tags: slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

system_new membership
relay_init
relay_start
service_start auth-service
mkdir -p "$RUN/alerts"
process_spawn alert-receiver TERM python3 "$ROOT/tests/services/alert_receiver" "$RUN/alerts"
await 'the stand-ins' 20 test -e "$RUN/alerts/ports"
read -r webhook_port smtp_port <"$RUN/alerts/ports"
secret=a-secret-of-the-webhook
settings=("ALERT_WEBHOOK_URL=http://127.0.0.1:$webhook_port/services/$secret" "ALERT_SMTP_URL=smtp://127.0.0.1:$smtp_port" ALERT_MAIL_FROM=relay@example.com
  'ALERT_MAIL_TO=people@example.com, night@example.com' ALERT_RETRY_FIRST_MS=300 ALERT_RETRY_MOST_MS=600
  KAFKA_SESSION_TIMEOUT_MS=6000 KAFKA_HEARTBEAT_INTERVAL_MS=1000) # whoever is killed below is missed when his session is over
consumer_start d-day-service "AUTH_SERVICE_URL=http://127.0.0.1:${SERVICE_PORT[auth-service]}"
consumer_start member-dead-letters "${settings[@]}"
# Who puts the password into the address is told where it belongs, and it is not printed.
code=0
env -i DATABASE_URL=postgresql:// KAFKA_BOOTSTRAP_SERVERS="$KAFKA" ALERT_SMTP_URL=smtp://u:hush@mail "$BUILD/consumers/member-dead-letters" --print-config \
  >"$RUN/config.out" 2>&1 || code=$?
assert_eq 'exit code of an address with a password' 2 "$code"
grep -q '^ALERT_SMTP_URL=\*\*\* .*ALERT_SMTP_USER and ALERT_SMTP_PASSWORD' "$RUN/config.out" || fail "an address with a password: $(cat "$RUN/config.out")"
! grep hush "$RUN/config.out" || fail '--print-config shows a password'
# Nor does a list of recipients start that no mail server takes.
for wrong in 'people@example.com, ' 'people' 'People <people@example.com>' 'a@b,,c@d'; do
  code=0
  env -i DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=member_dead_letters_1 dbname=$DB" KAFKA_BOOTSTRAP_SERVERS="$KAFKA" HTTP_LISTEN=127.0.0.1:0 ALERT_MAIL_TO="$wrong" \
    timeout 20 "$BUILD/consumers/member-dead-letters" >"$RUN/wrong.out" 2>&1 || code=$?
  assert_eq "exit code with the recipients $wrong" 2 "$code"
  grep -q 'ALERT_MAIL_TO must be addresses' "$RUN/wrong.out" || fail "recipients $wrong: $(tail -n 3 "$RUN/wrong.out")"
done
stranger=$((8000000000 + RANDOM * 32768 + RANDOM))

uuid() {
  cat /proc/sys/kernel/random/uuid
}

# broken MEMBER: an event that d-day-service can make nothing of; its id in ID.
broken() {
  ID=$(uuid)
  VALUE="{\"eventId\": \"$ID\", \"eventType\": \"CREATED\", \"memberId\": $1, \"timestamp\": \"no time\", \"nickname\": \"x\"}"
  give member-events "$1" "$VALUE" "id=$ID" eventType=CREATED correlationId="$MINE.broken"
}

# received WAY EVENT-ID: how many alerts of it.
received() {
  [ -e "$RUN/alerts/received" ] || echo
  jq -c --arg way "$1" --arg id "$2" 'select(.way == $way and ((.body.text // .text) | contains($id)))' "$RUN/alerts/received" 2>/dev/null
}

has_received() { # WAY EVENT-ID COUNT
  [ "$(received "$1" "$2" | grep -c .)" -ge "$3" ]
}

# of_failed EVENT-ID COLUMNS
of_failed() {
  pg "SELECT $2 FROM dday.failed_event f WHERE event_id = '$1'"
}

# people ARGUMENT...: the commands, as a person with the program's rights.
people() {
  env -i PATH="$PATH" HOME="$RUN" ASAN_OPTIONS="log_path=$RUN/sanitizer" \
    TSAN_OPTIONS="atexit_sleep_ms=0 log_path=$RUN/sanitizer suppressions=$ROOT/tests/tsan/suppressions" \
    DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=member_dead_letters_1 dbname=$DB" \
    KAFKA_BOOTSTRAP_SERVERS="$KAFKA" timeout 60 "$BUILD/consumers/member-dead-letters" "$@" >"$RUN/people.out" 2>"$RUN/people.err" </dev/null
}

echo '--- a dead letter: row, log, alerts'
broken "$stranger"
first=$ID
await 'the failed event' 60 sql_is NEW "SELECT status FROM dday.failed_event WHERE event_id = '$first'"
assert_eq 'what the row says' "CREATED $stranger member-events contract 1 $stranger" "$(of_failed "$first" "event_type || ' ' || member_id || ' ' || topic || ' ' || error_class || ' ' || attempts || ' ' || convert_from(record_key, 'UTF8')")"
assert_eq 'payload' "$VALUE" "$(of_failed "$first" "convert_from(payload, 'UTF8')")"
assert_eq 'a header of the event' "$MINE.broken" "$(of_failed "$first" "(SELECT h->>'value' FROM jsonb_array_elements(headers) AS h WHERE h->>'name' = 'correlationId')")"
await 'the webhook' 20 has_received webhook "$first" 1
await 'the mail' 20 has_received email "$first" 1
assert_eq 'who the mail is for' 'people@example.com, night@example.com' "$(received email "$first" | jq -r '.headers.To')"
assert_eq 'who gets it' '<people@example.com> <night@example.com>' "$(received email "$first" | jq -r '.to | join(" ")')"
assert_match 'subject of the mail' "CREATED of member $stranger" "$(received email "$first" | jq -r '.headers.Subject')"
assert_match 'text of the mail' "Error: contract: field timestamp" "$(received email "$first" | jq -r .text)"
assert_eq 'form of the webhook' 'application/json ["text"]' "$(received webhook "$first" | jq -r '"\(.type) \(.body | keys | tojson)"')"
assert_eq 'lines of the log' "contract member-events $MINE.broken $stranger d-day-service $MINE.broken" \
  "$(consumer_log member-dead-letters ".event == \"dead_letter\" and .event_id == \"$first\"" |
    jq -r '"\(.error_class) \(.original_topic) \(.correlation_id) \(.key) \(.consumer) \(.headers | fromjson | map(select(.name == "correlationId"))[0].value)"')"
! grep -q "$secret" "$RUN/member-dead-letters.log" || fail 'the log has the address of the webhook'
assert_eq 'metric of d-day-service' 1 "$([ "$(consumer_metric d-day-service 'member_events_processed_total{type="CREATED",outcome="dead_lettered"}')" -ge 1 ] && echo 1)"

echo '--- nobody takes alerts: the consumer goes on, the alerts arrive later, once'
touch "$RUN/alerts/refuse"
broken $((stranger + 1))
second=$ID
broken $((stranger + 2))
third=$ID
await 'two failed events' 30 sql_is 2 "SELECT count(*) FROM dday.failed_event WHERE event_id IN ('$second', '$third')"
are_refused() {
  [ "$(pg "SELECT min(attempts) FROM dday.alert WHERE event_id IN ('$second', '$third')")" -ge 2 ]
}
await 'repeated attempts' 30 are_refused
# A member that auth-service does not know at first. Looked at below: it is given up after 1, 2 and 4 seconds.
late=$((stranger + 3))
late_id=$(uuid)
give member-events "$late" "{\"eventId\": \"$late_id\", \"eventType\": \"UPDATED\", \"memberId\": $late, \"timestamp\": \"2026-05-01T10:00:00\", \"nickname\": \"renamed\", \"changedFields\": [\"nickname\"]}" "id=$late_id" eventType=UPDATED
assert_eq 'alerts of them that wait' 4 "$(pg "SELECT count(*) FROM dday.alert WHERE event_id IN ('$second', '$third') AND status = 'PENDING'")"
assert_match 'why' 'webhook|e-mail' "$(pg "SELECT min(last_error) FROM dday.alert WHERE event_id = '$second' AND last_error IS NOT NULL")"
consumer_kill member-dead-letters
consumer_launch member-dead-letters "${settings[@]}"
rm "$RUN/alerts/refuse"
# A row that was in hand when the process was killed comes again when its lease is over.
await 'all alerts' 90 sql_is 0 "SELECT count(*) FROM dday.alert WHERE status <> 'SENT'"
for id in "$second" "$third"; do
  for way in webhook email; do
    assert_eq "alerts of $id by $way" 1 "$(received $way "$id" | grep -c .)"
  done
done

echo '--- list, retry, close'
people list || fail "list: $(cat "$RUN/people.err")"
id=$(jq -r --arg id "$first" 'select(.eventId == $id) | .id' "$RUN/people.out")
assert_match 'the row that list shows' '^[0-9]+$' "$id"
people retry "$id" --by alice --note 'once more' || fail "retry: $(cat "$RUN/people.err")"
await 'the failed event, failed again' 60 sql_is "NEW 2" "SELECT status || ' ' || attempts FROM dday.failed_event WHERE event_id = '$first'"
await 'a second webhook' 20 has_received webhook "$first" 2
again=$(with_id member-events "$first" | tail -n 1)
assert_eq 'retried: key, value, count and correlation' "$stranger $(of_failed "$first" "convert_from(payload, 'UTF8')") 1 $MINE.broken" \
  "$(jq -r '"\(.key) \(.value) \(.headers["redrive.count"]) \(.headers.correlationId)"' <<<"$again")"
assert_eq 'retried: headers of the failure' '' "$(jq -r '.headers | keys[] | select(startswith("dlt.") or startswith("kafka_dlt-"))' <<<"$again")"

# The member that auth-service does not know is known in the end.
await 'the failed event' 60 sql_is "NEW 4" "SELECT status || ' ' || attempts FROM dday.failed_event WHERE event_id = '$late_id'"
give member-events "$late" "{\"eventId\": \"$(uuid)\", \"eventType\": \"CREATED\", \"memberId\": $late, \"timestamp\": \"2026-04-01T10:00:00\", \"nickname\": \"named\"}" eventType=CREATED
await 'the member' 30 sql_is named "SELECT nickname FROM dday.member_reference WHERE member_id = $late"
people retry "$(of_failed "$late_id" id)" --by bob || fail "retry: $(cat "$RUN/people.err")"
await 'the new name' 30 sql_is renamed "SELECT nickname FROM dday.member_reference WHERE member_id = $late"
assert_eq 'the row' 'RETRIED bob t' "$(of_failed "$late_id" "status || ' ' || handled_by || ' ' || (handled_at IS NOT NULL)::text::char")"

echo '--- a retry that takes its time holds no transaction, and nobody else retries meanwhile'
consumer_stop d-day-service # nothing comes back while we look
id=$(of_failed "$first" id)
process_spawn slow-retry TERM env -i PATH="$PATH" HOME="$RUN" ASAN_OPTIONS="log_path=$RUN/sanitizer" \
  DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=member_dead_letters_1 dbname=$DB application_name=slow-retry" KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1 "$BUILD/consumers/member-dead-letters" retry "$id"
slow_retry=$process_pid
holds_its_lock() {
  [ "$(pg "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND a.application_name = 'slow-retry' AND a.state = 'idle'")" = 1 ]
}
await 'the retry, which waits for Kafka with its lock and without a transaction' 20 holds_its_lock
code=0
people retry "$id" || code=$?
assert_eq 'exit code of a second retry' 1 "$code"
assert_match 'what it says' 'is being retried by somebody else' "$(cat "$RUN/people.err")"
kill -s KILL "$slow_retry"
wait "$slow_retry" 2>/dev/null || true
assert_eq 'the row after a retry that died' NEW "$(of_failed "$first" status)"

# The event fails again before the row is marked: it stays NEW.
is_unlocked() {
  [ "$(pg "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")" = 0 ]
}
await 'the end of its lock' 20 is_unlocked
held_until_crowded "UPDATE dday.failed_event SET attempts = attempts + 1, status = 'NEW' WHERE id = $id" COMMIT 1
people retry "$id" --note 'too late' || fail "retry: $(cat "$RUN/people.err")"
held_ends
assert_eq 'what retry says of it' "$id NEW" "$(cat "$RUN/people.out")"
assert_eq 'the row of an event that failed again meanwhile' 'NEW too late' "$(of_failed "$first" "status || ' ' || note")"
people retry "$id" || fail "retry: $(cat "$RUN/people.err")"
assert_eq 'what retry says of one that did not' "$id RETRIED" "$(cat "$RUN/people.out")"
assert_eq 'the row of one that did not' RETRIED "$(of_failed "$first" status)"
consumer_start d-day-service "AUTH_SERVICE_URL=http://127.0.0.1:${SERVICE_PORT[auth-service]}"

people close "$(of_failed "$second" id)" "$(of_failed "$third" id)" --as IGNORED --note 'of a test' || fail "close: $(cat "$RUN/people.err")"
assert_eq 'what close says' "$(of_failed "$second" id) IGNORED $(of_failed "$third" id) IGNORED" "$(paste -sd ' ' "$RUN/people.out")"
assert_eq 'closed' 'IGNORED of a test' "$(of_failed "$second" "status || ' ' || note")"
people list --status NEW || fail "list: $(cat "$RUN/people.err")"
assert_eq 'closed rows in the list' '' "$(jq -r --arg a "$second" --arg b "$third" 'select(.eventId == $a or .eventId == $b) | .id' "$RUN/people.out")"
for wrong in 'close 1' 'retry' 'retry x' 'list --status OLD' 'close 1 --as DONE'; do
  code=0
  # shellcheck disable=SC2086
  people $wrong || code=$?
  assert_eq "exit code of $wrong" 2 $code
done
code=0
people retry 999999999 || code=$?
assert_eq 'exit code of a row that is not there' 1 $code

echo '--- a letter that comes again tells nothing new; an event that fails again does'
before=$(of_failed "$second" 'f')
pg "INSERT INTO public.outbox_binary (aggregatetype, aggregateid, type, payload, headers, partition, event_id)
      SELECT aggregatetype, aggregateid, type, payload, headers, partition, event_id FROM public.outbox_binary WHERE event_id = '$second'"
await 'the letter, twice in its topic' 20 has_with_id member-events.DLT "$second" 2
broken $((stranger + 4))
await 'the letter behind it' 60 sql_is NEW "SELECT status FROM dday.failed_event WHERE event_id = '$ID'"
await 'the alert of that one' 20 has_received webhook "$ID" 1
assert_eq 'the row that was closed' "$before" "$(of_failed "$second" 'f')"
assert_eq 'alerts of it' '1 1' "$(received webhook "$second" | grep -c .) $(received email "$second" | grep -c .)"
people retry "$(of_failed "$second" id)" || fail "retry: $(cat "$RUN/people.err")"
await 'the row of the event that failed again' 60 sql_is 'NEW 2' "SELECT status || ' ' || attempts FROM dday.failed_event WHERE event_id = '$second'"
await 'a second webhook' 20 has_received webhook "$second" 2

echo '--- attempts are counted as far as the column goes'
pg "UPDATE dday.failed_event SET attempts = 2147483647 WHERE event_id = '$second'"
failed_at=$(of_failed "$second" last_failed_at)
people retry "$(of_failed "$second" id)" || fail "retry: $(cat "$RUN/people.err")"
await 'the row of the event that failed too often to be counted' 60 sql_is '2147483647 t' "SELECT attempts || ' ' || (last_failed_at > '$failed_at')::text::char FROM dday.failed_event WHERE event_id = '$second'"

echo '--- a letter that is no event of ours'
printf '\xff\x00garbage' >"$RUN/garbage"
timeout 30 kcat -P -b "$KAFKA" -t member-events.DLT -k "$MINE" "$RUN/garbage" || fail 'could not give garbage'
await 'its row' 30 sql_is 1 "SELECT count(*) FROM dday.failed_event WHERE record_key = convert_to('$MINE', 'UTF8') AND payload = '\\xff0067617262616765'::bytea"
consumer_stop member-dead-letters
consumer_stop d-day-service
