# shellcheck shell=bash disable=SC2154
# campaign.sh - the words of a scenario that injects faults under load; read after tests/e2e/harness.sh, whose words all are there too. README.md of this folder has
# the contract. A scenario usually goes:
#
#   watch_start; relay_init; relay_start; load_start ...      topics are made by whichever of watch_start and load_start comes first
#   fault_begins KIND; ...; fault_ends KIND                   as often as it likes
#   settle; verdict
#
# Scenarios of tests/services have its words for chance, marks and figures; what they write and read is their own.
#
# Given by the runner besides harness.sh's variables: FAULTS_SEED, and FAULTS_SHORT=1 within `./dev test`. Left in $RUN for the report: faults.jsonl (the marks),
# figures.tsv (the figures), verdict.json and unseen.svg.
#
# What the load is, before the first of watch_start and load_start:
#   LOAD_TYPES=(a b)      values of aggregatetype, $T alone by default; their topics are outbox.event.<type>
#   LOAD_PARTITIONS=N     of each topic, 3
#   WATCH_KAFKA=HOST:PORT where the reader finds the broker; $KAFKA_DIRECT with own_kafka, else $KAFKA, by default
#   LOAD_CONNINFO, WATCH_CONNINFO   where writer and sampler find PostgreSQL, the socket by default

FAULTS=$BUILD/tests/faults
[ -x "$FAULTS/history_check" ] || FAULTS=$ROOT/build/dev/tests/faults
FAULTS_SEED=${FAULTS_SEED:-1}
LOAD_PARTITIONS=${LOAD_PARTITIONS:-3}
LOADS=0
LOADS_RUNNING=() # number, id and start of each
WATCH_TOPICS=()
WATCH_PIDS=()
# README's window, for scenarios in which Kafka is well: what is in flight, and what Kafka has had for no longer than delivery.confirm_interval_ms, a tenth of a second. The
# rest of this second is for a machine that has other things to do.
WINDOW_MS=1000
echo "seed $FAULTS_SEED"

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Chance

# random N: prints 0 to N-1, by the seed. Its state is a file, so that $(random N) goes on where the one before ended.
random() {
  local state
  if ! { read -r state <"$RUN/random.state"; } 2>/dev/null; then
    state=$((FAULTS_SEED * 2654435761 + 1013904223))
    state=$((state * 6364136223846793005 + 1442695040888963407))
  fi
  state=$((state * 6364136223846793005 + 1442695040888963407))
  echo "$state" >"$RUN/random.state"
  echo $((((state >> 33) & 0x3fffffff) % $1))
}

