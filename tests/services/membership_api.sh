#!/usr/bin/env bash
# Every call to auth-service and the event of each, read back from Kafka: topic, key, headers and body; what changes nothing publishes nothing. Times are local ones
# without an offset, each later than the one before, and what an event does not have is absent.
# tags: real-kafka slow asan
# plugins: both
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

system_new membership
relay_init
relay_start
service_start auth-service PGOPTIONS='-c lock_timeout=60s'

login() { # CODE [PROVIDER [CURL-ARGUMENT...]]
  call auth-service POST /api/auth/oauth/login "{\"provider\": \"${2:-kakao}\", \"code\": \"$1\"}" "${@:3}"
}
EVENT_TIMES=timestamp EVENT_TIME_FORM=$LOCAL_TIME

# Made at the first login, found at every other one.
login mina:1 kakao -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
answered 201
mina=$(of_answer .memberId)
assert_eq 'the answer to a first login' "{\"email\":\"mina@oauth.example\",\"memberId\":$mina,\"nickname\":\"mina\",\"status\":\"ACTIVE\"}" "$(jq -cS . <<<"$ANSWER")"
event member-events
event_is "$mina" CREATED auth-service "{\"eventType\": \"CREATED\", \"memberId\": $mina, \"nickname\": \"mina\", \"email\": \"mina@oauth.example\"}"
assert_match 'traceparent' '^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$' "$(of_event .headers.traceparent)"
created_at=$(of_event .body.timestamp)
login mina:2
answered 200
assert_eq 'who logs in' "$mina" "$(of_answer .memberId)"
login mina:1 naver
answered 201
[ "$(of_answer .memberId)" != "$mina" ] || fail 'two providers have one member'

# Without an e-mail: absent in the event, null in the answer.
login '민아 김'
answered 201
assert_eq 'e-mail of a person without one' null "$(of_answer .email)"
event member-events
event_is "$(of_answer .memberId)" CREATED auth-service "{\"eventType\": \"CREATED\", \"memberId\": $(of_answer .memberId), \"nickname\": \"민아 김\"}"
login invalid-code
answered 401
login :7
answered 401
events_are 3

# Shown.
call auth-service GET "/api/members/$mina"
answered 200
assert_eq 'a member' "{\"email\":\"mina@oauth.example\",\"memberId\":$mina,\"nickname\":\"mina\",\"status\":\"ACTIVE\"}" "$(jq -cS . <<<"$ANSWER")"
for id in 999999999 0 -1 x 9223372036854775808 99999999999999999999; do
  call auth-service GET "/api/members/$id" && answered 404
  call auth-service PUT "/api/members/$id" '{"nickname": "nobody"}' && answered 404
  call auth-service DELETE "/api/members/$id" && answered 404
done

# Changed: the fields that did, and only those.
change() { # BODY CHANGED-FIELDS NICKNAME
  call auth-service PUT "/api/members/$mina" "$1"
  answered 200
  event member-events
  event_is "$mina" UPDATED auth-service "{\"eventType\": \"UPDATED\", \"memberId\": $mina, \"nickname\": \"$3\", \"changedFields\": $2}"
}
change '{"nickname": "Mina"}' '["nickname"]' Mina
change '{"email": "mina@example.com"}' '["email"]' Mina
change '{"nickname": "mina.k", "email": "mina.k@example.com"}' '["nickname", "email"]' mina.k
change '{"nickname": "mina.k", "email": "mina@example.com"}' '["email"]' mina.k
assert_eq 'e-mail in the answer' mina@example.com "$(of_answer .email)"
for body in '{}' '{"nickname": "mina.k"}' '{"email": "mina@example.com"}' '{"nickname": "mina.k", "email": null}' '{"nickname": null}'; do
  call auth-service PUT "/api/members/$mina" "$body"
  answered 200
  assert_eq 'a member that did not change' "{\"email\":\"mina@example.com\",\"memberId\":$mina,\"nickname\":\"mina.k\",\"status\":\"ACTIVE\"}" "$(jq -cS . <<<"$ANSWER")"
done
events_are 7

