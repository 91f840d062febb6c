#!/usr/bin/env bash
# The server's list of output plugins loses the relay's own: what streams goes on, since the list is looked at when a plugin is loaded. The next connection holds with
# code 3, names list and plugin, and the hint is the statement that mends it, taken word for word: run as it is told, the relay goes on by itself.
# row: P-25 output_plugin_libraries without the plugin
# expects: O1 O3 O10
# tags: matrix
POSTGRES=own
OWN_POSTGRES=("log_replication_commands = on")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

[ -n "$(pg_in postgres "SELECT 1 FROM pg_settings WHERE name = 'output_plugin_libraries'")" ] || {
  echo "this PostgreSQL has no output_plugin_libraries"
  exit 77
}
# looks: how often the relay has asked who the server is, before it judges or streams
looks() {
  grep -c 'received replication command: IDENTIFY_SYSTEM' "$RUN/own.log"
}
has_looked() {
  [ "$(looks)" -gt "$1" ]
}

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
insert k 1
await_records "$topic" 1 >/dev/null

fault_begins plugin-not-allowed
pg_in postgres "ALTER SYSTEM SET output_plugin_libraries = test_decoding" "SELECT pg_reload_conf()" >/dev/null
insert k 2
await_records "$topic" 2 >/dev/null
began=$EPOCHREALTIME
pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active" >/dev/null
await_state held relay 30
figure detection "$(seconds_since "$began")" s
problem=$(relay_log relay 'select(.event == "state" and .state == "held") | "\(.code) \(.cause) \(.error)"' | tail -n 1)
assert_match 'the refusal' "^3 plugin_not_allowed .*output plugin $PLUGIN: .*\"test_decoding\"" "$problem"
insert k 3
# A second look begins when the first one has come to nothing.
await 'two looks' 60 has_looked $(($(looks) + 1))
assert_eq 'records while the plugin is not allowed' 2 "$(read_topic "$topic" | wc -l)"
code=0
relay_command check check || code=$?
assert_eq 'exit code of check' 3 $code

hint=$(relay_log relay 'select(.event == "state" and .state == "held") | .hint' | tail -n 1)
mending=$(sed -n 's/^as a superuser: \(ALTER SYSTEM [^;]*;\).*/\1/p' <<<"$hint")
pg_in postgres "$mending" "SELECT pg_reload_conf()" >/dev/null
fault_ends plugin-not-allowed
began=$EPOCHREALTIME
await_state streaming relay 90
await_records "$topic" 3 30 >/dev/null
figure recovery "$(seconds_since "$began")" s
assert_eq 'values' '1 2 3' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
