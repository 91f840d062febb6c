# shellcheck shell=bash
# test.sh - `./dev test`: builds, runs every unit test in two builds, every scenario of tests/e2e/ with both plugins and those of tests/services/, and counts.
#
#   unit/NOUN        build/dev/tests/unit/test_NOUN      one count per Criterion case
#   asan/NOUN        build/asan/...                      the same under ASan and UBSan; a report of theirs is a failure even where all cases pass; not with --quick
#   fuzz/TARGET      what libFuzzer found or began with (tests/fuzz/corpus), replayed under the sanitizers, with --quick without
#   build/mutants    whether the tests notice each mutant (./dev faults --mutants --short); not with --quick
#   build/no-faults/VARIANT                              that none of its programs has mutants or crash points
#   bench/report     tests/bench/report_check.sh         the report of the benchmark, made of values that are known
#   sim/WHICH        tests/sim                           simulated histories: seeds that once found something, a fixed range, a new one, one under the sanitizers, and
#                                                        whether one range is the same in one process and in two
#   e2e/NAME/PLUGIN  tests/e2e/NAME.sh                   on a private PostgreSQL and a broker, which scenarios of a lane share (lanes.sh)
#   e2e/NAME/PLUGIN/asan                                 once more with the relay of build/asan, for scenarios tagged asan
#   services/NAME/pgoutput   tests/services/NAME.sh      producers and consumers, on such servers; its line `# plugins: both` makes it both; /asan as above;
#                                                        `# build: faults`: with the programs of build/faults, which have crash points; `# alone: WHAT`: never
#                                                        beside another one that says the same, whichever folder it is in
#   faults/NAME/PLUGIN   tests/faults/NAME.sh            those tagged short, as short as they can be (FAULTS_SHORT=1); the seed is FAULTS_SEED, or 1
#   sql/NAME         tests/sql/NAME.sh                   what the scripts of sql/ promise, on that PostgreSQL
#   matrix/NAME/PLUGIN   tests/matrix/NAME.sh            with --matrix alone: scenarios that need a newer PostgreSQL, as their line `# needs: PostgreSQL N` says,
#                                                        and those of tests/faults/ that are tagged `matrix`, since versions differ in what they do
#
# A test that fails prints the end of what it said; the whole is in build/test/<name>.log. The last line is `N passed, N failed, N skipped`; the same for each
# test is a line of build/test/results: NAME PASSED FAILED SKIPPED.
# Exit code: 0 when nothing failed, and nothing was skipped where CI=true.
#
# --valgrind runs the scenarios alone, with the relay of build/dev under memcheck; --tsan with a relay that was built with ThreadSanitizer. What they say is a
# failure, as a sanitizer's word is.

# What scenarios with `# build: faults` and mutants on real servers run, of build/faults.
FAULTS_TARGETS=(cdc-relay counting_consumer filing_consumer auth-service d-day-service order-service notification-service)

TEST_LIMIT_S=1800 # for all tests, on two cores: docs/proof.md
TEST_LANES=2      # of scenarios at a time

TEST_RELAY='' # dev, tsan: the scenarios alone, with that build's relay

# test_line VERDICT NAME SECONDS REMARK
test_line() {
  printf '%-5s %6.1f s  %s%s\n' "$1" "$3" "$2" "${4:+  ($4)}"
}

test_begin() {
  TEST_BEGAN=$EPOCHREALTIME
}

# test_count NAME PASSED FAILED SKIPPED
test_count() {
  echo "$1 $2 $3 $4" >>"$TEST_LOGS/results"
}

# What no lane has done.
test_count_left() {
  local name
  for name in $LANES_LEFT; do
    test_count "$name" 0 1 0
    test_line FAIL "$name" 0 'its lane fell over an error of the runner, above'
  done
}

# test_total COLUMN: of the results, 2 for what passed, 3 for what failed, 4 for what was skipped.
test_total() {
  awk -v column="$1" '{ sum += $column } END { print sum + 0 }' "$TEST_LOGS/results"
}

# The names of what failed.
test_failures() {
  awk '$3 != 0 { print $1 }' "$TEST_LOGS/results"
}

# test_tell_failures FOLDER: a line for each, with its log in that folder.
test_tell_failures() {
  local name
  while read -r name; do
    echo "failed: $name ($1/${name//\//.}.log)"
  done < <(test_failures)
}

