#!/usr/bin/env bash
# The same without a copy of the slot: the standby is promoted and has none. The relay does not make one, and does not go on in silence: it holds with code 4 and names the
# range in question, from what it had confirmed to where the promoted server stands. The documented way (init --accept-gap, restart, the rows of the gap once more)
# brings every row of the table to Kafka.
# row: P-15 failover to a standby without a synchronised slot
# expects: O1 by the documented way
# needs: PostgreSQL 17
# tags: slow real-kafka
POSTGRES=own
OWN_POSTGRES=("hot_standby = on")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/matrix/standby.bash
. "${BASH_SOURCE[0]%/*}/standby.bash"

topic=outbox.event.$T
topic_create "$topic" 3
standby_start
relay_set POSTGRES_URL "$(both_servers relay)"
relay_init
relay_start
for i in 1 2 3; do
  insert k "$i"
done
await_records "$topic" 3 >/dev/null
await 'confirmation of the first three' 20 slot_has_confirmed "$(wal_end)"
confirmed=$(slot_confirmed)
standby_is_level() {
  [ "$(standby_sql "SELECT pg_last_wal_replay_lsn() >= '$1'")" = t ]
}
await 'a standby that has all' 20 standby_is_level "$(wal_end)"

primary_dies
standby_promote
insert k 4
await_state held relay 60
problem=$(relay_log relay 'select(.event == "state" and .state == "held") | "\(.code) \(.cause) \(.error)"' | tail -n 1)
assert_match 'the refusal' '^4 slot_missing .*\(up to [0-9A-F]+/[0-9A-F]+\) .*this relay had confirmed up to [0-9A-F]+/[0-9A-F]+' "$problem"
from=$(sed -E 's:.*had confirmed up to ([0-9A-F]+/[0-9A-F]+).*:\1:' <<<"$problem")
to=$(sed -E 's:.*\(up to ([0-9A-F]+/[0-9A-F]+)\).*:\1:' <<<"$problem")
assert_eq 'the range begins at or behind the last confirmed position, and ends behind it' t \
  "$(pg "SELECT '$from'::pg_lsn >= '$confirmed' AND '$to'::pg_lsn >= '$from' AND '$to'::pg_lsn <= pg_current_wal_lsn()")"
insert k 5
assert_eq 'slots that the relay made' 0 "$(pg_in postgres "SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical'")"
assert_eq 'records while held' 3 "$(read_topic "$topic" | wc -l)"

# A slot that somebody makes there does not have what was written before it: the relay does not take it for its own, and the range begins where the server was promoted.
pg "SELECT pg_create_logical_replication_slot('$SLOT', '$PLUGIN')" >/dev/null
moved() {
  relay_log relay 'select(.event == "state" and .state == "held" and .cause == "slot_moved") | "\(.code) \(.error)"' | tail -n 1
}
has_moved() {
  [ -n "$(moved)" ]
}
await 'the refusal of a slot that is not its own' 60 has_moved
assert_match 'the second refusal' '^4 .*[0-9A-F]+/[0-9A-F]+' "$(moved)"
assert_eq 'records while held by a slot of somebody' 3 "$(read_topic "$topic" | wc -l)"
relay_stop
pg "SELECT pg_drop_replication_slot('$SLOT')" >/dev/null

# As docs/operations.md says.
code=0
relay_command refused init || code=$?
assert_eq 'exit code of init, rows having been there' 4 $code
relay_command accepted init --accept-gap || fail "init --accept-gap: $(cat accepted.err)"
relay_start
pg "WITH again AS (DELETE FROM outbox WHERE payload::text IN ('4', '5') RETURNING *) INSERT INTO outbox SELECT * FROM again ORDER BY created_at"
insert k 6
await_records "$topic" 6 30 >/dev/null
assert_eq 'values' '1 2 3 4 5 6' "$(read_topic "$topic" | cut -d '|' -f 2 | paste -sd ' ')"
relay_stop
