# shellcheck shell=bash
# fuzz.sh - `./dev fuzz [--minutes N|--seconds N] [TARGET]`: libFuzzer invents inputs for the targets of tests/fuzz, with address and undefined-behaviour sanitizers.
#
# It begins with tests/fuzz/corpus/TARGET and with what earlier runs found worth keeping (build/fuzz/corpus/TARGET). A finding ends the target; its input lies in
# build/fuzz/findings and, once mended, belongs into tests/fuzz/corpus/TARGET under a name that says what it was: ./dev test replays all of these.

fuzz_usage() {
  cat <<USAGE
./dev fuzz [--minutes N] [--seconds N] [TARGET]

  --minutes N   for each target (10)
  --seconds N   the same, for a short look
  TARGET        that one alone: $(fuzz_targets | paste -sd ' ')

Programs, logs and what was found worth keeping: build/fuzz. Findings, which end their target: build/fuzz/findings.
USAGE
}

fuzz_targets() {
  sed -nE 's/^fuzz_target\(([a-z0-9_]+) .*/\1/p' "$ROOT/tests/fuzz/CMakeLists.txt"
}

# clang, and its runtime: the package has the compiler's version in its name.
fuzz_setup() {
  setup_install clang
  setup_install "libclang-rt-$(clang -dumpversion | cut -d . -f 1)-dev"
}

# fuzz_run TARGET SECONDS
fuzz_run() {
  local target=$1 seconds=$2 folder=$ROOT/build/fuzz rc=0 log dictionary=()
  log=$folder/$target.log
  mkdir -p "$folder/corpus/$target" "$folder/findings"
  [ ! -e "$ROOT/tests/fuzz/$target.dict" ] || dictionary=("-dict=$ROOT/tests/fuzz/$target.dict")
  UBSAN_OPTIONS=print_stacktrace=1 nice -n 10 "$folder/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=8192 \
    "${dictionary[@]}" -print_final_stats=1 -artifact_prefix="$folder/findings/$target-" "$folder/corpus/$target" "$ROOT/tests/fuzz/corpus/$target" \
    >"$log" 2>&1 </dev/null || rc=$?
  if [ $rc = 0 ]; then
    printf 'ok    %-10s %s inputs, %s\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
      "$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -n 1)"
  else
    printf 'FAIL  %-10s %s\n' "$target" "${log#"$ROOT"/}"
    grep -E 'does not hold|ERROR:|runtime error|SUMMARY|Test unit written' "$log" | sed 's/^/    /' | head -n 12
    FUZZ_FAILED=1
  fi
}

dev_fuzz() {
  local seconds=600 wanted='' target
  FUZZ_FAILED=0
  while [ $# != 0 ]; do
    case $1 in
      --minutes | --seconds)
        [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "fuzz: $1 needs a number"
        seconds=$2
        [ "$1" = --seconds ] || seconds=$(($2 * 60))
        shift
        ;;
      -h | --help)
        fuzz_usage
        exit 0
        ;;
      -*) usage_error "fuzz knows no $1" ;;
      *) wanted=$1 ;;
    esac
    shift
  done
  if [ -n "$wanted" ] && ! fuzz_targets | grep -qx -e "$wanted"; then
    usage_error "there is no fuzz target $wanted, there are: $(fuzz_targets | paste -sd ' ')"
  fi
  dev_setup quiet
  fuzz_setup
  while read -r target; do
    [ -z "$wanted" ] || [ "$wanted" = "$target" ] || continue
    build_variant fuzz "fuzz_$target"
    fuzz_run "$target" "$seconds"
  done < <(fuzz_targets)
  [ $FUZZ_FAILED = 0 ]
}
