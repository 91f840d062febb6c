#!/usr/bin/env bash
# `./dev demo` and `./dev demo membership`, as the README has them: each shows all that it is to show, ends well, and leaves neither processes nor folders.
# tags: real-kafka slow
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/demos.bash
. "${BASH_SOURCE[0]%/*}/demos.bash"

# demo_leaves_nothing NAME TEXT RECORDS EFFECTS: it has shown so many, ends well, and nothing is left of what was there when it said TEXT.
demo_leaves_nothing() {
  local folders folder
  await "$2" 100 demo_has_said "$1" "$2"
  folders=$(cat "$CHECKOUTS/$1"/build/run/demo.*/folders) || fail "no folder of the demo $1 lies outside of its run: this test looks at the wrong thing"
  [ -n "$(holders "$1")" ] || fail "nothing runs of the demo $1: this test looks at the wrong thing"
  demo_ends_well "$1" "$3" "$4"
  ! grep 'was killed' "$RUN/demo.$1.log" || fail "something of the demo $1 did not end when it was asked to"
  wait_until 5 nobody_holds "$1" 2>/dev/null || fail "processes that the demo $1 has left: $(holders "$1" | paste -sd ' ')"
  assert_eq "what the demo $1 has left" '' "$(ls -A "$CHECKOUTS/$1/build/run")"
  for folder in $folders; do
    [ ! -e "$folder" ] || fail "the demo $1 has left $folder"
  done
}

demo_launch relay
demo_leaves_nothing relay '3. cdc-relay init' 7 0
demo_launch system membership
demo_leaves_nothing system 'Somebody logs in' 5 4
