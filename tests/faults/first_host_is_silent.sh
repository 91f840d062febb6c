#!/usr/bin/env bash
# Of the two hosts in the URL the first takes connections and says nothing, as a postmaster that is stopped does, or a proxy without anything behind it. The relay leaves it
# after connect_timeout and streams from the other one. The second connection of a start goes where the first has got to, so that the time is lost once, and not twice; the
# connection for the slot's figures gets there, too. With no other host it says whom it could not reach, and goes on trying.
# row: P-06 first of two hosts silent
# expects: O1 O10, streaming after one connect_timeout
# tags: short
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

TIMEOUT_S=4
topic=outbox.event.$T
topic_create "$topic" 1
relay_init
proxy_start silent plain "127.0.0.1:$PG_PORT"
proxy_say silent freeze

fault_begins 'a silent host before the one that works'
relay_set POSTGRES_URL "postgresql://relay@${PROXY[silent]},127.0.0.1:$PG_PORT/$DB?target_session_attrs=read-write&connect_timeout=$TIMEOUT_S"
began=$EPOCHREALTIME
relay_start
took=$(seconds_since "$began")
figure 'start_to_streaming' "$took" s
assert_number 'seconds from start to streaming' "$took" '>=' "$TIMEOUT_S"
assert_number 'seconds from start to streaming' "$took" '<=' $((2 * TIMEOUT_S - 1))
await 'the figures of the slot' 20 relay_metric_is cdc_relay_slot_retained_bytes 'v >= 0'
insert k 1
await_records "$topic" 1 >/dev/null
assert_eq 'sessions that failed' '' "$(relay_log relay 'select(.event == "session_failed") | .error')"
relay_stop
fault_ends 'a silent host before the one that works'

fault_begins 'a silent host alone'
relay_set POSTGRES_URL "postgresql://relay@${PROXY[silent]}/$DB?connect_timeout=$TIMEOUT_S"
relay_start relay -
await 'a line about the host' 20 relay_has_logged relay session_failed '.cause == "timeout"'
assert_match 'the line' "no answer from .*port ${PROXY[silent]##*:} in $TIMEOUT_S s" "$(relay_log relay 'select(.event == "session_failed") | .error' | head -n 1)"
proxy_say silent thaw
fault_ends 'a silent host alone'
await_state streaming relay 40
insert k 2
await_records "$topic" 2 >/dev/null
relay_stop
