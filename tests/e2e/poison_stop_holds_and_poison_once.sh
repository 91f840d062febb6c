#!/usr/bin/env bash
# Policy stop: a row that can never be published holds the relay: nothing behind it is published, its table, event id and position are in the log, the reason is in
# /readyz, the counter counts. With --exit-on-hold it is exit code 5. delivery.poison_once lets that one row go to the dead letters, and no other; a second one of the same transaction is
# appended to it.
# row: K-06 a row without a topic holds
# expects: O1 O3, policy stop exact
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
dead=dead.$T
topic_create "$topic" 1
topic_create "$dead" 1
pg 'ALTER TABLE outbox DROP CONSTRAINT outbox_aggregatetype_is_legal'
relay_init
relay_start

insert k 1
IFS='|' read -r id second < <(pg "SELECT outbox_publish('no topic!', 'k', 'E', '\"poison\"'), outbox_publish('no topic!', 'k', 'E', '\"poison too\"')")
insert k 2
await_state held
assert_eq 'readiness' 503 "$(relay_get_status /readyz)"
assert_match 'the reason' '[Pp]oison|topic' "$(relay_get /readyz)"
assert_eq 'liveness' 200 "$(relay_get_status /livez)"
await 'the counter' 5 relay_metric_is 'cdc_relay_state{state="held"}' 'v == 1'
poison=$(relay_get /metrics | awk '/^cdc_relay_poison_events_total\{.*table="public.outbox"/ { sum += $NF } END { print sum + 0 }')
assert_number 'poison events counted' "$poison" '>=' 1
line=$(relay_log relay "select(.event_id == \"$id\") | tojson" | head -n 1)
assert_match 'table in the log' '"table":"public.outbox"' "$line"
position=$(jq -r '.position' <<<"$line")
assert_match 'position in the log' '^[0-9A-F]+/[0-9A-F]+/0$' "$position"
assert_eq 'values before it' 1 "$(read_topic "$topic" | cut -d '|' -f 2 | sort -u | paste -sd ' ')"
! grep -q '"poison"' "${RELAY_LOG[relay]}" || fail 'a payload in the log'
relay_stop

code=0
relay_command exit-on-hold run --exit-on-hold || code=$?
assert_eq 'exit code with --exit-on-hold' 5 $code

relay_set DELIVERY_POISON_ONCE "$position"
relay_set DELIVERY_DEAD_LETTER_TOPIC "$dead"
relay_start relay held
line=$(relay_log relay "select(.event_id == \"$second\") | tojson" | head -n 1)
assert_match 'what to do about the second' 'append to delivery.poison_once a comma and [0-9A-F]+/[0-9A-F]+/1 ' "$line"
relay_stop
relay_set DELIVERY_POISON_ONCE "$position,${position%/0}/1"
relay_start
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
assert_eq 'values' '1 2' "$(read_topic "$topic" | cut -d '|' -f 2 | sort -u | paste -sd ' ')"
assert_eq 'dead letters, the first again with the second' 2 "$(await_records "$dead" 2 | cut -d '|' -f 2 | sort -u | wc -l)"
assert_match 'the dead letter' "^k\|\"poison\"\|.*$id" "$(read_topic "$dead")"

insert k 3 'no topic!'
await_state held
relay_stop
assert_eq 'dead letters' 2 "$(read_topic "$dead" | cut -d '|' -f 2 | sort -u | wc -l)"
