#!/usr/bin/env bash
# sql/membership.sql: the old outbox goes on as it was, with the columns that are new beside it; each service keeps to its own schema; nobody revives a member.
# shellcheck source=tests/sql/harness.bash
. "${BASH_SOURCE[0]%/*}/harness.bash"

dump() {
  pg_dump "$DB" | grep -v '^\\\(un\)\?restrict '
}

auth=${DB}_auth dday=${DB}_dday old=${DB}_old letters=${DB}_letters janitor=${DB}_janitor
pg "CREATE ROLE \"$old\" LOGIN"

# The table is there already, with rows, made and used by the old service as its document has it: no default but `published`.
pg "CREATE TABLE public.member_outbox_event (id bigint PRIMARY KEY, event_id varchar(36) UNIQUE, aggregate_type varchar(50), aggregate_id bigint, event_type varchar(20), payload text,
      published boolean DEFAULT false, created_at timestamp)" "ALTER TABLE public.member_outbox_event OWNER TO \"$old\""
old_insert() { # ID
  echo "INSERT INTO member_outbox_event (id, event_id, aggregate_type, aggregate_id, event_type, payload, published, created_at)
    VALUES ($1, gen_random_uuid()::text, 'MEMBER', 42, 'CREATED', '{\"memberId\":42}', false, '2025-01-25T10:15:30.123456')"
}
can 'the old INSERT before' "$old" "$(old_insert 1)"
for file in inbox membership; do
  apply $file.sql >"$RUN/apply.log" 2>&1 || fail "$file.sql: $(cat "$RUN/apply.log")"
done
pg "CREATE ROLE \"$auth\" LOGIN IN ROLE auth_service" "CREATE ROLE \"$dday\" LOGIN IN ROLE dday_service" \
  "CREATE ROLE \"$letters\" LOGIN IN ROLE member_dead_letters" "CREATE ROLE \"$janitor\" LOGIN IN ROLE outbox_janitor"
assert_eq 'a row from before has nothing new in it' '1|f|2025-01-25 10:15:30.123456||||' "$(pg "SELECT id, published, created_at, correlation_id, causation_id, traceparent, event_time FROM member_outbox_event")"
can 'the old INSERT afterwards' "$old" "$(old_insert 2)"
can 'the old scheduler' "$old" "SELECT * FROM member_outbox_event WHERE published = false ORDER BY id LIMIT 100; UPDATE member_outbox_event SET published = true WHERE id = 1"
assert_eq 'what it marked' '1 t 2 f' "$(pg "SELECT id || ' ' || published::text::char FROM member_outbox_event ORDER BY id" | paste -sd ' ')"
cannot 'an event id twice' "$old" "INSERT INTO member_outbox_event SELECT 3, event_id FROM member_outbox_event WHERE id = 1" 23505
assert_eq 'published tables' 'member_outbox_event outbox outbox_binary' "$(pg "SELECT tablename FROM pg_publication_tables WHERE pubname = '$PUBLICATION' ORDER BY 1" | paste -sd ' ')"
assert_eq 'only inserts are published' 't|f|f|f' "$(pg "SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication")"

# The new service names neither id nor time; what it gets cannot be an old one, and comes behind the old ones.
event="INSERT INTO public.member_outbox_event (event_id, aggregate_type, aggregate_id, event_type, payload, correlation_id, causation_id, traceparent)
  VALUES (gen_random_uuid()::text, 'MEMBER', 43, 'CREATED', '{}', 'c-1', NULL, NULL)"
person="INSERT INTO auth.member (member_id, provider, provider_id, nickname, email) VALUES (nextval('auth.member_id'), 'kakao', 'anna', 'anna', 'anna@example.com')"
can 'a member is made' "$auth" "BEGIN; $person; $event; COMMIT"
can 'a second event' "$auth" "$event"
assert_eq 'ids of the new' '4611686018427387904 4611686018427387905' "$(pg "SELECT id FROM member_outbox_event WHERE aggregate_id = 43 ORDER BY id" | paste -sd ' ')"
assert_match 'the time of an event as a header' '^20[0-9-]{8}T[0-9:]{8}\.[0-9]{6}Z$' "$(pg "SELECT event_time FROM member_outbox_event WHERE aggregate_id = 43 LIMIT 1")"
# Both are of the INSERT, and not of a BEGIN that lies before a wait for the member's lock.
assert_eq 'times of an event, UTC whatever the session says' 't t t t' "$(pg "SET timezone = 'Asia/Seoul'; BEGIN; $event; SELECT concat_ws(' ', created_at > now() AT TIME ZONE 'UTC',
    created_at <= clock_timestamp() AT TIME ZONE 'UTC', event_time::timestamptz > now(), event_time::timestamptz <= clock_timestamp())
  FROM member_outbox_event ORDER BY id DESC LIMIT 1; ROLLBACK")"
