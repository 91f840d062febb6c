#!/usr/bin/env bash
# A role's CONNECTION LIMIT that is too small for its relays: whoever is refused says what mends it, check too, and both relays go on without a restart once it is mended. check
# says for how many relays a limit is enough.
# tags:
POSTGRES=own
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_set OUTBOX_0_ROUTE_TOPIC_ALLOW "$topic"
relay_init
hint='CONNECTION LIMIT <three times the number of relays>'

# check_is CODE: its output and errors together in $OUT
check_is() {
  local code=0
  relay_command check check || code=$?
  OUT=$(cat "$RUN/check.out" "$RUN/check.err")
  assert_eq "exit code of check ($OUT)" "$1" "$code"
}

check_is 0
[[ $OUT != *'CONNECTION LIMIT'* ]] || fail "check speaks of a limit that is not there: $OUT"

# With one connection the second relay gets none for the slot's figures, and before the minor releases of February 2025 nobody one for replication.
pg 'ALTER ROLE relay CONNECTION LIMIT 1'
relay_start first -
relay_start second -
refusals() {
  local name
  for name in first second; do
    relay_log "$name" 'select(.event == "session_failed" or .event == "slot_figures_unavailable") | select(.cause == "too_many_connections") | .hint'
  done
}
somebody_was_refused() {
  [ -n "$(refusals)" ]
}
await 'a refusal for the role' 20 somebody_was_refused
assert_match 'the hint of the relay' "$hint" "$(refusals | head -n 1)"
check_is 1
assert_match 'the error of check' 'too many connections for role "relay"' "$OUT"
assert_match 'the hint of check' "$hint" "$OUT"

pg 'ALTER ROLE relay CONNECTION LIMIT 6'
have_shared() {
  [[ "$(relay_state first) $(relay_state second)" =~ ^(streaming\ standby|standby\ streaming)$ ]]
}
has_figures() {
  [ -n "$(relay_metric cdc_relay_slot_retained_bytes first)" ] && [ -n "$(relay_metric cdc_relay_slot_retained_bytes second)" ]
}
await 'one that streams and one that stands by' 60 have_shared
await 'the figures of the slot in both' 60 has_figures
check_is 0
assert_match 'what check says of a limit for two' 'role "relay": CONNECTION LIMIT 6, .*enough for 2' "$OUT"
[[ $OUT != *'has CONNECTION LIMIT'* ]] || fail "check warns of a limit that is enough: $OUT"
insert k 1
await_records "$topic" 1 >/dev/null
relay_stop first
relay_stop second

pg 'ALTER ROLE relay CONNECTION LIMIT 2'
check_is 0
assert_match 'what check says of a limit for none' 'enough for 0' "$OUT"
assert_match 'the warning' 'warning: role "relay" has CONNECTION LIMIT 2' "$OUT"
assert_match 'the statement' 'ALTER ROLE "relay" CONNECTION LIMIT' "$OUT"
