#!/usr/bin/env bash
# PostgreSQL is not there when the relay starts, is restarted while it streams, and crashes: the relay reconnects by itself and goes on where the server stands.
# tags:
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
insert k 1
process_stop own
relay_start relay -
assert_eq 'liveness without a database' 200 "$(relay_get_status /livez)"
assert_eq 'readiness without a database' 503 "$(relay_get_status /readyz)"
postgres_run own
await_state streaming relay 30
await_records "$topic" 1 >/dev/null

began=$EPOCHREALTIME
process_stop own
ended=$EPOCHREALTIME
assert_number 'seconds of a fast shutdown under a streaming relay' "$(awk "BEGIN { print $ended - $began }")" '<=' 2
postgres_run own
insert k 2
await 'confirmation of the second' 30 slot_has_confirmed "$(wal_end)"

# A crash: the server's own recovery; what the slot had confirmed in memory alone comes again.
insert k 3
process_stop own QUIT
postgres_run own
insert k 4
await 'confirmation of the last' 30 slot_has_confirmed "$(wal_end)"
assert_eq 'values, without repetitions, in order' '1 2 3 4' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
reconnects=$(relay_get /metrics | awk '/^cdc_relay_reconnects_total\{.*side="postgres"/ { sum += $NF } END { print sum + 0 }')
assert_number 'reconnects counted' "$reconnects" '>=' 2
relay_stop
