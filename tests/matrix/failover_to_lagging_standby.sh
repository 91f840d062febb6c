#!/usr/bin/env bash
# A standby that lags is promoted, and nothing had made the primary wait for it (synchronized_standby_slots is empty): Kafka has events that the database has lost. The
# relay cannot take them back, but says so: code 4 with the range, also when the promoted server has written far beyond that range before the relay is back. A restart
# accepts the server as it is, and nothing that it holds is missing.
# row: P-16 events in Kafka of commits that a failover lost
# expects: the range is alarmed; O1
# needs: PostgreSQL 17
# tags: slow
POSTGRES=own
OWN_POSTGRES=("hot_standby = on")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/matrix/standby.bash
. "${BASH_SOURCE[0]%/*}/standby.bash"

topic=outbox.event.$T
topic_create "$topic" 1
standby_start
relay_set POSTGRES_URL "$(both_servers relay)"
relay_set POSTGRES_FAILOVER true
relay_init
relay_start
for i in 1 2 3; do
  insert k "$i"
done
await_records "$topic" 3 >/dev/null
await 'the copy of the slot on the standby' 60 standby_has_the_slot
process_stop standby

lost_from=$(wal_end)
insert k 4
insert k 5
await_records "$topic" 5 >/dev/null
await 'confirmation of what will be lost' 20 slot_has_confirmed "$(wal_end)"
lost_to=$(slot_confirmed)

# Frozen, so that the promoted server is far ahead of the range before the relay sees it.
kill -STOP "${RELAY_PID[relay]}"
primary_dies
postgres_run standby
standby_promote
pg "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000)) FROM generate_series(1, 3)" >/dev/null
assert_eq 'the promoted server is ahead of all that was confirmed' t "$(pg "SELECT pg_current_wal_flush_lsn() > '$lost_to'")"
insert k 6
kill -CONT "${RELAY_PID[relay]}"
await_state held relay 60
problem=$(relay_log relay 'select(.event == "state" and .state == "held") | "\(.code) \(.cause) \(.error)"' | tail -n 1)
assert_match 'the refusal' '^4 server_behind .*events from [0-9A-F]+/[0-9A-F]+ to [0-9A-F]+/[0-9A-F]+ may be in Kafka and not in the database' "$problem"
range=$(sed -E 's:.*events from ([0-9A-F/]+) to ([0-9A-F/]+) may be.*:\1 \2:' <<<"$problem")
assert_eq 'the range holds what was lost' t "$(pg "SELECT '${range% *}'::pg_lsn <= '$lost_from' AND '${range#* }'::pg_lsn >= '$lost_to'")"
assert_eq 'records while held' 5 "$(read_topic "$topic" | wc -l)"
assert_eq 'rows that the promoted server has of those in Kafka' '1 2 3' "$(pg "SELECT string_agg(payload::text, ' ' ORDER BY created_at) FROM outbox WHERE payload::text <> '6'")"
relay_stop

relay_start
insert k 7
await 'confirmation of all' 30 slot_has_confirmed "$(wal_end)"
assert_eq 'values, without repetitions' '1 2 3 4 5 6 7' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
