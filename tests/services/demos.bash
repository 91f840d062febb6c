# shellcheck shell=bash disable=SC2154
# demos.bash - what the scenarios of `./dev demo` have in common, behind tests/e2e/harness.sh. Each demo runs in a checkout of its own whose entries are links to this one,
# so that a demo that somebody has kept here is left alone.

declare -A DEMO
CHECKOUTS=$(pwd -P)

checkout_new() {
  local entry
  mkdir -p "$CHECKOUTS/$1/build"
  ln -s "$ROOT/build/dev" "$CHECKOUTS/$1/build/dev"
  for entry in "$ROOT"/*; do
    [ "${entry##*/}" = build ] || ln -s "$entry" "$CHECKOUTS/$1/"
  done
}

# What a failure leaves: a demo that still runs ends all that it has started, and `down` what one has left.
demos_end() {
  local code=$? system
  set +e
  for system in "${!DEMO[@]}"; do
    process_stop "demo.$system"
    [ ! -e "$CHECKOUTS/$system/build/run/kept" ] || "$CHECKOUTS/$system/dev" down
  done
  return $code
}
trap 'demos_end; scenario_ends' EXIT

# demo_launch NAME [ARGUMENT...]: what it says is in $RUN/demo.NAME.log.
demo_launch() {
  local name=$1
  shift
  checkout_new "$name"
  process_spawn "demo.$name" TERM env -u DEV_BROKERS "$CHECKOUTS/$name/dev" demo "$@" --plugin "$PLUGIN"
  DEMO[$name]=$process_pid
}

demo_is_over() {
  ! kill -0 "${DEMO[$1]}" 2>/dev/null
}

# demo_has_said SYSTEM TEXT: or it never will.
demo_has_said() {
  grep -qF -- "$2" "$RUN/demo.$1.log" || demo_is_over "$1"
}

# demo_ends_well NAME RECORDS EFFECTS: it has shown so many.
demo_ends_well() {
  local code=0
  await "the end of the demo $1" 100 demo_is_over "$1"
  wait "${DEMO[$1]}" || code=$?
  [ $code = 0 ] || fail "the demo $1: exit code $code"$'\n'"$(tail -n 30 "$RUN/demo.$1.log")"
  assert_eq "records and effects that the demo $1 has shown" "$2 $3" "$(grep -c '^  record ' "$RUN/demo.$1.log" || true) $(grep -c '^  effect ' "$RUN/demo.$1.log" || true)"
}

# holders SYSTEM: the processes that have a file of its folder open. Whatever a demo starts has a log there, and so have its children, which no list names.
holders() {
  { find /proc/[0-9]*/fd -lname "$CHECKOUTS/$1/*" 2>/dev/null || true; } | cut -d / -f 3 | sort -u
}

nobody_holds() {
  [ -z "$(holders "$1")" ]
}
