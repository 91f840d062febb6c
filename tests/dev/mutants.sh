# shellcheck shell=bash
# mutants.sh - `./dev faults --mutants [--short|--publish] [NAME...]`: does wrong on purpose, one wrong at a time, and shows which test notices.
#
# The wrongs are named in cdc-relay/lib/fault_point.h. For each: the unit tests of its place, then the simulator, then a scenario on real servers where there is one
# in the table below. Each that the table names has to notice: one that is silent has gone blind, or never saw this wrong, though its neighbours do. A mutant that nobody
# notices has survived: a test is missing. The exit code is 1 for either; and for a mutant that the table does not have.
# To notice is to say what is wrong: a case of a unit test that failed, a rule that a history broke, a scenario's FAILED. Who only ran out of time, or ended in another way,
# has not judged; that is shown apart, and the exit code is 1, too: a mutant that shows in time alone wants a test that asserts the bound. So is a simulator that crashed:
# of its histories that end their process only those count in which the relay's own invariant did.
# The first line is all of it without a mutant, for which everything must be quiet: otherwise "noticed" would mean nothing. Scenarios of tests/services run on a real
# Kafka, since the embedded one keeps no place for a static member.
#
# --short: no servers, and only what unit tests or the simulator's first histories can notice, which may be too few for the simulator: its silence is no error then.
# ./dev test does so, too. The report of a whole run is build/reports/mutants.md, and with --publish docs/mutants.md as well; any other is
# build/test/mutants/report.md.

MUTANT_SIM_HISTORIES=20000 # from seed 1 on and by one process: the same each time
MUTANT_SIM_SHORT_HISTORIES=1000

#   mutant                        unit tests                      sim   scenarios (folder/name/plugin, and with = each guarantee that its history must break)
MUTANT_TABLE='
    CONFIRM_START_LSN             txn,session                     sim   -
    CONFIRM_BEFORE_REPORT         session,session_poison          sim   e2e/kafka_down_at_start_and_later/pgoutput,faults/relay_killed_at_random/pgoutput=lost=confirmed
    CONFIRM_UNSENT_LOG            session                         sim   -
    KEEPALIVE_OVERTAKES           ledger,ledger_model,session     sim   -
    KEEPALIVE_IN_TRANSACTION      session                         sim   -
    LEDGER_OUT_OF_ORDER           ledger,ledger_model,session     sim   -
    EMPTY_TRANSACTION_OVERTAKES   ledger,ledger_model             sim   -
    LEDGER_NUMBERS_REUSED         ledger,ledger_model,session     sim   -
    FAILED_REPORT_SETTLES         session_poison                  sim   -
    LOST_REPORT_IGNORED           session                         sim   -
    QUEUE_FULL_DROPS              session                         sim   -
    FULL_QUEUE_HOARDS             session                         sim   -
    PAUSED_SAYS_NOTHING           session                         sim   -
    STATUS_ONLY_WHEN_ASKED        feedback,session                sim   -
    STATUS_MOVES_BACK             session                         sim   -
    SPIN_NEVER_ANSWERED           feedback,session                sim   e2e/fast_shutdown_with_kafka_down/pgoutput
    RESUME_FROM_MEMORY            session                         sim   faults/swarm/pgoutput
    DRAIN_CONFIRMS_READ           session_stop                    sim   e2e/sigterm_drains/pgoutput,faults/swarm/pgoutput
    STANDBY_KEEPS_PRODUCER        session,session_poison          sim   -
    MOVED_SLOT_ACCEPTED           witness,session_poison          sim   -
    START_NOT_JUDGED              session_start                   sim   faults/slot_moved_before_the_start/pgoutput
    POISON_IN_COMPANY             session_poison,session_partition sim  -
    ISOLATION_IN_COMPANY          session_poison                  sim   -
    DEAD_LETTER_NOT_AWAITED       session_poison                  sim   -
    KEPT_RECORD_OVERTAKES         session_poison                  sim   -
    BUFFER_STAYS_FIXED            session_bound                   sim   -
    STALL_WAITED_OUT              session_stalled                 sim   -
    ANSWER_NOT_HEARD              session_stalled                 sim   -
    RELATIONS_KEPT                pgoutput                        sim   faults/swarm/pgoutput
    CATALOG_ON_STREAM             -                               -     e2e/schema_changes_while_away/pgoutput
    ROLLED_BACK_KEPT              pg_command                      -     faults/subtransactions_half_rolled_back/pgoutput
    INDEX_GOES_ON                 txn                             sim   e2e/transaction_order_and_rollback/pgoutput
    KEY_BY_CRC32                  kafka_publisher                 -     -
    NULL_IS_TOMBSTONE             router_connector                -     -
    ESCAPES_LITERAL               json_scanner,json_differential  sim   e2e/byte_exact_payloads/wal2json
    INBOX_SKIPPED                 -                               -     services/consumer_killed_at_each_step/pgoutput
    KNOWN_EVENT_HANDLED           -                               -     services/consumer_killed_at_each_step/pgoutput,services/orders_survive_each_party/pgoutput
    OFFSET_BEFORE_COMMIT          -                               -     services/consumer_killed_at_each_step/pgoutput,services/members_survive_each_party/pgoutput
    LOCKED_COUNTS_AS_DONE         -                               -     services/consumer_rebalance_storm/pgoutput
