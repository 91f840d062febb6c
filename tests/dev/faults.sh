# shellcheck shell=bash
# faults.sh - `./dev faults`: runs every scenario that covers a row of the fault matrix (tests/faults/rows.txt) on a private PostgreSQL and a real Kafka that they share
# (lanes.sh), and writes build/reports/faults.md. After test.sh, with which it counts and tells. A look (a pattern, --short, --swarm) has a folder of its own, and leaves
# alone what the last campaign has left.
#
# A scenario is a file of tests/faults, tests/e2e or tests/services with a line `# row: ID ...` for each row that it covers. More lines of its header that count here:
#
#   # plugins: both|pgoutput|wal2json     pgoutput is the default
#   # build: faults                       the programs of build/faults, which have crash points and mutants; build/dev is the default
#   # seconds: N                          how long it may take; 900 by default, 180 for one of tests/e2e
#
# It leaves in its folder what campaign.sh says: marks of faults, figures, the verdict, a drawing. Exit code: 0 when each scenario passed, and each row has one or a
# reason why not; a skipped one is a failure where CI=true.

FAULTS_ONLY_SWARM=''
FAULTS_RESUMES=''
FAULTS_PART=''
FAULTS_PUBLISH=''
FAULTS_PATTERN=''

faults_usage() {
  cat <<'USAGE'
./dev faults [--seed N] [--short] [--swarm] [--minutes N] [--resume] [--part K/N] [--lanes N] [--publish] [--list] [PATTERN]

  --seed N      of all chance; a random one by default, printed and written into the report
  --resume      goes on where the last campaign was cut off: what passed then is kept, and not run again.
                Neither this nor --part goes with what is only a look: --short, --swarm, a pattern
  --part K/N    every Nth scenario from the Kth on: a campaign on N machines. Their build/campaign/results.jsonl
                in one file of that name, and --resume writes the report of all
  --lanes N     so many scenarios at a time, each with servers of its own: sooner done, and its figures
                are those of a machine that is shared
  --short       each scenario as short as within ./dev test: a look, no figures to quote
  --swarm       only random faults under load, three minutes of them
  --minutes N   of random faults under load; 30 in a campaign, as their row of the matrix says
  --publish     also writes the report of a whole campaign into docs/campaign.md, with the drawing of the random faults
  --list        the rows and the scenarios that cover them; runs nothing
  PATTERN       only scenarios whose name or row contains it

The report: build/reports/faults.md, with a drawing per scenario beside it in build/reports/faults/; logs and results are
in build/campaign. All of a look is in build/faults-part, and the last campaign stays as it is.
USAGE
}

# The rows: ID | fault | expectation [| reason why there is no scenario]
faults_rows() {
  grep -E '^[A-Z]-[0-9]+ ' "$ROOT/tests/faults/rows.txt"
}

# faults_header FILE NAME: the values of these lines of a scenario's header.
faults_header() {
  sed -n "s/^# $2: *//p" "$1"
}

