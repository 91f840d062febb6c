#!/usr/bin/env bash
# The copy of the members follows their events, each once and never back in time: nobody revives, nothing older overwrites, who is unknown is asked for. What fails for a
# reason that passes waits as long as it takes; what fails for good lies in member-events.DLT after 1, 2 and 4 seconds.
# tags: slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

system_new membership
relay_init
relay_start
service_start auth-service
auth=AUTH_SERVICE_URL=http://127.0.0.1:${SERVICE_PORT[auth-service]}
# Whoever is killed is missed when its session is over, and only then the next one gets the partitions.
settings=("$auth" KAFKA_SESSION_TIMEOUT_MS=6000 KAFKA_HEARTBEAT_INTERVAL_MS=1000)
consumer_start d-day-service "${settings[@]}"

# reference MEMBER: what the copy knows.
reference="SELECT coalesce(nickname, '-') || ' ' || status || ' ' || to_char(last_event_at, 'YYYY-MM-DD HH24:MI:SS') FROM dday.member_reference WHERE member_id ="
status_of='SELECT status FROM dday.member_reference WHERE member_id ='
uuid() {
  cat /proc/sys/kernel/random/uuid
}
# Of no member that auth-service makes.
stranger=$((7000000000 + RANDOM * 32768 + RANDOM))

# member_event MEMBER TYPE TIME [MORE]: as an old publisher gives it, without headers; its id in ID.
member_event() {
  ID=$(uuid)
  give member-events "$1" "{\"eventId\": \"$ID\", \"eventType\": \"$2\", \"memberId\": $1, \"timestamp\": \"$3\"${4:+, $4}}"
}

# handled: the last member_event is in the inbox.
handled() {
  await "event $ID" 30 sql_is 1 "SELECT count(*) FROM dday.inbox WHERE event_id = '$ID'"
}

echo '--- as auth-service tells it'
call auth-service POST /api/auth/oauth/login "{\"provider\": \"kakao\", \"code\": \"code-of-$RANDOM$RANDOM\"}"
answered 201
member=$(of_answer '.memberId // .id // .userId')
event member-events
assert_eq 'member of the event' "$member" "$(of_event .body.memberId)"
await 'the member' 70 sql_is ACTIVE "$status_of $member"
assert_eq 'nickname' "$(of_event .body.nickname)" "$(pg "SELECT nickname FROM dday.member_reference WHERE member_id = $member")"
pg "INSERT INTO dday.d_day (member_id, title, target_date) VALUES ($member, 'wedding', '2030-01-01'), ($member, 'exam', '2031-01-01')"
call auth-service PUT "/api/members/$member" '{"nickname": "renamed"}'
answered 200
await 'the new name' 20 sql_is renamed "SELECT nickname FROM dday.member_reference WHERE member_id = $member"
call auth-service DELETE "/api/members/$member"
[[ $STATUS = 20? ]] || answered 200
await 'the withdrawal' 20 sql_is DELETED "$status_of $member"
assert_eq 'd-days of who left' 0 "$(pg "SELECT count(*) FROM dday.d_day WHERE member_id = $member")"

echo '--- order of time, by records without headers'
member_event "$stranger" CREATED 2026-03-01T10:00:00.5 '"nickname": "first", "email": "a@example.com"'
handled
assert_eq 'created' 'first ACTIVE 2026-03-01 10:00:00' "$(pg "$reference $stranger")"
member_event "$stranger" UPDATED 2026-03-03T10:00 '"nickname": "third", "changedFields": ["nickname"]'
handled
assert_eq 'updated' 'third ACTIVE 2026-03-03 10:00:00' "$(pg "$reference $stranger")"
member_event "$stranger" UPDATED 2026-03-02T10:00:00 '"nickname": "second", "changedFields": ["nickname"]'
handled
assert_eq 'updated by an older event' 'third ACTIVE 2026-03-03 10:00:00' "$(pg "$reference $stranger")"
member_event "$stranger" CREATED 2026-03-01T11:00:00 '"nickname": "late"'
handled
assert_eq 'created by an older event' 'third ACTIVE 2026-03-03 10:00:00' "$(pg "$reference $stranger")"
assert_eq 'e-mail, which an update does not tell' a@example.com "$(pg "SELECT email FROM dday.member_reference WHERE member_id = $stranger")"
member_event "$stranger" DELETED 2026-03-04T10:00:00 '"deletedAt": "2026-03-04T10:00:00"'
handled
member_event "$stranger" UPDATED 2026-03-05T10:00:00 '"nickname": "ghost", "changedFields": ["nickname"]'
handled
member_event "$stranger" CREATED 2026-03-06T10:00:00 '"nickname": "ghost"'
handled
assert_eq 'after DELETED' 'third DELETED 2026-03-04 10:00:00' "$(pg "$reference $stranger")"

