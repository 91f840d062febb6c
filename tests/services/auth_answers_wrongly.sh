#!/usr/bin/env bash
# Who stands at the address of auth-service refuses, redirects, or says what is no answer: that is nobody's event's fault. The event waits, the log names what a person must
# mend, nothing becomes a dead letter; and when the answer is one, the event goes on by itself. Only a member that auth-service names as unknown is given up.
# tags: slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

system_new membership
relay_init
relay_start
mkdir -p "$RUN/auth"
service_start auth-service # for its words

# says STATUS BODY [MEMBER]: from now on, of all members or of one.
says() {
  printf '%s\n%s' "$1" "$2" >"$RUN/auth/answer.new"
  mv "$RUN/auth/answer.new" "$RUN/auth/answer${3:+.$3}"
}

# updated MEMBER: an event of him, who is not known yet; its id in ID.
updated() {
  ID=$(cat /proc/sys/kernel/random/uuid)
  give member-events "$1" "{\"eventId\": \"$ID\", \"eventType\": \"UPDATED\", \"memberId\": $1, \"timestamp\": \"2026-03-05T10:00:00\", \"changedFields\": []}" "id=$ID"
}

# asks_in_vain STATUS BODY CAUSE WORDS: the event waits for that, for a reason that passes.
asks_in_vain() {
  says "$1" "$2"
  await "an attempt that got $1 $2" 40 consumer_has_logged d-day-service \
    ".event_id == \"$ID\" and .event == \"attempt_failed\" and .cause == \"$3\" and .class == \"transient\" and (.error | contains(\"$4\")) and (.hint | length) > 0"
}

# goes_on MEMBER: by itself, once the answer is one.
goes_on() {
  assert_eq 'dead letters' 0 "$(with_id member-events.DLT "$ID" | wc -l)"
  says 200 "{\"memberId\": $1, \"nickname\": \"found\", \"status\": \"ACTIVE\"}"
  await 'the member' 40 sql_is 'found ACTIVE' "SELECT nickname || ' ' || status FROM dday.member_reference WHERE member_id = $1"
  WAITED+=("$ID")
}
WAITED=()

says 302 ''
process_spawn auth-standin TERM python3 "$ROOT/tests/services/auth_standin" "$RUN/auth"
await 'the stand-in' 20 test -e "$RUN/auth/port"
consumer_start d-day-service "AUTH_SERVICE_URL=http://127.0.0.1:$(<"$RUN/auth/port")/"
member=$((6000000000 + RANDOM * 32768 + RANDOM))

# Unknown, in auth-service's words. Looked at below: it is given up after 1, 2 and 4 seconds.
call auth-service GET "/api/members/$member" && answered 404
says 404 "$ANSWER" "$member"
updated "$member"
unknown=$ID

# An event's pauses double, so that there are several events. The log tells an event's cause once a minute: those that have one in common take turns with the other.
updated $((member + 1))
asks_in_vain 302 '' auth_answer 'status 302'
asks_in_vain 401 '{}' auth_refused 'status 401'
goes_on $((member + 1))
says 200 '<html>welcome</html>'
updated $((member + 2))
asks_in_vain 200 '<html>welcome</html>' auth_answer 'no member'
asks_in_vain 407 '' auth_refused 'status 407'
goes_on $((member + 2))
# A service of ours that has no such route, as with a wrong prefix in the address: in its own words.
call auth-service GET "/api/nothing/api/members/$((member + 3))" && answered 404
says 404 "$ANSWER"
updated $((member + 3))
asks_in_vain 404 "$ANSWER" auth_answer 'status 404'
goes_on $((member + 3))
relay_has_all
for id in "${WAITED[@]}"; do
  assert_eq 'dead letters' 0 "$(with_id member-events.DLT "$id" | wc -l)"
done

await 'a dead letter' 40 has_with_id member-events.DLT "$unknown" 1
assert_eq 'error class of the dead letter' unknown_member "$(with_id member-events.DLT "$unknown" | jq -r '.headers["dlt.error.class"]')"
consumer_stop d-day-service

# An address that is none is no setting.
code=0
consumer_launch d-day-service AUTH_SERVICE_URL=auth-service:8081
wait "${CONSUMER_PID[d-day-service]}" || code=$?
assert_eq 'exit code of a wrong address' 2 "$code"
# Nor is one with a user and a password, which would be printed.
code=0
env -i DATABASE_URL=postgresql:// KAFKA_BOOTSTRAP_SERVERS="$KAFKA" AUTH_SERVICE_URL=http://u:hush@auth:8081 "$BUILD/consumers/d-day-service" --print-config \
  >"$RUN/config.out" 2>&1 || code=$?
assert_eq 'exit code of an address with a password' 2 "$code"
grep -q '^AUTH_SERVICE_URL=\*\*\* .*must not hold an @' "$RUN/config.out" || fail "an address with a password: $(cat "$RUN/config.out")"
! grep hush "$RUN/config.out" || fail '--print-config shows a password'