# faults_seconds FILE: how long the scenario may take. Those that may take the longest come first, so that none is left to a single lane in the end.
faults_seconds() {
  local seconds
  seconds=$([ "$1" = simulator ] || faults_header "$1" seconds)
  [[ $1 != */e2e/* ]] || seconds=${seconds:-180}
  echo "${seconds:-900}"
}

# Prints FILE PLUGIN IDS, a line per run; the simulator, which is no file, is called simulator.
faults_runs() {
  local file ids plugin plugins
  for file in "$ROOT"/tests/faults/*.sh "$ROOT"/tests/e2e/*.sh "$ROOT"/tests/services/*.sh; do
    ids=$(faults_header "$file" row | cut -d ' ' -f 1 | paste -sd ,)
    [ -n "$ids" ] || continue
    plugins=$(faults_header "$file" plugins)
    [ "$plugins" != both ] || plugins='pgoutput wal2json'
    for plugin in ${plugins:-pgoutput}; do
      echo "$file $plugin $ids"
    done
  done
  echo "simulator - E-02"
}

# Prints FILE IDS, a line for each scenario that covers rows and that only `./dev matrix` can run, on its releases.
faults_of_matrix() {
  local file ids
  for file in "$ROOT"/tests/matrix/*.sh; do
    ids=$(faults_header "$file" row | cut -d ' ' -f 1 | paste -sd ,)
    [ -z "$ids" ] || echo "$file $ids"
  done
}

# Rows that have neither a scenario nor a reason, and rows that a scenario names and the list does not have: each a line.
faults_gaps() {
  local covered id title reason
  covered=$({
    faults_runs | cut -d ' ' -f 3
    faults_of_matrix | cut -d ' ' -f 2
  } | tr , '\n' | sort -u)
  while IFS='|' read -r id title _ reason; do
    if ! grep -qx "${id% }" <<<"$covered" && [ -z "${reason// /}" ]; then
      echo "row ${id% } has no scenario:$title"
    fi
  done < <(faults_rows)
  for id in $covered; do
    faults_rows | grep "^$id |" >/dev/null || echo "row $id is named by a scenario, and not in tests/faults/rows.txt"
  done
}

faults_list() {
  local id title reason file plugin ids runs others
  runs=$(faults_runs)
  others=$(faults_of_matrix)
  while IFS='|' read -r id title _ reason; do
    printf '%s %s\n' "$id" "$title"
    while read -r file plugin ids; do
      [[ ,$ids, != *,${id% },* ]] || printf '       %s/%s\n' "$(basename "$file" .sh)" "$plugin"
    done <<<"$runs"
    while read -r file ids; do
      [[ ,$ids, != *,${id% },* ]] || printf '       matrix/%s, by ./dev matrix\n' "$(basename "$file" .sh)"
    done <<<"$others"
    [ -z "$reason" ] || printf '       not here:%s\n' "$reason"
  done < <(faults_rows)
}

# faults_result NAME IDS VERDICT SECONDS FOLDER REMARK: one line of results.jsonl, out of what the scenario left.
faults_result() {
  local name=$1 folder=$5 svg='' marks=0 missed=0 figures='[]' verdict=null
  if [ -e "$folder/unseen.svg" ]; then
    svg=faults/${name//\//.}.svg
    cp "$folder/unseen.svg" "$FAULTS_REPORTS/${name//\//.}.svg"
  fi
  if [ -e "$folder/faults.jsonl" ]; then
    missed=$(grep -c '"phase":"missed"' "$folder/faults.jsonl") || true
    marks=$(($(grep -c '"phase":"begin"' "$folder/faults.jsonl" || true) - missed)) # of faults that happened
  fi
  [ ! -s "$folder/verdict.json" ] || verdict=$(cat "$folder/verdict.json")
  [ ! -e "$folder/figures.tsv" ] || figures=$(jq -R -n -c '[inputs | split("\t") | {name: .[0], value: .[1], unit: .[2]}]' "$folder/figures.tsv")
  jq -n -c --arg name "$name" --arg ids "$2" --arg verdict "$3" --arg seconds "$4" --arg svg "$svg" --arg marks "$marks" --arg remark "$6" --arg seed "$FAULTS_SEED" \
    --arg missed "$missed" --arg revision "$FAULTS_REVISION" --argjson figures "$figures" --argjson history "$verdict" \
    '{name: $name, ids: ($ids | split(",")), verdict: $verdict, seconds: ($seconds | tonumber), svg: $svg, marks: ($marks | tonumber), missed: ($missed | tonumber),
      remark: $remark, seed: $seed, revision: $revision, figures: $figures, history: $history}' >>"$FAULTS_RESULTS"
}

# The main figures of the newest result, for its line.
faults_main_figures() {
  tail -n 1 "$FAULTS_RESULTS" | jq -r -f "$ROOT/tests/dev/faults_figures.jq"
}

# faults_scenario FILE PLUGIN IDS
faults_scenario() {
  local file=$1 plugin=$2 ids=$3 name folder log rc=0 seconds verdict remark='' build
  name=$(basename "$file" .sh)/$plugin
  folder=$TEST_RUN/${name//\//.}
  log=$TEST_LOGS/${name//\//.}.log
  build=$(faults_header "$file" build)
  build=${build:-dev}
  seconds=$(faults_seconds "$file")
  test_begin
  PLUGIN=$plugin BUILD=$ROOT/build/$build BROKER=kafka FAULTS_SEED=$FAULTS_SEED FAULTS_MINUTES=$FAULTS_MINUTES FAULTS_SHORT=$FAULTS_SHORT \
    lane_scenario "$folder" "$log" "$seconds" bash "$file" || rc=$?
  seconds=$(test_seconds)
  case $rc in
    0)
      verdict=ok
      test_count "$name" 1 0 0
      ;;
    77)
      verdict=SKIP
      remark=$(tail -n 1 "$log")
      test_count "$name" 0 0 1
      ;;
    *)
      verdict=FAIL
      test_count "$name" 0 1 0
      remark="exit code $rc, seed $FAULTS_SEED"
      ;;
  esac
  lane_alone output faults_tell "$name" "$ids" "$verdict" "$seconds" "$folder" "$remark" "$log"
  [ $verdict = FAIL ] || rm -rf "$folder"
}

# faults_tell NAME IDS VERDICT SECONDS FOLDER REMARK LOG: into the results, and on the screen.
faults_tell() {
  faults_result "${@:1:6}"
  test_line "$3" "$1  $2" "$4" "$(faults_main_figures)"
  [ "$3" != FAIL ] || sed 's/^/    /' <"$7" | tail -n 30
}

# faults_job LINE: FILE PLUGIN IDS, in a lane.
faults_job() {
  local file plugin ids
  read -r file plugin ids <<<"$1"
  if [ "$file" = simulator ]; then
    faults_simulator
  else
    faults_scenario "$file" "$plugin" "$ids"
  fi
}

# E-02: histories of the simulator from the seed on, told as one line.
faults_simulator() {
  local folder=$TEST_RUN/simulator log=$TEST_LOGS/simulator.log rc=0 verdict=ok seconds histories found remark=''
  mkdir -p "$folder"
  test_begin
  timeout -k 10 "$(faults_seconds simulator)" "$ROOT/build/dev/tests/sim/sim" --first "$FAULTS_SEED" --seconds "$([ -n "$FAULTS_SHORT" ] && echo 5 || echo 60)" --jobs 2 >"$log" 2>&1 </dev/null || rc=$?
  seconds=$(test_seconds)
  histories=$(sed -nE 's/^sim: ([0-9]+) histories in .*/\1/p' "$log")
  found=$(grep -c '^FOUND ' "$log") || true
  printf 'histories\t%s\t\nviolations\t%s\t\n' "${histories:-0}" "$found" >"$folder/figures.tsv"
  sed -nE 's/^sim: .* ([0-9.]+) a minute; .* ([0-9]+) faults drawn, .*/faults drawn in them\t\2\t\nhistories a minute\t\1\t/p' "$log" >>"$folder/figures.tsv"
  if [ $rc != 0 ] || [ "$found" != 0 ] || [ "${histories:-0}" = 0 ]; then
    verdict=FAIL remark="exit code $rc, from seed $FAULTS_SEED on"
    test_count simulator 0 1 0
  else
    test_count simulator 1 0 0
  fi
  lane_alone output faults_tell simulator E-02 $verdict "$seconds" "$folder" "$remark" "$log"
}

# faults_is_in_part POSITION: of the list of all runs, from 0 on.
faults_is_in_part() {
  [ -z "$FAULTS_PART" ] || [ $(($1 % ${FAULTS_PART#*/} + 1)) = "${FAULTS_PART%/*}" ]
}

# faults_is_wanted NAME IDS
faults_is_wanted() {
  [ -z "$FAULTS_ONLY_SWARM" ] || [[ $1 == swarm/* ]] || return 1
  [ -z "$FAULTS_PATTERN" ] || [[ $1 == *"$FAULTS_PATTERN"* || $2 == *"$FAULTS_PATTERN"* ]]
}

# faults_has_passed NAME: in the campaign that is gone on with.
faults_has_passed() {
  [ -n "$FAULTS_RESUMES" ] && jq -e -n --arg name "$1" '[inputs | select(.name == $name)] != []' "$FAULTS_RESULTS" >/dev/null
}

# What passed in the campaign before stays, the rest goes.
faults_keep_passed() {
  local passed
  passed=$(jq -c 'select(.verdict == "ok")' "$FAULTS_RESULTS")
  printf '%s' "${passed:+$passed$'\n'}" >"$FAULTS_RESULTS"
  jq -r '"\(.name) 1 0 0"' "$FAULTS_RESULTS" >"$TEST_LOGS/results"
  say "$(test_total 2) scenarios passed before"
}

# Of a campaign that was gone on with, the last part says nothing of the whole.
faults_extent() {
  if [ -n "$FAULTS_PART" ]; then
    echo ", part $FAULTS_PART"
  elif [ -n "$FAULTS_RESUMES" ]; then
    echo ', in parts'
  elif [ -n "$FAULTS_PATTERN" ]; then
    echo ", only \`$FAULTS_PATTERN\`"
  fi
}

# Whether it is only a look, not a campaign or one's part.
faults_is_look() {
  [ -n "$FAULTS_SHORT$FAULTS_ONLY_SWARM$FAULTS_PATTERN" ]
}

# faults_folders: where logs, results, report and drawings are, of a campaign or of a look.
faults_folders() {
  TEST_LOGS=$ROOT/build/campaign
  FAULTS_REPORT=$ROOT/build/reports/faults.md
  if faults_is_look; then
    TEST_LOGS=$ROOT/build/faults-part
    FAULTS_REPORT=$TEST_LOGS/faults.md
  fi
  FAULTS_REPORTS=${FAULTS_REPORT%.md}
  FAULTS_RESULTS=$TEST_LOGS/results.jsonl
  rm -f "$FAULTS_REPORT"
  [ -n "$FAULTS_RESUMES" ] || rm -rf "$TEST_LOGS" "$FAULTS_REPORTS"
  mkdir -p "$TEST_LOGS" "$FAULTS_REPORTS"
  touch "$FAULTS_RESULTS"
  : >"$TEST_LOGS/results"
}

# What stands at the head of the report: where and with what it was measured.
faults_circumstances() {
  local version
  # shellcheck disable=SC1091
  . "$TEST_RUN/lane1/postgres.env"
  version=$(psql -X -q -A -t -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -c 'SHOW server_version')
  cat <<CIRCUMSTANCES
- $(date -u +%Y-%m-%d), seed $(jq -r -s 'map(.seed) | unique | join(", ")' "$FAULTS_RESULTS")${FAULTS_SHORT:+, shortened as within \`./dev test\`}$(faults_extent)$([ "$LANES" = 1 ] || echo ", $LANES scenarios at a time")
- cdc-relay $(jq -r -s 'group_by(.revision) | if length == 1 then .[0][0].revision else map("\(.[0].revision) (\(length) scenarios)") | join(", ") end' "$FAULTS_RESULTS"), PostgreSQL ${version%% *}, Apache Kafka $(kafka_version), librdkafka $(pkg-config --modversion rdkafka)
- $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r | cut -d - -f 1)
CIRCUMSTANCES
}

# Whether a scenario that is wanted needs the build with crash points.
faults_wants_build() {
  local file plugin ids
  while read -r file plugin ids; do
    if [ "$file" != simulator ] && [ "$(faults_header "$file" build)" = faults ] && faults_is_wanted "$(basename "$file" .sh)/$plugin" "$ids"; then
      return 0
    fi
  done < <(faults_runs)
  return 1
}

faults_report() {
  local gaps=$1
  {
    echo '# Faults'
    echo
    faults_circumstances
    echo
    jq -r -s --rawfile rows <(faults_rows) --arg gaps "$gaps" --arg partial "${FAULTS_PART:+yes}${FAULTS_PATTERN:+yes}${FAULTS_ONLY_SWARM:+yes}" -f "$ROOT/tests/dev/faults_report.jq" "$FAULTS_RESULTS"
  } >"$FAULTS_REPORT"
}

# The drawings of single scenarios are not kept with the sources; that of the random faults is.
faults_publish() {
  local drawing=faults/swarm.pgoutput.svg
  awk -v kept="]($drawing)" '
    /^# Faults$/ { print "# The last campaign\n\nWritten by `./dev faults --publish`; what is judged, and how, is in [proof.md](proof.md)."; next }
    /^!\[/ { if (index($0, kept)) { sub(/\]\(.*/, "](campaign.svg)"); print; print "" } skip = 1; next }
    skip && $0 == "" { skip = 0; next }
    { print }' "$FAULTS_REPORT" >"$ROOT/docs/campaign.md"
  cp "${FAULTS_REPORT%/*}/$drawing" "$ROOT/docs/campaign.svg"
  say 'written to docs/campaign.md'
}

faults_ends() {
  local code=$?
  trap - EXIT
  [ ! -s "$FAULTS_RESULTS" ] || [ -e "$FAULTS_REPORT" ] || faults_report '' || true
  lanes_end
  [ -n "$(test_failures)" ] || rm -rf "$TEST_RUN"
  exit $code
}

faults_arguments() {
  FAULTS_SEED=$((RANDOM * 32768 + RANDOM))
  FAULTS_MINUTES=''
  FAULTS_SHORT=${FAULTS_SHORT:-}
  while [ $# != 0 ]; do
    case $1 in
      --seed | --minutes)
        [[ ${2:-} =~ ^[0-9]{1,9}$ ]] || usage_error "faults: $1 needs a number"
        [ "$1" = --seed ] && FAULTS_SEED=$2 || FAULTS_MINUTES=$2
        shift
        ;;
      --part)
        if ! [[ ${2:-} =~ ^([1-9][0-9]?)/([1-9][0-9]?)$ ]] || [ "${BASH_REMATCH[1]}" -gt "${BASH_REMATCH[2]}" ]; then
          usage_error 'faults: --part needs K/N, K not above N'
        fi
        FAULTS_PART=$2
        shift
        ;;
      --lanes)
        [[ ${2:-} =~ ^[1-9]$ ]] || usage_error 'faults: --lanes needs a number from 1 to 9'
        LANES=$2
        shift
        ;;
      --short) FAULTS_SHORT=1 ;;
      --swarm) FAULTS_ONLY_SWARM=1 ;;
      --publish) FAULTS_PUBLISH=1 ;;
      --resume) FAULTS_RESUMES=1 ;;
      --list)
        faults_list
        faults_gaps >&2
        [ -z "$(faults_gaps)" ] && exit 0 || exit 1
        ;;
      -h | --help)
        faults_usage
        exit 0
        ;;
      -*) usage_error "faults knows no $1" ;;
      *)
        [ -z "$FAULTS_PATTERN" ] || usage_error "faults takes one pattern, and not both $FAULTS_PATTERN and $1"
        FAULTS_PATTERN=$1
        ;;
    esac
    shift
  done
  if faults_is_look && [ -n "$FAULTS_RESUMES$FAULTS_PART" ]; then
    usage_error 'faults: --resume and --part are for a campaign, not for a pattern, --short or --swarm'
  fi
  if [ -n "$FAULTS_PUBLISH" ] && { faults_is_look || [ -n "$FAULTS_PART" ]; }; then
    usage_error 'faults: --publish is for a whole campaign; its parts are put together by --resume'
  fi
  FAULTS_MINUTES=${FAULTS_MINUTES:-$([ -n "$FAULTS_ONLY_SWARM" ] && echo 3 || echo 30)}
}

