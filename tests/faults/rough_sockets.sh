#!/usr/bin/env bash
# Half of all calls on the relay's sockets, of libpq and of librdkafka alike, are interrupted, find nothing, or move a few bytes only; so are its waits. What arrives is
# what was written, byte for byte, and nothing takes an interrupted call for the end of a connection.
# row: R-09 EINTR, EAGAIN, short reads and writes
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: short
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

rounds=$(times 1 3)
watch_start
relay_init
RELAY_SETTINGS+=("LD_PRELOAD=$ROOT/build/dev/tests/faults/rough_sockets.so" "ROUGH_SOCKETS_NOTE=$RUN/rough")
for ((round = 1; round <= rounds; round++)); do
  # From "every other call" to "nearly all".
  RELAY_SETTINGS+=("ROUGH_SOCKETS_SEED=$((FAULTS_SEED * 10 + round))" "ROUGH_SOCKETS_PERCENT=$((40 + round * 15))")
  fault_begins "rough sockets, round $round"
  relay_start relay streaming
  load_start --rate 60 --connections 4 --payload 60-20000 --seconds "$(times 3 10)"
  load_ends
  lsn=$(wal_end)
  await "confirmation in round $round" 120 slot_has_confirmed "$lsn"
  assert_eq 'sessions that failed' '' "$(relay_log relay 'select(.event == "session_failed") | .error')"
  # Its admin server too, and an orderly end.
  assert_eq 'liveness' 200 "$(relay_get_status /livez)"
  relay_stop
  fault_ends "rough sockets, round $round"
done
relay_start
settle
relay_stop
verdict
cat "$RUN/rough"
for kind in eintr eagain short; do
  count=$(awk -v kind=$kind '{ for (i = 1; i < NF; i++) if ($i == kind) sum += $(i + 1) } END { print sum + 0 }' "$RUN/rough")
  figure "calls treated so: $kind" "$count"
  assert_number "calls treated so: $kind" "$count" '>=' 100
done
assert_eq 'records that came twice' 0 "$(jq .duplicates "$RUN/verdict.json")"
