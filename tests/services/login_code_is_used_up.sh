#!/usr/bin/env bash
# A code is good for one question to its provider. Before that question a login that fails is told to come again; behind it, whatever fails, it is asked for a new code, and
# nothing (no Retry-After either) asks it to come with the old one. Nothing is stored by any of it.
# tags: quick asan
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

system_tables inbox
system_tables membership
service_start auth-service

login() { # CODE [CURL-ARGUMENT...]
  call auth-service POST /api/auth/oauth/login "{\"provider\": \"kakao\", \"code\": \"$1\"}" "${@:2}"
}

# refused_by STATUS RETRY-AFTER WORDS CODE [CURL-ARGUMENT...]: RETRY-AFTER - for none.
refused_by() {
  login "${@:4}"
  answered "$1"
  assert_eq "Retry-After of $1 $(of_answer .detail)" "$2" "$(sed -n 's/^retry-after: \(.*\)\r$/\1/Ip' "$RUN/call.headers" | grep . || echo -)"
  assert_match "the words of $1" "^$3\$" "$(of_answer .detail)"
}

# broken TABLE STATEMENT [WHEN]: what is done in the transaction that inserts there, until it is mended.
broken() {
  pg "CREATE OR REPLACE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN $2; RETURN NULL; END \$\$" \
    "CREATE CONSTRAINT TRIGGER breaks AFTER INSERT ON $1 ${3:-} FOR EACH ROW EXECUTE FUNCTION breaks()"
}
mended() {
  pg "DROP TRIGGER breaks ON $1"
}
stored_is() { # MEMBERS EVENTS ANSWERS
  assert_eq 'members, events and answers' "$*" "$(pg "SELECT concat_ws(' ', (SELECT count(*) FROM auth.member), (SELECT count(*) FROM member_outbox_event), (SELECT count(*) FROM auth.request_answer))")"
}
key=(-H "Idempotency-Key: $MINE")
new='come with a new one'

# Before the question.
broken auth.request_answer "RAISE disk_full"
refused_by 503 1 'the database is away or too busy, and this attempt did nothing; whether an earlier one .* repeats it with the same key' mina "${key[@]}"
mended auth.request_answer

# Behind it: the member cannot be written, in this moment, or by this connection, or for a reason that nobody knows; nor the event of one.
for one in '' "$MINE"; do
  used=(${one:+-H "Idempotency-Key: $one"})
  for table in auth.member public.member_outbox_event; do
    broken $table "RAISE disk_full"
    refused_by 503 - "the database is away or too busy, and this attempt did nothing; the code may be used up: $new" mina "${used[@]}"
    mended $table
    broken $table "RAISE 'nobody knows'"
    refused_by 500 - "the request could not be carried out, .*; the code may be used up: $new" mina "${used[@]}"
    mended $table
  done
  broken auth.member "PERFORM pg_terminate_backend(pg_backend_pid())"
  refused_by 503 - "the database is away or too busy, and this attempt did nothing; the code may be used up: $new" mina "${used[@]}"
  mended auth.member
done
stored_is 0 0 0

# Behind COMMIT nobody knows. With a key the stored answer would tell, and a repetition is worth while; without one it is not.
broken auth.member "PERFORM pg_terminate_backend(pg_backend_pid())" 'DEFERRABLE INITIALLY DEFERRED'
refused_by 503 - "the database was lost before it said whether the request took effect: look; if it did not, the code may be used up: $new" mina
refused_by 503 1 "the database was lost .*; if it did, a repetition with the same Idempotency-Key gets its answer; if not, the code may be used up: $new" mina "${key[@]}"
mended auth.member
stored_is 0 0 0

# Nothing of it is left: with a new code the person is let in. (The stand-in takes an old one, too.)
login mina:new "${key[@]}"
answered 201
stored_is 1 1 1
call auth-service DELETE "/api/members/$(of_answer .memberId)"
answered 204
refused_by 403 - 'this member has withdrawn, .* the code is used up: .* comes with a new one' mina
refused_by 403 - 'this member has withdrawn, .* the code is used up: .* comes with a new one' mina -H "Idempotency-Key: $MINE.403"
stored_is 1 2 1

# What the provider says.
for standin in "refuses 401 the OAuth provider does not know this code, or no more: $new" "away 503 the OAuth provider does not answer, and the code may be used up: $new"; do
  read -r how status words <<<"$standin"
  process_stop auth-service
  service_start auth-service OAUTH_STANDIN="$how"
  refused_by "$status" - "$words" sora
  refused_by "$status" - "$words" sora -H "Idempotency-Key: $MINE.$how"
done
stored_is 1 2 1