dev_faults() {
  local began=$SECONDS file plugin ids gaps='' name position=0
  faults_arguments "$@"
  dev_setup quiet
  kafka_is_installed || {
    say 'faults needs a real Apache Kafka, and its jars could not be fetched; see ./dev setup'
    exit 1
  }
  faults_folders
  FAULTS_REVISION=$(revision)
  [ -z "$FAULTS_RESUMES" ] || faults_keep_passed
  run_new faults
  TEST_RUN=$RUN
  export ROOT
  trap faults_ends EXIT
  trap 'exit 130' INT TERM
  build_variant dev
  ! faults_wants_build || build_variant faults "${FAULTS_TARGETS[@]}"
  say "starting PostgreSQL and Kafka; seed $FAULTS_SEED"
  while read -r file plugin ids; do
    name=$(basename "$file" .sh)/$plugin
    if faults_is_in_part $((position++)) && faults_is_wanted "$name" "$ids" && ! faults_has_passed "${name%/-}"; then
      echo "$(faults_seconds "$file") $file $plugin $ids"
    fi
  done < <(faults_runs) | sort -s -n -r -k 1,1 | cut -d ' ' -f 2- >"$TEST_RUN/jobs"
  lanes_begin
  lanes_ready kafka
  lanes_run faults_job
  test_count_left
  # A part of the scenarios says nothing of rows.
  [ -n "$FAULTS_PART$FAULTS_PATTERN$FAULTS_ONLY_SWARM" ] || gaps=$(faults_gaps)
  faults_report "$gaps"
  [ -z "$FAULTS_PUBLISH" ] || faults_publish
  echo
  [ -z "$gaps" ] || echo "$gaps"
  test_tell_failures "${TEST_LOGS#"$ROOT"/}"
  sed -n '/^## Totals/,/^## /p' "$FAULTS_REPORT" | grep '^| ' | sed '1d; s/^| *//; s/ *|$//; s/ *| */: /' || true
  say "$((SECONDS - began)) s; the report is ${FAULTS_REPORT#"$ROOT"/}"
  test_is_good && [ -z "$gaps" ]
}