# Withdrawn, for good.
EVENT_TIMES='timestamp deletedAt'
call auth-service DELETE "/api/members/$mina"
answered 204
assert_eq 'the answer to a withdrawal' '' "$ANSWER"
event member-events
event_is "$mina" DELETED auth-service "{\"eventType\": \"DELETED\", \"memberId\": $mina}"
call auth-service DELETE "/api/members/$mina"
answered 204
call auth-service PUT "/api/members/$mina" '{"nickname": "back"}'
answered 409
login mina:3
answered 403
call auth-service GET "/api/members/$mina"
answered 200
assert_eq 'status of who has withdrawn' DELETED "$(of_answer .status)"
events_are 8

# What happened to one member stands in one partition in its order, and its times rise.
events member-events | jq -r --arg key "$mina" 'select(.key == $key) | "\(.partition) \(.offset) \(.body.eventType) \(.body.timestamp)"' >"$RUN/mina"
assert_eq 'partitions of one member' 1 "$(cut -d ' ' -f 1 "$RUN/mina" | sort -u | wc -l)"
assert_eq 'events of one member' 'CREATED UPDATED UPDATED UPDATED UPDATED DELETED' "$(sort -k 2 -n "$RUN/mina" | cut -d ' ' -f 3 | xargs)"
assert_eq 'their times' "$(sort -k 2 -n "$RUN/mina" | cut -d ' ' -f 4)" "$(cut -d ' ' -f 4 "$RUN/mina" | LC_ALL=C sort -u)"
assert_eq 'the first of them' "$created_at" "$(head -n 1 "$RUN/mina" | cut -d ' ' -f 4)"

# Twenty first logins of one person at once: one member, one event. Another, which will not come to its end, is before them.
held_until_crowded "INSERT INTO auth.member (provider, provider_id, nickname) VALUES ('kakao', 'jun', 'jun')" ROLLBACK 8
seq 20 | xargs -P 20 -I {} curl -sS --max-time 30 -o "$RUN/login.{}" -w '%{http_code}\n' -H 'Content-Type: application/json' -H "X-Correlation-Id: $MINE.at-once.{}" \
  --data '{"provider": "kakao", "code": "jun:{}"}' "http://127.0.0.1:${SERVICE_PORT[auth-service]}/api/auth/oauth/login" >"$RUN/logins"
held_ends
assert_eq 'answers to twenty first logins' '19 200 1 201' "$(sort "$RUN/logins" | uniq -c | xargs)"
jun=$(jq -r .memberId "$RUN"/login.* | sort -u)
assert_eq 'members of twenty first logins' 1 "$(wc -l <<<"$jun")"
events_are 9

# Twenty changes at once, of a member whose last change was by a service with a clock that is an hour fast: each event is later than the one before it in the topic, so
# that no consumer takes an older state for the newer one.
fast=$(pg "UPDATE auth.member SET updated_at = now() + interval '1 hour' WHERE member_id = $jun RETURNING to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')")
held_until_crowded "SELECT FROM auth.member WHERE member_id = $jun FOR UPDATE" COMMIT 8
seq 20 | xargs -P 20 -I {} curl -sS --max-time 30 -o /dev/null -w '%{http_code}\n' -X PUT -H 'Content-Type: application/json' -H "X-Correlation-Id: $MINE.renamed.{}" \
  --data '{"nickname": "jun {}"}' "http://127.0.0.1:${SERVICE_PORT[auth-service]}/api/members/$jun" >"$RUN/changes"
held_ends
assert_eq 'answers to twenty changes' '20 200' "$(sort "$RUN/changes" | uniq -c | xargs)"
events_are 29
events member-events | jq -r --arg key "$jun" 'select(.key == $key) | "\(.offset) \(.body.timestamp) \(.body.nickname)"' | sort -n >"$RUN/jun"
assert_eq 'times of twenty changes' "$(cut -d ' ' -f 2 "$RUN/jun")" "$(cut -d ' ' -f 2 "$RUN/jun" | LC_ALL=C sort -u)"
[[ $(sed -n 2p "$RUN/jun" | cut -d ' ' -f 2) > $fast ]] || fail "the change after $fast is an earlier one: $(cat "$RUN/jun")"
assert_eq 'the last event and the member' "$(pg "SELECT nickname FROM auth.member WHERE member_id = $jun")" "$(tail -n 1 "$RUN/jun" | cut -d ' ' -f 3-)"

