#!/usr/bin/env bash
# Restarts as an operator does them, under load, again and again: SIGTERM lets the relay settle and confirm what is on its way, so the next life repeats nothing.
# row: R-03 SIGTERM under load: drained, exit code 0 within 5 s, nothing comes twice
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: short
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

restarts=$(times 4 25)
watch_start
relay_init
relay_start
load_start --rate 300 --connections 6
await 'the first transactions' 30 load_has_committed 50
for ((i = 1; i <= restarts; i++)); do
  some_time 100 700
  fault_begins SIGTERM
  began=${EPOCHREALTIME//[.,]/}
  relay_stop
  ms=$(((${EPOCHREALTIME//[.,]/} - began) / 1000))
  echo "$ms" >>"$RUN/exits"
  assert_number 'ms from SIGTERM to the end' "$ms" '<=' 5000
  assert_eq "drained, in life $i" true "$(relay_log relay 'select(has("drained")) | .drained' | tail -n 1)"
  relay_start
  fault_ends SIGTERM
done
recovery_begins
recovery_ends 'recovery after the last restart'
settle
relay_stop
verdict
figure 'graceful restarts' "$restarts"
sort -n "$RUN/exits" >"$RUN/exits.sorted"
figure 'SIGTERM to exit p50' "$(awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' "$RUN/exits.sorted")" ms
figure 'SIGTERM to exit max' "$(tail -n 1 "$RUN/exits.sorted")" ms
assert_eq 'records that came twice' 0 "$(jq .duplicates "$RUN/verdict.json")"