'

# mutant_column NAME N: a field of its line in the table, empty for `-`.
mutant_column() {
  awk -v name="$1" -v n="$2" '$1 == name && $n != "-" { print $n }' <<<"$MUTANT_TABLE"
}

# mutant_columns N [NAME...]: all that any of these lines (without names: any line) has in that column, each once.
mutant_columns() {
  awk -v n="$1" -v names=" ${*:2} " 'NF && $n != "-" && (names ~ /^ *$/ || index(names, " " $1 " ")) { print $n }' <<<"$MUTANT_TABLE" | tr , '\n' | sort -u
}

# Whoever could not judge says so by a line that begins with these words, and for one that said nothing there is a line with those.
MUTANT_UNJUDGED='not judged by'
MUTANT_SILENT='not noticed by'

# mutants_check_table [NAME...]: prints what is in the table and not in fault_point.h, or the other way round, and each name that is in neither.
mutants_check_table() {
  local name table listed
  table=$(awk 'NF { print $1 }' <<<"$MUTANT_TABLE")
  listed=$(mutants_list | cut -d ' ' -f 1)
  for name in $listed; do
    grep -qx "$name" <<<"$table" || echo "$name has no line in tests/dev/mutants.sh that says who should notice"
  done
  for name in $table "$@"; do
    grep -qx "$name" <<<"$listed" || echo "$name is no mutant of cdc-relay/lib/fault_point.h"
  done
}

