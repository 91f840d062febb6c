#!/usr/bin/env bash
# `./dev demo`, `./dev demo orders` and `./dev demo membership`, as the README has them: each shows all that it is to show, ends well, and leaves neither processes nor
# folders. The latter two run side by side, since they mostly wait, and beside them one with --keep that is interrupted: it leaves its logs and nothing else, `./dev down`
# clears them, and the next one can be kept.
# tags: real-kafka slow
# alone: demos
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/demos.bash
. "${BASH_SOURCE[0]%/*}/demos.bash"

declare -A FOLDERS

# demo_is_seen NAME TEXT: what it has when it says so; all of its programs run then.
demo_is_seen() {
  await "$2" 100 demo_has_said "$1" "$2"
  FOLDERS[$1]=$(cat "$CHECKOUTS/$1"/build/run/demo.*/folders) || fail "no folder of the demo $1 lies outside of its run: this test looks at the wrong thing"
  [ -n "$(holders "$1")" ] || fail "nothing runs of the demo $1: this test looks at the wrong thing"
}

# demo_leaves_nothing NAME RECORDS EFFECTS: it has shown so many, ends well, and nothing is left of what was seen.
demo_leaves_nothing() {
  local folder
  demo_ends_well "$1" "$2" "$3"
  ! grep 'was killed' "$RUN/demo.$1.log" || fail "something of the demo $1 did not end when it was asked to"
  wait_until 5 nobody_holds "$1" 2>/dev/null || fail "processes that the demo $1 has left: $(holders "$1" | paste -sd ' ')"
  assert_eq "what the demo $1 has left" '' "$(ls -A "$CHECKOUTS/$1/build/run")"
  for folder in ${FOLDERS[$1]}; do
    [ ! -e "$folder" ] || fail "the demo $1 has left $folder"
  done
}

# demo_is_interrupted NAME: one that was to be kept, while its servers run.
demo_is_interrupted() {
  local folder code=0 kept=$CHECKOUTS/$1/build/run/kept
  await 'servers of the demo that is interrupted' 100 test -s "$kept/folders"
  FOLDERS[$1]=$(cat "$kept/folders")
  kill -s TERM "${DEMO[$1]}"
  wait "${DEMO[$1]}" || code=$?
  assert_eq "exit code of the demo $1, interrupted" 130 $code
  wait_until 5 nobody_holds "$1" 2>/dev/null || fail "processes that the demo $1 has left: $(holders "$1" | paste -sd ' ')"
  for folder in ${FOLDERS[$1]}; do
    [ ! -e "$folder" ] || fail "the demo $1 has left $folder"
  done
  [ -d "$kept" ] || fail "the demo $1 has left no logs: this test looks at the wrong thing"
  grep -qF "the logs are in $kept; ./dev down clears them" "$RUN/demo.$1.log" || fail "the demo $1 does not say what clears its logs"
}

# demo_is_cleared NAME: by what the next one names.
demo_is_cleared() {
  local code=0
  "$CHECKOUTS/$1/dev" demo --keep >"$RUN/next.log" 2>&1 || code=$?
  assert_eq 'exit code of one more, beside the logs of the one before' 1 $code
  grep -qF 'first: ./dev down' "$RUN/next.log" || fail "one more demo says: $(tail -n 3 "$RUN/next.log")"
  "$CHECKOUTS/$1/dev" down >"$RUN/down.log" 2>&1 || fail "./dev down: $(cat "$RUN/down.log")"
  assert_eq "what is left of the demo $1" '' "$(ls -A "$CHECKOUTS/$1/build/run")"
  assert_eq 'what the next ./dev down finds' 'dev: nothing was kept' "$("$CHECKOUTS/$1/dev" down)"
}

demo_launch relay
demo_is_seen relay '3. cdc-relay init'
demo_leaves_nothing relay 7 0
demo_launch orders orders
demo_is_seen orders 'An order is placed'
demo_launch system membership
demo_is_seen system 'Somebody logs in'
demo_launch broken --keep
demo_is_interrupted broken
demo_is_cleared broken
demo_leaves_nothing orders 7 4
demo_leaves_nothing system 5 4