# A row that the relay could not publish would hold it for everybody: the new service may not write one, the old one goes on as it was.
odd() { # AGGREGATE_TYPE AGGREGATE_ID PAYLOAD
  echo "INSERT INTO public.member_outbox_event (event_id, aggregate_type, aggregate_id, event_type, payload) VALUES (gen_random_uuid()::text, $1, $2, 'CREATED', $3)"
}
cannot 'auth-service writes of another aggregate' "$auth" "$(odd "'ORDER'" 1 "'{}'")"
cannot 'auth-service writes of none' "$auth" "$(odd NULL 1 "'{}'")" '42501|23502'
cannot 'auth-service writes without a key' "$auth" "$(odd "'MEMBER'" NULL "'{}'")" '42501|23502'
cannot 'auth-service writes more than Kafka takes' "$auth" "$(odd "'MEMBER'" 1 "repeat('x', 900001)")"
can 'auth-service writes as much as Kafka takes' "$auth" "BEGIN; $(odd "'MEMBER'" 1 "repeat('x', 900000)"); ROLLBACK"
whole() { # EVENT_ID EVENT_TYPE PAYLOAD CORRELATION_ID CAUSATION_ID TRACEPARENT
  echo "INSERT INTO public.member_outbox_event (event_id, aggregate_type, aggregate_id, event_type, payload, correlation_id, causation_id, traceparent) VALUES ($1, 'MEMBER', 1, $2, $3, $4, $5, $6)"
}
while IFS='|' read -r what id type payload correlation causation trace; do
  cannot "auth-service writes $what" "$auth" "$(whole "$id" "$type" "$payload" "$correlation" "$causation" "$trace")" '42501|23502'