# mutant_unit MUTANT NOUN: prints the first case that failed; nothing when none did. A case that crashed counts as failed, one that Criterion ended for its time does not.
mutant_unit() {
  local log=$MUTANT_LOGS/$1.unit.$2.log rc=0 first
  (cd "$ROOT" && CDC_MUTANT=${1#NONE} timeout 120 "$ROOT/build/faults/tests/unit/test_$2" --jobs 2) >"$log" 2>&1 || rc=$?
  first=$(sed -nE 's/\x1b\[[0-9;]*m//g; /Timed out/d; s/^\[FAIL\] [a-z0-9_]+::([a-z0-9_]+).*/\1/p' "$log" | head -n 1)
  if [ -n "$first" ]; then
    echo "unit/$2::$first"
  elif [ $rc != 0 ]; then
    echo "$MUTANT_UNJUDGED unit/$2, which $(mutant_end $rc)"
  fi
}

# mutant_verdict_lacks FILE FOLDER/NAME/PLUGIN=GUARANTEE...: those of which the history checker has found nothing. Histories that are judged want a
# real Kafka, too: the embedded one appends again what an idempotent producer repeats.
mutant_verdict_lacks() {
  local guarantees=${2#*=} guarantee
  [[ $2 == *=* ]] || return 0
  for guarantee in ${guarantees//=/ }; do
    jq -e ".findings.$guarantee > 0" "$1" >/dev/null 2>&1 || echo "$guarantee"
  done
}

# mutant_end CODE: how a program ended, in words.
mutant_end() {
  case $1 in
    124 | 137) echo 'ran out of time' ;;
    *) echo "ended with $1" ;;
  esac
}

# mutant_simulate MUTANT: prints the seed; nothing when no history broke a guarantee.
mutant_simulate() {
  local log=$MUTANT_LOGS/$1.sim.log rc=0 mutant=() found ended
  [ "$1" = NONE ] || mutant=(--mutant "$1")
  (cd "$ROOT" && timeout 300 "$MUTANT_SIM" "${mutant[@]}" --first 1 --count "$MUTANT_SIM_HISTORIES" --jobs 1) >"$log" 2>&1 || rc=$?
  found=$(sed -nE 's/^FOUND (seed [0-9]+: .*)/simulator, \1/p' "$log" | head -n 1 | cut -c 1-120 | LC_ALL=C tr -cd '[:print:]\n')
  ended=$(sed -nE 's/^ENDED (seed [0-9]+: .*)/\1/p' "$log" | head -n 1)
  [ -z "$found" ] || echo "$found"
  if [ -n "$ended" ]; then
    echo "$MUTANT_UNJUDGED the simulator, $ended"
  elif [ -z "$found" ] && [ $rc != 0 ]; then
    echo "$MUTANT_UNJUDGED the simulator, which $(mutant_end $rc)"
  fi
}

# mutant_scenario MUTANT FOLDER/NAME/PLUGIN: prints its name when it failed, with the reason that it gave. One that needs what is not here (77) notices nothing, and a
# history that could not be judged was not; nor was anything where the scenario could not kill whom it was to kill.
mutant_scenario() {
  local folder name plugin rc=0 log reason lacks broker=embedded
  IFS=/ read -r folder name plugin <<<"${2%%=*}"
  log=$MUTANT_LOGS/$1.$folder.$name.log
  mkdir -p "$MUTANT_RUN/$1.$name"
  if [ "$folder" = services ] || [[ $2 == *=* ]]; then
    broker=kafka
  else
    # Topics of the same names are there from the run before.
    RUN=$MUTANT_RUN process_stop embedded
    rm -f "$MUTANT_RUN/embedded."*
    RUN=$MUTANT_RUN embedded_broker_start embedded >>"$log" 2>&1
  fi
  RUN=$MUTANT_RUN/$1.$name SERVERS=$MUTANT_RUN PLUGIN=$plugin BUILD=$ROOT/build/faults BROKER=$broker CDC_MUTANT=${1#NONE} \
    FAULTS_SEED=1 FAULTS_SHORT=1 FAULTS_MINUTES=1 timeout -k 40 240 bash "$ROOT/tests/$folder/$name.sh" >"$log" 2>&1 </dev/null || rc=$?
  RUN=$MUTANT_RUN/$1.$name processes_stop_all >>"$log" 2>&1
  reason=$(sed -nE '/could not be (judged|killed)/d; s/^FAILED: //p' "$log" | head -n 1 | cut -c 1-120)
  if [ $rc = 0 ] || [ $rc = 77 ]; then
    return
  fi
  lacks=''
  [ "$1" = NONE ] || lacks=$(mutant_verdict_lacks "$MUTANT_RUN/$1.$name/verdict.json" "$2" | paste -sd ' ')
  if [ -n "$lacks" ]; then
    echo "$MUTANT_UNJUDGED $folder/$name, whose history was to break: $lacks"
  elif [ -n "$reason" ]; then
    [[ $2 != *=* ]] || reason+=" ($(sed 's/^[^=]*=//; s/=/, /g' <<<"$2"))"
    echo "$folder/$name: $reason"
  else
    echo "$MUTANT_UNJUDGED $folder/$name, which $(mutant_end $rc)"
  fi
}

# mutant_ask WHO COMMAND...: what it prints; or that it prints nothing.
mutant_ask() {
  local said
  said=$("${@:2}")
  echo "${said:-$MUTANT_SILENT $1}"
}

# mutant_try MUTANT UNITS SIM SCENARIOS: what noticed and what did not, one a line.
mutant_try() {
  local unit scenario
  for unit in $2; do
    mutant_ask "unit/$unit" mutant_unit "$1" "$unit"
  done
  if [ -n "$3" ] && [ -n "$MUTANT_SERVERS" ]; then
    mutant_ask "the simulator" mutant_simulate "$1"
  elif [ -n "$3" ]; then
    mutant_simulate "$1"
  fi
  for scenario in ${4//,/ }; do
    [ -z "$MUTANT_SERVERS" ] || mutant_ask "$scenario" mutant_scenario "$1" "$scenario"
  done
}

# mutant_joined SEPARATOR LINES
mutant_joined() {
  awk -v separator="$1" 'NR > 1 { printf "%s", separator } { printf "%s", $0 }' <<<"$2"
}

# mutant_tell WORD NAME LINES: one line on the screen.
mutant_tell() {
  printf '%-9s %-28s %s\n' "$1" "$2" "$(mutant_joined '; ' "$3")"
}

mutants_end() {
  local code=$?
  trap - EXIT
  RUN=$MUTANT_RUN processes_stop_all
  rm -rf "$MUTANT_RUN"
  exit $code
}

# mutants_list: name, blank, what it does; as fault_point.h has them.
mutants_list() {
  sed -n '/define FAULT_MUTANTS/,/^$/p' "$ROOT/cdc-relay/lib/fault_point.h" | sed -nE 's/.*X\(([A-Z0-9_]+), "(.*)"\).*/\1 \2/p'
}

# mutants_publish REPORT WORDS
mutants_publish() {
  {
    # shellcheck disable=SC2016
    printf '# The last run of the mutants\n\nWritten by `./dev faults --mutants --publish`; what it does is in [proof.md](proof.md#mutants).\n\n- %s, cdc-relay %s: %s\n\n' \
      "$(date -u +%F)" "$(revision)" "$2"
    cat "$1"
  } >"$ROOT/docs/mutants.md"
  say 'written to docs/mutants.md'
}

dev_mutants() {
  local name text seen caught unjudged silent publishes='' names=() survivors=() doubts=() blind=() wrong began=$SECONDS total=0 report=$ROOT/build/reports/mutants.md
  MUTANT_SERVERS=yes
  while [ $# != 0 ]; do
    case $1 in
      --short)
        MUTANT_SERVERS=''
        MUTANT_SIM_HISTORIES=$MUTANT_SIM_SHORT_HISTORIES
        ;;
      --publish) publishes=yes ;;
      -*) usage_error "faults --mutants knows no $1" ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  if [ -n "$publishes" ] && { [ -z "$MUTANT_SERVERS" ] || [ ${#names[@]} != 0 ]; }; then
    usage_error 'faults --mutants: --publish is for a whole run, and not for --short or single mutants'
  fi
  # The report of a whole run stays.
  [ -n "$MUTANT_SERVERS" ] && [ ${#names[@]} = 0 ] || report=$ROOT/build/test/mutants/report.md
  wrong=$(mutants_check_table "${names[@]}")
  if [ -n "$wrong" ]; then
    printf '%s\n' "$wrong"
    return 1
  fi
  dev_setup quiet
  # shellcheck disable=SC2046
  build_variant faults cdc-relay sim $(mutant_columns 2 | sed 's/^/test_/')
  [ -z "$MUTANT_SERVERS" ] || build_variant faults "${FAULTS_TARGETS[@]}"
  [ -z "$MUTANT_SERVERS" ] || build_variant dev
  MUTANT_SIM=$ROOT/build/faults/tests/sim/sim
  MUTANT_LOGS=$ROOT/build/test/mutants
  rm -rf "$MUTANT_LOGS"
  mkdir -p "$MUTANT_LOGS" "${report%/*}"
  run_new mutants
  MUTANT_RUN=$RUN
  export ROOT
  trap mutants_end EXIT
  trap 'exit 130' INT TERM

  # What a build with faults can do has to be seen by the test that looks for it in the others.
  [ "$("$ROOT/tests/faults/names_in_binary.sh" "$ROOT/build/faults/cdc-relay/cdc-relay" | wc -l)" -gt "$(mutants_list | wc -l)" ] || {
    echo 'FAIL  tests/faults/names_in_binary.sh finds no mutants in the build that has them'
    return 1
  }
  if [ -n "$MUTANT_SERVERS" ]; then
    say 'starting PostgreSQL and the embedded broker'
    postgres_start postgres
    embedded_broker_start embedded
    if mutant_columns 4 "${names[@]}" | grep -qE '^services/|='; then
      kafka_start kafka
    fi
  fi
  say 'without a mutant'
  caught=$(mutant_try NONE "$(mutant_columns 2 "${names[@]}")" sim "$(mutant_columns 4 "${names[@]}")" | sed "/^$MUTANT_SILENT /d")
  if [ -n "$caught" ]; then
    printf 'FAIL  without any mutant: %s (build/test/mutants)\n' "$caught"
    return 1
  fi

  {
    echo '| mutant | what it does | noticed by |'
    echo '|---|---|---|'
  } >"$report"
  while read -r name text; do
    if [ ${#names[@]} != 0 ] && [[ " ${names[*]} " != *" $name "* ]]; then
      continue
    fi
    if [ -z "$MUTANT_SERVERS" ] && [ -z "$(mutant_column "$name" 2)" ]; then
      printf 'left out  %-28s needs servers\n' "$name"
      continue
    fi
    total=$((total + 1))
    seen=$(mutant_try "$name" "$(mutant_column "$name" 2 | tr , ' ')" "$(mutant_column "$name" 3)" "$(mutant_column "$name" 4 | tr , ' ')")
    caught=$(grep -avE "^($MUTANT_UNJUDGED|$MUTANT_SILENT) " <<<"$seen" || true)
    unjudged=$(grep -a "^$MUTANT_UNJUDGED " <<<"$seen" || true)
    silent=$(grep -a "^$MUTANT_SILENT " <<<"$seen" || true)
    if [ -n "$unjudged" ]; then
      doubts+=("$name")
      mutant_tell UNJUDGED "$name" "$unjudged"
    fi
    if [ -n "$silent" ]; then
      blind+=("$name")
      mutant_tell SILENT "$name" "$silent"
    fi
    if [ -n "$caught" ]; then
      mutant_tell caught "$name" "$caught"
    else
      survivors+=("$name")
      seen="**nobody**${seen:+$'\n'$seen}"
      mutant_tell SURVIVED "$name" "$text"
    fi
    # shellcheck disable=SC2016
    printf '| `%s` | %s | %s |\n' "$name" "$text" "$(mutant_joined '<br>' "${seen//|/\\|}")" >>"$report"
  done < <(mutants_list)

  echo
  say "$((SECONDS - began)) s, report in ${report#"$ROOT"/}"
  [ -z "$publishes" ] || mutants_publish "$report" "$((total - ${#survivors[@]})) of $total mutants were caught"
  echo "$((total - ${#survivors[@]})) of $total mutants were caught"
  [ ${#doubts[@]} = 0 ] || echo "not all that were asked have judged ${doubts[*]} (build/test/mutants)"
  [ ${#blind[@]} = 0 ] || echo "not all that tests/dev/mutants.sh names have noticed ${blind[*]}"
  [ $((${#survivors[@]} + ${#doubts[@]} + ${#blind[@]})) = 0 ] && [ $total != 0 ]
}