echo '--- DELETED before anything else'
member_event $((stranger + 1)) DELETED 2026-03-04T10:00:00 '"deletedAt": "2026-03-04T10:00:00"'
handled
member_event $((stranger + 1)) CREATED 2026-03-01T10:00:00 '"nickname": "ghost"'
handled
assert_eq 'who was deleted before he came' DELETED "$(pg "$status_of $((stranger + 1))")"

echo '--- the same event twice, and a type of nobody'
body="{\"eventId\": \"$(uuid)\", \"eventType\": \"CREATED\", \"memberId\": $((stranger + 2)), \"timestamp\": \"2026-03-01T10:00:00\", \"nickname\": \"once\"}"
give member-events $((stranger + 2)) "$body"
give member-events $((stranger + 2)) "$body"
give member-events $((stranger + 2)) "{\"eventId\": \"$(uuid)\", \"eventType\": \"MERGED\", \"memberId\": 1}"
counted() {
  [ "$(consumer_metric d-day-service 'member_events_processed_total{type="CREATED",outcome="duplicate"}')" -ge 1 ] &&
    [ "$(consumer_metric d-day-service 'member_events_processed_total{type="other",outcome="unhandled"}')" -ge 1 ]
}
await 'a duplicate and an unknown type, counted' 20 counted
assert_eq 'events in the inbox' 1 "$(pg "SELECT count(*) FROM dday.inbox WHERE event_id = '$(jq -r .eventId <<<"$body")'")"

echo '--- UPDATED of somebody unknown: auth-service knows'
call auth-service POST /api/auth/oauth/login "{\"provider\": \"google\", \"code\": \"code-of-$RANDOM$RANDOM\"}"
answered 201
member=$(of_answer '.memberId // .id // .userId')
await 'the member' 20 sql_is ACTIVE "$status_of $member"
pg "DELETE FROM dday.member_reference WHERE member_id = $member"
member_event "$member" UPDATED 2030-03-05T10:00:00 '"nickname": "of the event", "changedFields": ["nickname"]'
handled
call auth-service GET "/api/members/$member"
assert_eq 'what auth-service knows' "$(of_answer .nickname) ACTIVE 2030-03-05 10:00:00" "$(pg "$reference $member")"

echo '--- auth-service is away: waited for, not given up'
pg "DELETE FROM dday.member_reference WHERE member_id = $member"
service_kill auth-service
member_event "$member" UPDATED 2030-03-06T10:00:00 '"nickname": "of the event", "changedFields": ["nickname"]'
await 'an attempt that found nobody' 20 consumer_has_logged d-day-service ".event_id == \"$ID\" and .event == \"attempt_failed\" and .cause == \"auth_away\" and .class == \"transient\""
service_start auth-service
handled
assert_eq 'what auth-service knows' ACTIVE "$(pg "$status_of $member")"

# Looked at below: it takes its time.
member_event $((stranger + 3)) UPDATED 2026-03-05T10:00:00 '"nickname": "nobody", "changedFields": ["nickname"]'
unknown=$ID

echo '--- what is no event goes at once'
member_event "\"x\"" UPDATED 2026-03-05T10:00:00 '"changedFields": []'
await 'a dead letter' 40 has_with_id member-events.DLT "$ID" 1
assert_eq 'failed attempts before' '' "$(consumer_log d-day-service ".event_id == \"$ID\" and .event == \"attempt_failed\"")"
member_event $((stranger + 4)) CREATED 'the day before yesterday' '"nickname": "x"'
await 'a dead letter' 40 has_with_id member-events.DLT "$ID" 1
member_event $((stranger + 4)) CREATED 2026-02-31T10:00:00 '"nickname": "x"'
await 'a dead letter' 40 has_with_id member-events.DLT "$ID" 1
assert_eq 'rows of it' 0 "$(pg "SELECT count(*) FROM dday.member_reference WHERE member_id = $((stranger + 4))")"

echo '--- auth-service does not know: dead letter after 1, 2 and 4 seconds'
await 'a dead letter' 40 has_with_id member-events.DLT "$unknown" 1
assert_eq 'pauses in the log' '1000 2000 4000' "$(consumer_log d-day-service ".event_id == \"$unknown\" and .event == \"attempt_failed\"" | jq -r .retry_in_ms | paste -sd ' ')"
assert_eq 'error class of the dead letter' unknown_member "$(with_id member-events.DLT "$unknown" | jq -r '.headers["dlt.error.class"]')"

echo '--- killed and started: no effect is lost or repeated'
for i in {10..29}; do
  member_event $((stranger + i)) CREATED 2026-03-01T10:00:00 "\"nickname\": \"member $i\""
  if [ "$i" = 20 ]; then
    consumer_kill d-day-service
    consumer_launch d-day-service "${settings[@]}"
  fi
done
await 'all twenty' 70 sql_is 20 "SELECT count(*) FROM dday.member_reference WHERE member_id BETWEEN $((stranger + 10)) AND $((stranger + 29)) AND nickname LIKE 'member %'"
consumer_stop d-day-service