done <<'EVENTS'
an event without an id|NULL|'CREATED'|'{}'|NULL|NULL|NULL
an event with an empty id|''|'CREATED'|'{}'|NULL|NULL|NULL
an event without a type|'e'|NULL|'{}'|NULL|NULL|NULL
an event with an empty type|'e'|''|'{}'|NULL|NULL|NULL
an event without a body|'e'|'CREATED'|NULL|NULL|NULL|NULL
a long correlation id|'e'|'CREATED'|'{}'|repeat('x', 129)|NULL|NULL
a long causation id|'e'|'CREATED'|'{}'|NULL|repeat('x', 129)|NULL
a long trace|'e'|'CREATED'|'{}'|NULL|NULL|repeat('x', 56)
EVENTS
can 'auth-service writes the longest headers' "$auth" "BEGIN; $(whole "'e'" "'CREATED'" "'{}'" "repeat('x', 128)" "repeat('x', 128)" "repeat('x', 55)"); ROLLBACK"
# What comes by default is not for auth-service to say.
for column in 'id 1' 'published true' "created_at 'infinity'" "event_time 'never'"; do
  cannot "auth-service says $column" "$auth" "INSERT INTO public.member_outbox_event (event_id, aggregate_type, aggregate_id, event_type, payload, ${column%% *})
    VALUES (gen_random_uuid()::text, 'MEMBER', 1, 'CREATED', '{}', ${column#* })"
done
can 'the old service writes of another aggregate' "$old" "INSERT INTO member_outbox_event (id, event_id, aggregate_type, payload) VALUES (90, gen_random_uuid()::text, 'ORDER', repeat('x', 900001))"
can 'the old scheduler marks it' "$old" "UPDATE member_outbox_event SET published = true WHERE id = 90; DELETE FROM member_outbox_event WHERE id = 90"
cannot 'auth-service reads the outbox' "$auth" "SELECT FROM member_outbox_event"
cannot 'auth-service marks' "$auth" "UPDATE member_outbox_event SET published = true"
cannot 'auth-service removes' "$auth" "DELETE FROM member_outbox_event"

# Members.
cannot 'the same person twice' "$auth" "$person" 23505
for column in "status 'DELETED'" "created_at 'infinity'" "updated_at 'infinity'"; do
  cannot "a member begins with $column" "$auth" "INSERT INTO auth.member (provider, provider_id, nickname, ${column%% *}) VALUES ('kakao', 'eve', 'eve', ${column#* })"
done
can 'the same person twice, asked for' "$auth" "$person ON CONFLICT (provider, provider_id) DO NOTHING RETURNING member_id"
can 'a member is renamed' "$auth" "SELECT * FROM auth.member WHERE member_id = 1 FOR UPDATE; UPDATE auth.member SET nickname = 'ann', email = NULL, updated_at = greatest(clock_timestamp(), updated_at + interval '1 microsecond') WHERE member_id = 1 RETURNING member_id"
cannot 'a member becomes another person' "$auth" "UPDATE auth.member SET provider_id = 'bob'"
cannot 'a member vanishes' "$auth" "DELETE FROM auth.member"
cannot 'a state that is none' "$auth" "UPDATE auth.member SET status = 'GONE'" 23514
cannot 'no nickname' "$auth" "UPDATE auth.member SET nickname = ''" 23514
can 'a member withdraws' "$auth" "UPDATE auth.member SET status = 'DELETED'"
cannot 'a member comes back' "$auth" "UPDATE auth.member SET status = 'ACTIVE'" 23514
can 'an answer is kept' "$auth" "BEGIN; INSERT INTO auth.request_answer (key, route, digest) VALUES ('k', 'POST /api/auth/oauth/login', '\\x00'); UPDATE auth.request_answer SET status = 201, body = '{}' WHERE key = 'k'; COMMIT"

# The copy of members, and what hangs on it.
reference() { # ID STATUS LAST_EVENT_AT [NICKNAME]
  echo "INSERT INTO dday.member_reference (member_id, nickname, status, last_event_id, last_event_at) VALUES ($1, ${4:-NULL}, '$2', 'e-$1', '$3')"
}
handled() { # CONSUMER EVENT_ID
  echo "INSERT INTO dday.inbox (consumer, event_id, topic, partition, \"offset\") VALUES ('$1', '$2', 'member-events', 0, 1) ON CONFLICT DO NOTHING RETURNING event_id"
}
can 'a member, its d-day, and the event in the inbox' "$dday" "BEGIN; $(handled d-day-service e-1);
  $(reference 1 ACTIVE 2025-01-25T10:15:30.5 "'anna'"); INSERT INTO dday.d_day (member_id, title, target_date) VALUES (1, 'exam', '2026-11-19'); COMMIT"
can 'a member that was deleted before it was known' "$dday" "$(reference 2 DELETED 2025-01-25T10:15:30)"
cannot 'an active member without a name' "$dday" "$(reference 3 ACTIVE 2025-01-25T10:15:30)" 23514
cannot 'a d-day of nobody' "$dday" "INSERT INTO dday.d_day (member_id, title, target_date) VALUES (9, 'exam', '2026-11-19')" 23503
cannot 'an older event comes over a newer one' "$dday" "UPDATE dday.member_reference SET nickname = 'x', last_event_at = '2025-01-25T10:15:30.499999' WHERE member_id = 1" 23514
can 'a newer event' "$dday" "UPDATE dday.member_reference SET nickname = 'x', last_event_at = '2025-01-25T10:15:30.500001' WHERE member_id = 1"
can 'the member is deleted, with its d-days' "$dday" "UPDATE dday.member_reference SET status = 'DELETED', last_event_at = '2025-01-26' WHERE member_id = 1; DELETE FROM dday.d_day WHERE member_id = 1"
cannot 'the member is revived' "$dday" "UPDATE dday.member_reference SET status = 'ACTIVE', last_event_at = '2025-01-27' WHERE member_id = 1" 23514

# Dead letters and the list of them.
failed="INSERT INTO dday.failed_event (event_id, event_type, member_id, topic, partition, \"offset\", record_key, payload, headers) VALUES ('e-7', 'CREATED', 7, 'member-events', 0, 1, '7', '{', '[]')"
can 'a failed event' "$letters" "$failed"
cannot 'the same failed event twice' "$letters" "$failed" 23505
can 'it fails again' "$letters" "$failed ON CONFLICT (event_id) DO UPDATE SET attempts = failed_event.attempts + 1, last_failed_at = now()"
cannot 'it is closed at no time' "$letters" "UPDATE dday.failed_event SET status = 'RESOLVED'" 23514
can 'it is closed' "$letters" "UPDATE dday.failed_event SET status = 'RESOLVED', handled_by = 'anna', handled_at = now(), note = 'n'"
can 'an alert, taken and sent' "$letters" "INSERT INTO dday.alert (event_id, channel, subject, body) VALUES ('e-7', 'EMAIL', 's', 'b'), ('e-7', 'WEBHOOK', 's', 'b');
  UPDATE dday.alert SET attempts = attempts + 1, next_at = clock_timestamp() + interval '30 seconds' WHERE id = (
    SELECT id FROM dday.alert WHERE status = 'PENDING' AND next_at <= clock_timestamp() ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id;
  UPDATE dday.alert SET status = 'SENT', sent_at = clock_timestamp() WHERE attempts = 1"
assert_eq 'alerts to send' 1 "$(pg "SELECT count(*) FROM dday.alert WHERE status = 'PENDING'")"
cannot 'sent at no time' "$letters" "UPDATE dday.alert SET status = 'SENT'" 23514
# A row in the inbox keeps an event from the consumer that it names, so that nobody writes one in another's name, be it there or not, nor sees what another has handled.
assert_eq 'a letter in the inbox' e-1 "$(as "$letters" "$(handled member-dead-letters e-1)")"
assert_eq 'a letter in the inbox a second time' '' "$(as "$letters" "$(handled member-dead-letters e-1)")"
while read -r role own foreign; do
  for id in e-1 e-2; do
    cannot "$own keeps event $id from $foreign" "$role" "$(handled "$foreign" $id)"
    cannot "$own keeps event $id from $foreign, without a question" "$role" "$(handled "$foreign" $id | sed 's/ ON CONFLICT.*//')"
  done
  cannot "$own keeps an event from nobody" "$role" "$(handled "" e-2)"
  assert_eq "what $own sees of the inbox" "$own e-1" "$(as "$role" "SELECT consumer || ' ' || event_id FROM dday.inbox")"
done <<ROLES
$dday d-day-service member-dead-letters
$letters member-dead-letters d-day-service
ROLES
assert_eq 'rows of the inbox' 'd-day-service e-1 member-dead-letters e-1' "$(pg "SELECT consumer || ' ' || event_id FROM dday.inbox ORDER BY 1" | paste -sd ' ')"
can 'one retry at a time' "$letters" "SELECT pg_try_advisory_lock(hashtextextended('dday.failed_event/1', 0))"
can 'a dead letter' "$dday" "INSERT INTO outbox_binary ($EVENT, event_id) VALUES ('member-events.DLT', '7', 'CREATED', '{', 'e-7')"
cannot 'a dead letter that is never removed' "$dday" "INSERT INTO outbox_binary ($EVENT, created_at) VALUES ('member-events.DLT', '7', 'CREATED', '{', '9999-01-01')"
cannot 'd-day-service makes members up' "$dday" "INSERT INTO outbox ($EVENT) VALUES ('member-events', '7', 'CREATED', '{}')"
cannot 'd-day-service writes the old outbox' "$dday" "$event"
cannot 'auth-service writes another outbox' "$auth" "INSERT INTO outbox ($EVENT) VALUES ('member-events', '7', 'CREATED', '{}')"

for foreign in "$auth dday.member_reference" "$auth dday.d_day" "$auth dday.failed_event" "$auth dday.alert" "$auth dday.inbox" "$dday auth.member" "$dday auth.request_answer" \
  "$dday dday.failed_event" "$dday dday.alert" "$letters dday.member_reference" "$letters dday.d_day" "$letters auth.member" "$letters public.outbox" "$letters public.outbox_binary"; do
  read -r role table <<<"$foreign"
  for sql in "SELECT FROM $table" "DELETE FROM $table" "TRUNCATE $table" "INSERT INTO $table DEFAULT VALUES"; do
    cannot "$role: $sql" "$role" "$sql"
  done
done
cannot 'd-day-service forgets what it handled' "$dday" 'DELETE FROM dday.inbox'
cannot 'member-dead-letters forgets what it handled' "$letters" 'DELETE FROM dday.inbox'
cannot 'member-dead-letters removes a failed event' "$letters" 'DELETE FROM dday.failed_event'
cannot 'member-dead-letters writes the old outbox' "$letters" "$event"

# What the janitor removes, and that it reads none of it: old rows of the inbox, and alerts that were sent. Those that wait stay, however old.
pg "UPDATE dday.alert SET next_at = '2020-01-01', created_at = '2020-01-01' WHERE status = 'PENDING'"
prune() { # AGE
  echo "WITH gone AS (DELETE FROM dday.alert WHERE id IN (SELECT id FROM dday.alert WHERE status = 'SENT' AND sent_at < now() - interval '$1' LIMIT 10000) RETURNING id) SELECT count(*) FROM gone"
}
assert_eq 'alerts that are too young' 0 "$(as "$janitor" "$(prune '1 day')")"
assert_eq 'alerts that were sent' 1 "$(as "$janitor" "$(prune 0)")"
assert_eq 'alerts that wait' 1 "$(pg "SELECT count(*) FROM dday.alert WHERE status = 'PENDING'")"
assert_eq 'rows of the inbox' 2 "$(as "$janitor" "SELECT inbox_prune('dday', '0')")"
for sql in 'SELECT body FROM dday.alert' 'SELECT event_id FROM dday.alert' "UPDATE dday.alert SET status = 'PENDING', sent_at = NULL" 'SELECT FROM dday.failed_event' 'DELETE FROM dday.failed_event' 'DELETE FROM dday.member_reference'; do
  cannot "the janitor: $sql" "$janitor" "$sql"
done
cannot 'member-dead-letters removes alerts' "$letters" 'DELETE FROM dday.alert'

# Applied again: nothing changes, whatever is in it; and what an earlier version gave beyond that is taken.
before=$(dump)
pg 'GRANT INSERT ON public.member_outbox_event, auth.member TO auth_service' 'GRANT INSERT ON public.outbox_binary TO dday_service' \
  "ALTER TABLE public.member_outbox_event ALTER COLUMN created_at SET DEFAULT (now() AT TIME ZONE 'UTC'),
    ALTER COLUMN event_time SET DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')" \
  'ALTER TABLE dday.inbox DISABLE ROW LEVEL SECURITY' 'DROP POLICY inbox_of_d_day_service ON dday.inbox' 'DROP POLICY inbox_of_member_dead_letters ON dday.inbox' \
  'DROP POLICY inbox_of_the_janitor ON dday.inbox' \
  'GRANT SELECT, INSERT, UPDATE ON dday.failed_event, dday.alert TO dday_service' \
  'DROP TRIGGER member_outbox_event_is_of_a_member ON public.member_outbox_event' \
  "CREATE TRIGGER member_outbox_event_is_of_a_member BEFORE INSERT ON public.member_outbox_event
    FOR EACH ROW WHEN (NEW.aggregate_type IS DISTINCT FROM 'MEMBER' OR NEW.aggregate_id IS NULL OR octet_length(NEW.payload) > 900000) EXECUTE FUNCTION public.member_outbox_event_is_of_a_member()"
for file in inbox membership; do
  apply $file.sql >"$RUN/apply.log" 2>&1 || fail "$file.sql once more: $(cat "$RUN/apply.log")"
done
assert_eq 'the database after applying again' "$before" "$(dump)"
# A default that the old table had is its own.
pg "ALTER TABLE public.member_outbox_event ALTER COLUMN created_at SET DEFAULT '2025-01-25'"
apply membership.sql >"$RUN/apply.log" 2>&1 || fail "membership.sql with a default of the old table: $(cat "$RUN/apply.log")"
assert_eq 'a default of the old table' "'2025-01-25 00:00:00'::timestamp without time zone" "$(pg "SELECT column_default FROM information_schema.columns WHERE table_name = 'member_outbox_event' AND column_name = 'created_at'")"

# Into an empty database, where the table is made as well.
DB=${NAME}_copy
pg_in postgres "CREATE DATABASE \"$DB\""
for file in outbox roles inbox membership membership; do
  apply $file.sql >"$RUN/apply.log" 2>&1 || fail "$file.sql in an empty database: $(cat "$RUN/apply.log")"
done
can 'a member is made there, too' "$auth" "BEGIN; $person; $event; COMMIT"
can 'and the old INSERT' "$PGUSER" "$(old_insert 1)"
DB=$NAME