# shuffled WORD...: prints them in an order drawn by the seed, blanks between.
shuffled() {
  local words=("$@") i j word
  for ((i = ${#words[@]} - 1; i > 0; i--)); do
    j=$(random $((i + 1)))
    word=${words[i]}
    words[i]=${words[j]}
    words[j]=$word
  done
  echo "${words[*]}"
}

# some_time LEAST_MS MOST_MS: lets a random time pass, in which nothing is waited for: the moment of a fault.
some_time() {
  local ms
  ms=$(($1 + $(random $(($2 - $1 + 1)))))
  sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}

# some_life NUMBER: the time that a relay lives before fault NUMBER (from 1) ends it or its session. Mostly short, so that faults come before it has confirmed anything; the
# first one, and now and then another, so long that what should have been confirmed meanwhile, and is not, lies outside of the window.
some_life() {
  if [ $(($1 % 20)) = 1 ]; then
    some_time $((WINDOW_MS * $(times 1 2) + 300)) $((WINDOW_MS * $(times 1 2) + 700))
  else
    some_time 50 600
  fi
}

# times SHORT FULL: prints how often, within `./dev test` and in a campaign.
times() {
  [ -n "${FAULTS_SHORT:-}" ] && echo "$1" || echo "$2"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Load

load_conninfo() {
  echo "${LOAD_CONNINFO:-host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB}"
}

# Once: the topics, which say when the broker appended a record.
load_topics() {
  local type
  [ ${#WATCH_TOPICS[@]} = 0 ] || return 0
  [ -n "${LOAD_TYPES+set}" ] || LOAD_TYPES=("$T")
  for type in "${LOAD_TYPES[@]}"; do
    topic_create "outbox.event.$type" "$LOAD_PARTITIONS" message.timestamp.type=LogAppendTime
    WATCH_TOPICS+=("outbox.event.$type")
  done
}

# load_start [OPTION...]: fault_writer in the background; may be called again for a second one beside it.
load_start() {
  local types
  load_topics
  types=$(IFS=, && echo "${LOAD_TYPES[*]}")
  loads_reap
  LOADS=$((LOADS + 1))
  process_spawn "load.$LOADS" TERM "$FAULTS/fault_writer" --output "$RUN/writer.jsonl" --topics "$types" --seed $((FAULTS_SEED * 100 + LOADS)) "$@" "$(load_conninfo)"
  LOADS_RUNNING+=("$LOADS $process_pid $(process_started "$process_pid")")
}

# campaign_ended_well WHAT PID: takes the exit code of a program that has ended.
campaign_ended_well() {
  local code=0
  wait "$2" || code=$?
  [ $code = 0 ] || fail "$1 ended with $code: $(tail -n 3 "$RUN/$1.log")"
}

# campaign_ends_well WHAT PID SECONDS: waits for the end of a program that was asked to end.
campaign_ends_well() {
  local what=$1 pid=$2 deadline=$((SECONDS + $3))
  while kill -0 "$pid" 2>/dev/null; do
    [ $SECONDS -le $deadline ] || fail "$what did not end within $3 s"
    sleep 0.05
  done
  campaign_ended_well "$what" "$pid"
}

# Takes the exit codes of loads that have reached their own limits: soon, since in a long scenario their ids are given out again.
loads_reap() {
  local load number pid started
  local -a running=()
  for load in "${LOADS_RUNNING[@]}"; do
    read -r number pid started <<<"$load"
    if process_is_alive "$pid" "$started"; then
      running+=("$load")
    else
      campaign_ended_well "load.$number" "$pid"
    fi
  done
  LOADS_RUNNING=("${running[@]}")
}

# load_stop: lets the transactions end. A load that has reached its own limit is stopped already.
load_stop() {
  local load number pid started
  loads_reap
  for load in "${LOADS_RUNNING[@]}"; do
    read -r number pid started <<<"$load"
    kill -TERM "$pid" 2>/dev/null || true
  done
  load_ends 30
}

# load_ends [SECONDS]: waits until all loads have reached their own limits (--seconds, --transactions).
load_ends() {
  local deadline=$((SECONDS + ${1:-120}))
  loads_reap
  while [ ${#LOADS_RUNNING[@]} != 0 ]; do
    [ $SECONDS -le $deadline ] || fail "load.${LOADS_RUNNING[0]%% *} did not end within ${1:-120} s"
    sleep 0.05
    loads_reap
  done
}

# load_committed: prints how many answers to COMMIT there were so far. load_has_committed TRANSACTIONS: so many, for await.
load_committed() {
  grep -c '"op":"commit"' "$RUN/writer.jsonl" 2>/dev/null || true
}

load_has_committed() {
  [ "$(load_committed)" -ge "$1" ]
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Watching

# watch_start [TOPIC...]: reader (of the load's topics and those) and sampler.
watch_start() {
  load_topics
  process_spawn reader TERM "$FAULTS/fault_reader" --output "$RUN/reader.jsonl" "${WATCH_KAFKA:-${KAFKA_DIRECT:-$KAFKA}}" "${WATCH_TOPICS[@]}" "$@"
  WATCH_PIDS=("$process_pid")
  process_spawn sampler TERM "$FAULTS/fault_sampler" --output "$RUN/sampler.jsonl" "${WATCH_CONNINFO:-$(load_conninfo)}" "$SLOT"
  WATCH_PIDS+=("$process_pid")
}

watch_stop() {
  [ ${#WATCH_PIDS[@]} != 0 ] || return 0
  kill -TERM "${WATCH_PIDS[@]}" 2>/dev/null || true
  campaign_ends_well reader "${WATCH_PIDS[0]}" 60
  campaign_ends_well sampler "${WATCH_PIDS[1]}" 20
  WATCH_PIDS=()
}

watch_count() {
  [ ! -e "$RUN/reader.jsonl" ] || grep -c '"op":"caught_up"' "$RUN/reader.jsonl" || true
}

watch_has_caught_up() {
  [ "$(watch_count)" -gt "$1" ]
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Faults and what came of them

# fault_mark KIND PHASE
fault_mark() {
  printf '{"t":%s,"op":"fault","kind":"%s","phase":"%s"}\n' "${EPOCHREALTIME//[.,]/}" "$1" "$2" >>"$RUN/faults.jsonl"
}

# fault_begins KIND: right before it is injected. A fault of one moment needs no end.
fault_begins() {
  fault_mark "$1" begin
}

# fault_ends KIND [HITS]: HITS, of whatever it hits, where it may hit nothing. With 0 it was going on and did not happen: it is not counted.
fault_ends() {
  [[ ${2-1} =~ ^[0-9]+$ ]] || fail "fault $1 hit: '$2'"
  fault_mark "$1" "$([ "${2-1}" -gt 0 ] && echo end || echo missed)"
}

# figure NAME VALUE UNIT: a line of the report.
figure() {
  printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >>"$RUN/figures.tsv"
  echo "figure: $1 $2 ${3:-}"
}

# seconds_since EPOCHREALTIME-THEN
seconds_since() {
  awk -v began="${1//[.,]/}" -v now="${EPOCHREALTIME//[.,]/}" 'BEGIN { printf "%.3f", (now - began) / 1e6 }'
}

# stream_goes_on WHAT [SECONDS]: ten transactions of the load that are committed from here on are confirmed, within so many seconds, 60 by default. What was committed before may have
# been confirmed before, too, and would say nothing of what has happened since.
stream_goes_on() {
  local committed pending
  committed=$(load_committed)
  await "transactions after: $1" 30 load_has_committed $((committed + 10))
  pending=$(wal_end)
  await "confirmation after: $1" "${2:-60}" slot_has_confirmed "$pending"
}

recovery_begins() {
  RECOVERY_BEGAN=$EPOCHREALTIME
}

# wal_mark: commits something that concerns nobody, and prints the end of WAL behind it: no relay can have confirmed that before.
wal_mark() {
  pg_in postgres "SELECT pg_logical_emit_message(true, 'mark', '')" "SELECT pg_current_wal_lsn()" | tail -n 1
}

# recovery_ends NAME [SECONDS]: waits until what was committed a second ago has been confirmed; the time since recovery_begins is the figure NAME.
recovery_ends() {
  local lsn='' asked now seconds=${2:-$(times 40 120)} deadline
  deadline=$((SECONDS + seconds))
  while true; do
    [ $SECONDS -le $deadline ] || fail "the lag was not below a second within $seconds s after the fault"
    asked=${EPOCHREALTIME//[.,]/}
    if ! lsn=$(wal_mark 2>/dev/null) || ! wait_until "$seconds" slot_has_confirmed "$lsn" 2>/dev/null; then
      sleep 0.05
      continue
    fi
    now=${EPOCHREALTIME//[.,]/}
    [ $((now - asked)) -ge 1000000 ] || break
  done
  figure "$1" "$(awk "BEGIN { printf \"%.2f\", ($now - ${RECOVERY_BEGAN//[.,]/}) / 1e6 }")" s
}

# settle [SECONDS]: ends the load and waits until all that was committed is confirmed and the reader has come to the end.
settle() {
  local seconds=${1:-60} lsn before
  load_stop
  lsn=$(wal_end)
  await "confirmation of all that was committed ($lsn)" "$seconds" slot_has_confirmed "$lsn"
  before=$(watch_count)
  kill -USR1 "${WATCH_PIDS[0]}"
  await "the reader at the end of the topics" 60 watch_has_caught_up "${before:-0}"
}

# verdict [OPTION...]: ends load, reader and sampler, and has the history judged; the options are history_check's. The scenario fails with the verdict. With dead letters it
# has their figures as well: how many there are, and how many other rows had to suffer for theirs (lost, a dead letter, out of order). A scenario may go on behind it, by
# watch_start and load_start: its next verdict is one on the whole history, and its options are those of all that happened. How many repetitions each of them has added is
# in `repeated` of verdict.json, by what bounds them: the window, or only what had been confirmed, or neither.
verdict() {
  local code=0 files=() file bound=neither repeated='{"window":0,"confirmed":0,"neither":0}'
  [[ " $* " != *' --only-unconfirmed '* ]] || bound=confirmed
  [[ " $* " != *' --window '* ]] || bound=window
  [ ! -s "$RUN/verdict.json" ] || repeated=$(jq -c .repeated "$RUN/verdict.json")
  load_stop
  watch_stop
  rm -f "$RUN/rows.jsonl" # of a verdict before this one
  "$FAULTS/fault_writer" --resolve --output "$RUN/rows.jsonl" "$(load_conninfo)" || fail "the table's rows could not be listed"
  for file in writer reader sampler faults rows; do
    [ ! -e "$RUN/$file.jsonl" ] || files+=("$RUN/$file.jsonl")
  done
  "$FAULTS/history_check" --json --svg "$RUN/unseen.svg" --title "$SCENARIO ($PLUGIN)" "$@" "${files[@]}" >"$RUN/verdict.json" 2>"$RUN/verdict.txt" || code=$?
  cat "$RUN/verdict.txt"
  if [ $code -le 1 ]; then
    jq -c --arg bound "$bound" --argjson before "$repeated" '.repeated = (.duplicates as $all | $before | .[$bound] += $all - add)' "$RUN/verdict.json" >"$RUN/verdict.new"
    mv "$RUN/verdict.new" "$RUN/verdict.json"
  fi
  jq -r '"\(.events) events, \(.records) records, \(.faults) faults, \(.duplicates) repeated (p50 \(.duplicates_per_fault_p50), max \(.duplicates_per_fault_max) a fault), recovery p50 \(.recovery_p50_s) s, max \(.recovery_max_s) s"' "$RUN/verdict.json" 2>/dev/null || true
  if [ $code -le 1 ] && [[ " $* " == *' --dead-letters '* ]]; then
    figure 'rows to be refused' "$(jq .poison "$RUN/verdict.json")" rows
    figure 'dead letters' "$(jq .dead_letters "$RUN/verdict.json")" records
    figure 'collateral records' "$(jq .collateral "$RUN/verdict.json")" records
  fi
  case $code in
    0) ;;
    1) fail "the history breaks a guarantee" ;;
    *) fail "the history could not be judged" ;;
  esac
}

# relay_kill [NAME]: SIGKILL, and waits for its end.
relay_kill() {
  kill -KILL "${RELAY_PID[${1:-relay}]}" 2>/dev/null || true
  relay_ends "${1:-relay}" 20
}

# own_kafka, proxy_start, proxy_say
if [ -e "$ROOT/tests/faults/proxy.sh" ]; then
  # shellcheck disable=SC1091
  . "$ROOT/tests/faults/proxy.sh"
fi
