#!/usr/bin/env bash
# Two relays are started in the same moment: one streams, the other waits. Under load the one that streams is killed again and again, and started again as the
# one that waits. What its successor repeats is what PostgreSQL had not been told of, and no more than the window.
# row: R-05 two relays started together, the winner killed
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: short
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

kills=$(times 2 20)
watch_start
relay_init
load_start --rate 100 --connections 4
relay_launch first
relay_launch second

one_streams() {
  [ "$(relay_state first) $(relay_state second)" = 'streaming standby' ] || [ "$(relay_state first) $(relay_state second)" = 'standby streaming' ]
}
await 'one relay streams and one waits' 30 one_streams
for ((i = 1; i <= kills; i++)); do
  some_life "$i"
  winner=first other=second
  if [ "$(relay_state second)" = streaming ]; then
    winner=second other=first
  fi
  fault_begins 'the active relay is killed'
  began=${EPOCHREALTIME//[.,]/}
  relay_kill $winner
  fault_ends 'the active relay is killed'
  await_state streaming $other 60
  echo $(((${EPOCHREALTIME//[.,]/} - began) / 1000)) >>"$RUN/takeovers"
  relay_launch $winner
  await_state standby $winner 60
  assert_eq 'the other goes on' streaming "$(relay_state $other)"
done
recovery_begins
recovery_ends 'recovery after the last takeover'
settle
verdict --only-unconfirmed --window $WINDOW_MS
sort -n "$RUN/takeovers" >"$RUN/takeovers.sorted"
figure 'takeovers' "$kills"
figure 'takeover p50' "$(awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' "$RUN/takeovers.sorted")" ms
figure 'takeover max' "$(tail -n 1 "$RUN/takeovers.sorted")" ms
