#!/usr/bin/env bash
# The slot is moved in the worst of moments: the relay has looked at it and found it where it left it, and its START_REPLICATION is about to be sent, which the server
# forwards without a word to wherever the slot stands by then. Twice: an administrator advances it; and another relay streams, gets past the record that the first one
# holds, and ends. Both times the first one holds with code 4 and names the range, before anything is published or confirmed. In the second case
# nothing is missing, which only a person can know; what counts is that the held record does not come once more behind newer ones.
# row: P-12 foreign confirmation between the look at the slot and the start
# expects: held, code 4, with the range, and nothing confirmed while held; O1 after the documented repair; of what comes then O3 and O4
# tags: slow
# build: faults
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

topic=outbox.event.$T
late=outbox.event.$T-late
topic_create "$topic" 1
relay_set KAFKA_TOPIC_METADATA_PROPAGATION_MAX_MS 1000
relay_init

stands_still() {
  grep -q '^State:.T' "/proc/${RELAY_PID[$1]}/status"
}
problem_of() {
  relay_get /status "$1" | jq -r "$2"
}
is_held_for_the_slot() {
  [ "$(problem_of "$1" '"\(.problem.code) \(.problem.cause)"')" = '4 slot_moved' ]
}
# goes_on_and_holds NAME: let go on, it must hold for the slot's sake.
goes_on_and_holds() {
  local began=$EPOCHREALTIME
  kill -CONT "${RELAY_PID[$1]}"
  await "a hold for the slot's sake" 20 is_held_for_the_slot "$1"
  figure detection "$(seconds_since "$began")" s
  await_state held "$1"
}

# An administrator. The first start is the one of the beginning; the second follows the end of the walsender.
CDC_PAUSE_POINT=BEFORE_START:2 relay_start
insert k 1
await_records "$topic" 1 >/dev/null
await 'confirmation of the first' 20 slot_has_confirmed "$(wal_end)"
ours=$(slot_confirmed)
fault_begins 'slot advanced before the start'
pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active" >/dev/null
await 'a relay that is about to start' 20 stands_still relay
insert k 2
theirs=$(pg "SELECT end_lsn FROM pg_replication_slot_advance('$SLOT', pg_current_wal_lsn())")
insert k 3
goes_on_and_holds relay
fault_ends 'slot advanced before the start'
assert_match 'the range' "events from [0-9A-F]+/[0-9A-F]+ to $theirs may be missing" "$(problem_of relay .problem.text)"
from=$(problem_of relay .problem.text | sed -E 's:.*events from ([0-9A-F]+/[0-9A-F]+) to .*:\1:')
[ "$(pg_in postgres "SELECT '$from'::pg_lsn >= '$ours' AND '$from'::pg_lsn < '$theirs'")" = t ] || fail "the range begins at $from; confirmed was $ours, moved was it to $theirs"
assert_eq 'the confirmed position while held' "$theirs" "$(slot_confirmed)"
assert_eq 'values while held' 1 "$(read_topic "$topic" | cut -d '|' -f 2 | paste -sd ' ')"
# What the hint says: the range's events again, then a restart.
relay_stop
relay_start
pg "WITH again AS (DELETE FROM outbox WHERE payload::text = '2' RETURNING *) INSERT INTO outbox SELECT * FROM again"
await_records "$topic" 3 30 >/dev/null
assert_eq 'values' '1 2 3' "$(read_topic "$topic" | cut -d '|' -f 2 | sort -u | paste -sd ' ')"
relay_stop

# Another relay. The first one is refused twice, in company and alone, before it holds; the third start is that of its look. A real broker refuses what has no topic; the
# embedded one makes every topic, and is told to refuse so often.
refuse_late() {
  if [ "$BROKER" != kafka ]; then
    topic_create "$late" 1
    embedded_broker_say error 0 29 2 # to Produce: not authorized for the topic
  fi
}
mend_late() {
  [ "$BROKER" != kafka ] || topic_create "$late" 1
}
CDC_PAUSE_POINT=BEFORE_START:3 relay_start first
fault_begins 'another relay before the start'
refuse_late
insert k '"late 1"' "$T-late"
await_state held first 40
mend_late
await 'a look that is about to start' 90 stands_still first
relay_start second
insert k '"late 2"' "$T-late"
await_records "$late" 2 30 >/dev/null
await 'confirmation by the second' 20 slot_has_confirmed "$(wal_end)"
relay_stop second
theirs=$(slot_confirmed)
goes_on_and_holds first
fault_ends 'another relay before the start'
assert_eq 'the confirmed position while held' "$theirs" "$(slot_confirmed)"
relay_stop first
relay_start
insert k '"late 3"' "$T-late"
await 'confirmation of all' 30 slot_has_confirmed "$(wal_end)"
assert_eq 'late values' '"late 1","late 2","late 3"' "$(read_topic "$late" | cut -d '|' -f 2 | paste -sd ,)"
relay_stop
