#!/usr/bin/env bash
# An idle relay keeps no server from stopping: immediate and fast shutdowns end within 2 seconds. A smart one waits for every ordinary client, and the relay's second
# connection is one, as PostgreSQL defines it: it ends as soon as the relay is asked to end. After each the relay (or its successor) streams again and nothing is missing.
# row: P-02 PostgreSQL stopped immediate, fast and smart with an idle relay
# expects: O1 O3 O10
# tags:
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
insert k 0
await_records "$topic" 1 >/dev/null
await 'confirmation of the first' 20 slot_has_confirmed "$(wal_end)"

# goes_on N: the server is started again, and event N arrives.
goes_on() {
  local began=$EPOCHREALTIME
  postgres_run own
  insert k "$1"
  await_state streaming relay 30
  await_records "$topic" $(($1 + 1)) 30 >/dev/null
  figure recovery "$(seconds_since "$began")" s
  await 'confirmation of all' 30 slot_has_confirmed "$(wal_end)"
}

n=0
for mode in fast:INT immediate:QUIT; do
  n=$((n + 1))
  fault_begins "stop-${mode%:*}"
  began=$EPOCHREALTIME
  process_stop own "${mode#*:}"
  took=$(seconds_since "$began")
  fault_ends "stop-${mode%:*}"
  figure "stop_${mode%:*}" "$took" s
  assert_number "seconds of the ${mode%:*} shutdown" "$took" '<=' 2
  goes_on $n
done

fault_begins stop-smart
server=$(process_pid_of own)
kill -s TERM "$server"
refuses() {
  ! postgres_answers "$PG_SOCKET" "$PG_PORT"
}
await 'no new connections' 10 refuses
assert_eq 'state of the relay while the server waits' streaming "$(relay_state)"
kill -0 "$server" || fail 'the server did not wait for its clients'
began=$EPOCHREALTIME
relay_stop
process_stop own TERM 10
took=$(seconds_since "$began")
fault_ends stop-smart
figure stop_smart_from_the_relays_end "$took" s
assert_number 'seconds of the smart shutdown after the relay was asked to end' "$took" '<=' 4
relay_start relay -
goes_on $((n + 1))

assert_eq 'values, without repetitions, in order' "$(seq 0 $((n + 1)) | paste -sd ' ')" "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
