#!/usr/bin/env bash
# `./dev demo`, `./dev demo orders` and `./dev demo membership`, as the README has them: each shows all that it is to show, ends well, and leaves neither processes nor
# folders. The latter two run side by side, since they mostly wait.
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

demo_launch relay
demo_is_seen relay '3. cdc-relay init'
demo_leaves_nothing relay 7 0
demo_launch orders orders
demo_is_seen orders 'An order is placed'
demo_launch system membership
demo_is_seen system 'Somebody logs in'
demo_leaves_nothing orders 6 3
demo_leaves_nothing system 5 4
