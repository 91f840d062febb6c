#!/usr/bin/env bash
# The relay is killed at random moments under load, again and again, and started again at once. Nothing is lost, invented or reordered; what repeats is an adjacent
# stretch, of which PostgreSQL had not been told, and which Kafka had had for no longer than the window.
# row: R-01 relay killed at random times under load
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: short asan
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

kills=$(times 5 200)
watch_start
relay_init
relay_start
load_start --rate 150 --connections 6 --keys 60
await 'the first transactions' 30 load_has_committed 50
for ((i = 1; i <= kills; i++)); do
  some_life "$i"
  fault_begins 'kill -9'
  relay_kill
  relay_launch
  fault_ends 'kill -9'
  # Not each one gets as far as streaming before the next one ends it.
  [ $((i % 3)) = 0 ] || await_state streaming
done
recovery_begins
recovery_ends 'recovery after the last kill'
settle
verdict --only-unconfirmed --window $WINDOW_MS