# test_is_good: prints the last line, and returns 1 where something failed, nothing passed, or something was skipped where CI=true.
test_is_good() {
  echo "$(test_total 2) passed, $(test_total 3) failed, $(test_total 4) skipped"
  [ "$(test_total 3)" = 0 ] && [ "$(test_total 2)" != 0 ] && { [ "${CI:-}" != true ] || [ "$(test_total 4)" = 0 ]; }
}

# Seconds since test_begin.
test_seconds() {
  echo $((${EPOCHREALTIME//[.,]/} - ${TEST_BEGAN//[.,]/})) | sed -E 's/^/0000000/; s/^0*([0-9]+)([0-9]{6})$/\1.\2/'
}

# test_tell_time SECONDS: of the whole run. A warning and no failure, since the machine may be busy with others, too.
test_tell_time() {
  say "$1 s"
  if [ "$1" -gt $TEST_LIMIT_S ] && [ -z "$TEST_RELAY" ]; then
    say "!!! LONGER THAN $TEST_LIMIT_S s, which all tests together are to keep on two cores that do nothing else"
  fi
}

# test_tail LOG: the end of what a failed test said.
test_tail() {
  sed 's/^/    /' <"$1" | tail -n 60
}

test_is_wanted() {
  [ -z "$TEST_PATTERN" ] || [[ $1 == *"$TEST_PATTERN"* ]]
}

# test_units VARIANT LABEL: all unit tests of build/VARIANT.
test_units() {
  local variant=$1 label=$2 program name log rc tested passing report
  for program in "$ROOT/build/$variant"/tests/unit/test_*; do
    # Only what has a source: a program without is a leaf of an older build.
    [ -e "$ROOT/tests/unit/$(basename "$program").c" ] || continue
    name=$label/$(basename "$program" | sed s/^test_//)
    test_is_wanted "$name" || continue
    log=$TEST_LOGS/${name//\//.}.log
    report=$TEST_LOGS/${name//\//.}.sanitizer
    rm -f "$report"*
    test_begin
    rc=0
    (cd "$ROOT" && ASAN_OPTIONS="log_path=$report" UBSAN_OPTIONS="print_stacktrace=1:log_path=$report" timeout 120 "$program" --jobs 2) >"$log" 2>&1 || rc=$?
    # [====] Synthesis: Tested: 5 | Passing: 5 | Failing: 0 | Crashing: 0
    read -r tested passing < <(sed -nE 's/\x1b\[[0-9;]*m//g; s/.*Synthesis: Tested: ([0-9]+) \| Passing: ([0-9]+) .*/\1 \2/p' "$log" | tail -n 1) || true
    tested=${tested:-0}
    passing=${passing:-0}
    if compgen -G "$report*" >/dev/null; then
      cat "$report"* >>"$log"
      rc=99
    fi
    if [ $rc = 0 ] && [ "$tested" = "$passing" ] && [ "$tested" != 0 ]; then
      test_count "$name" "$passing" 0 0
      test_line ok "$name" "$(test_seconds)" "$tested cases"
    else
      test_count "$name" "$passing" $((tested > passing ? tested - passing : 1)) 0
      test_line FAIL "$name" "$(test_seconds)" "$passing of $tested cases passed, exit code $rc"
      test_tail "$log"
    fi
  done
}

# test_program NAME COMMAND...: one that needs neither servers nor a folder; its last line is the remark.
test_program() {
  local name=$1 log rc=0
  shift
  test_is_wanted "$name" || return 0
  log=$TEST_LOGS/${name//\//.}.log
  test_begin
  "$@" >"$log" 2>&1 </dev/null || rc=$?
  if [ $rc = 0 ]; then
    test_count "$name" 1 0 0
    test_line ok "$name" "$(test_seconds)" "$(tail -n 1 "$log")"
  else
    test_count "$name" 0 1 0
    test_line FAIL "$name" "$(test_seconds)" "exit code $rc"
    test_tail "$log"
  fi
}

# test_corpora VARIANT: the corpora of the fuzz targets, in this build. A target without one fails, and so does a corpus without a target.
test_corpora() {
  local target
  for target in $({
    fuzz_targets
    ls "$ROOT/tests/fuzz/corpus"
  } | sort -u); do
    test_program "fuzz/$target" env UBSAN_OPTIONS=print_stacktrace=1 timeout 120 "$ROOT/build/$1/tests/fuzz/fuzz_$target" "$ROOT/tests/fuzz/corpus/$target"
  done
}

# test_histories NAME VARIANT ARGUMENT...: simulated histories, counted as one test. What they find is told with the command that replays it.
test_histories() {
  local name=$1 variant=$2 log rc=0
  shift 2
  test_is_wanted "$name" || return 0
  log=$TEST_LOGS/${name//\//.}.log
  test_begin
  (cd "$ROOT" && ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 timeout 300 "build/$variant/tests/sim/sim" "$@") >"$log" 2>&1 || rc=$?
  if [ $rc = 0 ]; then
    test_count "$name" 1 0 0
    test_line ok "$name" "$(test_seconds)" "$(sed -nE 's/^sim: (histories from seed .*|[0-9]+ histories) (on|in .*)/\1/p' "$log" | paste -sd ' ' | sed -E 's/histories from (seed [0-9]+) ([0-9]+) histories/\2 histories from \1 on/')"
  else
    test_count "$name" 0 1 0
    test_line FAIL "$name" "$(test_seconds)" "exit code $rc"
    test_tail "$log"
  fi
}

# A seed tells the same history wherever it is lived through: one process and two come to one account of the same range, to the last byte and microsecond.
test_histories_are_the_same() {
  local one two
  one=$(test_account_of_histories 1)
  two=$(test_account_of_histories 2)
  printf 'one process: %s\ntwo: %s\n' "$one" "$two"
  [ "$one" = "$two" ] && grep -o 'fingerprint .*' <<<"$one"
}

# test_account_of_histories PROCESSES: without the time that they took.
test_account_of_histories() {
  "$ROOT/build/dev/tests/sim/sim" --first 1 --count 2000 --jobs "$1" | sed -nE 's/^(sim: [0-9]+ histories) in [^;]*; (.*, fingerprint )/\1; \2/p'
}

# test_simulator quick|all
test_simulator() {
  test_histories sim/regressions dev --list tests/sim/regression_seeds.txt
  test_histories sim/fixed dev --first 1 --count 10000
  test_histories sim/random dev --seconds 5
  test_program sim/same test_histories_are_the_same
  [ "$1" = quick ] || test_histories sim/asan asan --first 1000000 --count 400
}

# Mutants and crash points (cdc-relay/lib/fault_point.h) are in no program but those of build/faults. That this finds them where they are is seen in mutants.sh.
test_has_no_faults() {
  local variant
  for variant in dev asan release; do
    if [ -e "$ROOT/build/$variant/cdc-relay/cdc-relay" ]; then
      test_program "build/no-faults/$variant" test_programs_are_sound "$ROOT/build/$variant"
    fi
  done
}

# test_programs_are_sound FOLDER: of a build.
test_programs_are_sound() {
  local program count=0
  while read -r program; do
    if "$ROOT/tests/faults/names_in_binary.sh" "$program" | grep .; then
      echo "in $program"
      return 1
    fi
    count=$((count + 1))
  done < <(find "$1/cdc-relay" "$1/producers" "$1/consumers" -maxdepth 1 -type f -executable)
  echo "$count programs"
  [ $count != 0 ]
}

# test_script NAME SECONDS COMMAND...: one scenario. Its exit code 77 means skipped, with the reason in its last line.
test_script() {
  local name=$1 seconds=$2 rc=0 folder log
  shift 2
  folder=$TEST_RUN/${name//\//.}
  log=$TEST_LOGS/${name//\//.}.log
  test_begin
  lane_scenario "$folder" "$log" "$seconds" "$@" || rc=$?
  case $rc in
    0)
      test_count "$name" 1 0 0
      test_line ok "$name" "$(test_seconds)"
      rm -rf "$folder"
      ;;
    77)
      test_count "$name" 0 0 1
      test_line SKIP "$name" "$(test_seconds)" "$(tail -n 1 "$log")"
      ;;
    *)
      test_count "$name" 0 1 0
      lane_alone output test_tell_failed "$name" "exit code $rc$([ $rc != 124 ] || echo ", it took longer than $seconds s")$([[ $name != faults/* ]] || echo ", FAULTS_SEED=$FAULTS_SEED")" "$log"
      ;;
  esac
}

# test_tell_failed NAME REMARK LOG
test_tell_failed() {
  test_line FAIL "$1" "$(test_seconds)" "$2"
  test_tail "$3"
}

test_skip() {
  test_count "$1" 0 0 1
  test_line SKIP "$1" 0 "$2"
}

# The files of all scenarios that are to be looked at.
test_scenario_files() {
  local file
  for file in "$ROOT"/tests/e2e/*.sh; do
    case $file in
      */harness.sh) ;;
      *) echo "$file" ;;
    esac
  done
  if [ -n "$TEST_MATRIX" ]; then
    printf '%s\n' "$ROOT"/tests/matrix/*.sh
    grep -lE '^# tags:.* matrix( |$)' "$ROOT"/tests/faults/*.sh || true
  fi
  # What faults add to the others is chance and load, which memcheck is too slow for; producers and consumers are not what runs under it. With ThreadSanitizer they run
  # where the pattern names them: --tsan services/consumer_runtime.
  if [ -z "$TEST_RELAY" ] || [[ $TEST_RELAY = tsan && $TEST_PATTERN = services/* ]]; then
    grep -lE '^# tags:' "$ROOT"/tests/services/*.sh || true
  fi
  if [ -z "$TEST_RELAY" ]; then
    grep -lE '^# tags:(.* )?short( |$)' "$ROOT"/tests/faults/*.sh || true
  fi
}

# test_plugins FILE: with which it runs. For most scenarios of faults and services one plugin is as good as the other.
test_plugins() {
  local plugins=both
  if [[ $1 == */faults/* || $1 == */services/* ]]; then
    plugins=$(sed -n 's/^# plugins: *//p' "$1")
  fi
  case $plugins in
    both) echo pgoutput wal2json ;;
    *) echo "${plugins:-pgoutput}" ;;
  esac
}

# test_build FILE: the build whose programs it runs.
test_build() {
  local build
  build=$(sed -n 's/^# build: *//p' "$1")
  echo "${build:-dev}"
}

# test_scenario_name FILE: e2e/NAME, services/NAME, matrix/NAME or faults/NAME
test_scenario_name() {
  echo "$(basename "$(dirname "$1")")/$(basename "$1" .sh)"
}

# test_server_is_older FILE: than the line `# needs: PostgreSQL N` of the scenario says.
test_server_is_older() {
  local needs
  needs=$(sed -n 's/^# needs: PostgreSQL \([0-9]*\)$/\1/p' "$1")
  [ -n "$needs" ] && [ "$(postgres_version)" -lt "$needs" ]
}

# test_jobs quick|all BROKER: what the pattern means of scenarios, a line each: NAME SECONDS PLUGIN BUILD FILE WHY-NOT; PLUGIN and BUILD of a script of tests/sql are -.
# BROKER: kafka, embedded, or none.
test_jobs() {
  local which=$1 broker=$2 file name tags plugin seconds reason
  for file in "$ROOT"/tests/sql/*.sh; do
    name=sql/$(basename "$file" .sh)
    if [ "$which" = all ] && [ -z "$TEST_RELAY" ] && test_is_wanted "$name"; then
      echo "$name 120 - - $file"
    fi
  done
  for file in $(test_scenario_files); do
    name=$(test_scenario_name "$file")
    tags=" $(sed -n 's/^# tags: *//p' "$file") "
    [[ $which = all || $tags == *' quick '* ]] || continue
    seconds=90
    [[ $tags != *' slow '* ]] || seconds=180
    [ -z "$TEST_RELAY" ] || seconds=$((seconds * 3))
    reason=''
    if [[ $tags == *' real-kafka '* && $broker != kafka ]] || [ "$broker" = none ]; then
      reason='needs a real Kafka, which could not be fetched'
    elif test_server_is_older "$file"; then
      reason="$(sed -n 's/^# needs: /needs /p' "$file"), and this is $(postgres_version)"
    fi
    for plugin in $(test_plugins "$file"); do
      if test_is_wanted "$name/$plugin"; then
        echo "$name/$plugin $seconds $plugin ${TEST_RELAY:-$(test_build "$file")} $file $reason"
      fi
      if [[ -z $reason && $which = all && $tags == *' asan '* && -z "$TEST_RELAY" ]] && test_is_wanted "$name/$plugin/asan"; then
        echo "$name/$plugin/asan $((seconds * 2)) $plugin asan $file"
      fi
    done
  done
}

# test_job LINE: of test_jobs, in a lane.
test_job() {
  local name seconds plugin build file reason alone
  read -r name seconds plugin build file reason <<<"$1"
  # shellcheck disable=SC1091
  . "$SERVERS/postgres.env"
  if [ -n "$reason" ]; then
    test_skip "$name" "$reason"
  elif [ "$plugin" = - ]; then
    # They make databases of their own.
    PGHOST=$PG_SOCKET PGPORT=$PG_PORT PGUSER=postgres test_script "$name" "$seconds" bash "$file"
  else
    alone=$(sed -n 's/^# alone: *//p' "$file")
    PLUGIN=$plugin BUILD=$ROOT/build/$build ${alone:+lane_alone "$alone"} test_script "$name" "$seconds" bash "$file"
  fi
}

test_ends() {
  local code=$?
  trap - EXIT
  lanes_end
  # Of a failure the logs are kept, until the next run.
  [ -n "$(test_failures)" ] || rm -rf "$TEST_RUN"
  exit $code
}

dev_test() {
  local which=all broker=kafka began=$SECONDS
  TEST_PATTERN=''
  TEST_MATRIX=''
  while [ $# != 0 ]; do
    case $1 in
      --quick) which=quick ;;
      --valgrind)
        TEST_RELAY=dev
        # HOME is the scenario's folder, see relay_launch.
        export RELAY_UNDER='valgrind -q --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite --log-file=%q{HOME}/sanitizer.valgrind.%p'
        ;;
      --tsan) TEST_RELAY=tsan ;;
      --matrix) TEST_MATRIX=yes ;;
      -*) usage_error "test knows no $1" ;;
      *)
        [ -z "$TEST_PATTERN" ] || usage_error "test takes one pattern, and not both $TEST_PATTERN and $1"
        TEST_PATTERN=$1
        ;;
    esac
    shift
  done
  dev_setup quiet
  TEST_LOGS=$ROOT/build/test
  rm -rf "$TEST_LOGS"
  mkdir -p "$TEST_LOGS"
  : >"$TEST_LOGS/results"
  run_new test
  TEST_RUN=$RUN
  export ROOT FAULTS_SHORT=1 FAULTS_SEED=${FAULTS_SEED:-1}
  trap test_ends EXIT
  trap 'exit 130' INT TERM

  if [ $which = quick ]; then
    broker=embedded
  elif ! kafka_is_installed; then
    broker=none
  fi
  test_jobs $which $broker >"$TEST_RUN/jobs"
  build_variant dev
  [ $which = quick ] || [ -n "$TEST_RELAY" ] || build_variant asan
  [ "$TEST_RELAY" != tsan ] || build_variant tsan
  ! grep -q ' faults /' "$TEST_RUN/jobs" || build_variant faults "${FAULTS_TARGETS[@]}"

  # A pattern that means units alone needs no servers, and one that means a single scenario one lane. Under memcheck a scenario fills a core by itself.
  LANES=$(wc -l <"$TEST_RUN/jobs")
  [ "$LANES" -le $TEST_LANES ] || LANES=$TEST_LANES
  [ -z "$TEST_RELAY" ] || [ "$LANES" = 0 ] || LANES=1
  if [ "$LANES" != 0 ] && [ $broker = kafka ]; then
    lanes_begin # it needs some seconds, in which the unit tests run
  elif [ "$LANES" != 0 ] && [ $broker = none ]; then
    say '!!! NO APACHE KAFKA: Maven Central could not be reached. What needs a real Kafka is SKIPPED, and nothing below proves that the relay works with one.'
  fi

  if [ -z "$TEST_RELAY" ]; then
    test_units dev unit
    [ $which = quick ] || test_units asan asan
    if [ $which = quick ]; then test_corpora dev; else test_corpora asan; fi
    test_simulator $which
    test_has_no_faults
    test_program bench/report "$ROOT/tests/bench/report_check.sh"
    # Whether the tests notice what they are there for.
    [ $which = quick ] || [ -n "$TEST_MATRIX" ] || test_program build/mutants "$ROOT/dev" faults --mutants --short
  fi

  if [ "$LANES" != 0 ]; then
    say "starting PostgreSQL and the broker"
    lanes_ready $broker
    export BROKER=$broker
    lanes_run test_job
    test_count_left
  fi

  echo
  test_tell_failures build/test
  test_tell_time $((SECONDS - began))
  test_is_good
}