# A change that changes nothing is kept by its key: repeated behind another change, it does not take that back.
call auth-service PUT "/api/members/$jun" '{"nickname": "jun"}'
answered 200
call auth-service PUT "/api/members/$jun" '{"nickname": "jun"}' -H "Idempotency-Key: $MINE.same"
answered 200
call auth-service PUT "/api/members/$jun" '{"nickname": "June"}'
answered 200
call auth-service PUT "/api/members/$jun" '{"nickname": "jun"}' -H "Idempotency-Key: $MINE.same"
answered 200
assert_eq 'the nickname behind a change that was repeated' June "$(pg "SELECT nickname FROM auth.member WHERE member_id = $jun")"
events_are 31

# A change whose transaction began before that of another, and is committed behind it: whatever time its event has, it is the later one. By created_at a take-over goes.
renamed_first() {
  call auth-service PUT "/api/members/$jun" '{"nickname": "first"}'
}
call_behind auth.request_answer renamed_first auth-service PUT "/api/members/$jun" '{"nickname": "second"}'
for time in id created_at event_time "payload::json ->> 'timestamp'"; do
  assert_eq "the last two changes, by $time" 'first second' \
    "$(pg "SELECT payload::json ->> 'nickname' FROM member_outbox_event WHERE aggregate_id = $jun ORDER BY $time DESC LIMIT 2" | tac | xargs)"
done
events_are 33

# Whoever waits for another sees what that one has done: a member made is found, a change is kept beside the next one and is none if it was made already, and who has
# withdrawn meanwhile has.
held_until_crowded "INSERT INTO auth.member (provider, provider_id, nickname) VALUES ('kakao', 'dana', 'dana')" COMMIT 1
login dana
held_ends
answered 200
dana=$(of_answer .memberId)
assert_eq 'the member that another login has made' "$dana" "$(pg "SELECT member_id FROM auth.member WHERE provider_id = 'dana'")"
held_until_crowded "UPDATE auth.member SET nickname = 'Dana' WHERE member_id = $dana" COMMIT 1
call auth-service PUT "/api/members/$dana" '{"nickname": "Dana"}'
held_ends
answered 200
held_until_crowded "UPDATE auth.member SET nickname = 'dana k' WHERE member_id = $dana" COMMIT 1
call auth-service PUT "/api/members/$dana" '{"nickname": "dana k", "email": "dana@example.com"}'
held_ends
answered 200
EVENT_TIMES=timestamp
event member-events
event_is "$dana" UPDATED auth-service "{\"eventType\": \"UPDATED\", \"memberId\": $dana, \"nickname\": \"dana k\", \"changedFields\": [\"email\"]}"
held_until_crowded "UPDATE auth.member SET status = 'DELETED' WHERE member_id = $dana" COMMIT 1
call auth-service PUT "/api/members/$dana" '{"nickname": "back"}'
held_ends
answered 409
assert_eq 'who was withdrawn before a change' 'dana k DELETED' "$(pg "SELECT nickname || ' ' || status FROM auth.member WHERE member_id = $dana")"
held_until_crowded "UPDATE auth.member SET status = 'DELETED' WHERE member_id = $jun" COMMIT 1
call auth-service DELETE "/api/members/$jun"
held_ends
answered 204
events_are 34

# Where the stand-in is told to, nobody gets in. Who repeats a login with its key is answered from the store: for one code nobody asks the provider twice, and what it would
# say by now does not matter.
is_replayed() {
  grep -qi '^idempotency-replayed: true' "$RUN/call.headers"
}
login sora kakao -H "Idempotency-Key: $MINE.login"
answered 201
sora=$ANSWER
process_stop auth-service
service_start auth-service OAUTH_STANDIN=refuses
login sora
answered 401
login sora kakao -H "Idempotency-Key: $MINE.refused"
answered 401
login sora kakao -H "Idempotency-Key: $MINE.login"
answered 201
assert_eq 'a login that is repeated' "$sora" "$ANSWER"
is_replayed || fail 'a login that is repeated is not told from the store'
login sora:2 kakao -H "Idempotency-Key: $MINE.login"
answered 422
process_stop auth-service
service_start auth-service OAUTH_STANDIN=away
login sora
answered 503
login sora kakao -H "Idempotency-Key: $MINE.login"
answered 201
is_replayed || fail 'a login that is repeated while the provider is away is not told from the store'
process_stop auth-service
service_start auth-service
login sora kakao -H "Idempotency-Key: $MINE.refused"
answered 200
! is_replayed || fail 'a refused login was kept'
events_are 35
