# shellcheck shell=bash
# lanes.sh - runs scenarios side by side: a lane takes the next one of a list as soon as it has ended the last, and has servers of its own, since roles, settings
# and what a scenario kills are a whole server's. Most scenarios wait most of the time, so that two lanes keep two cores busy.
#
# Needs TEST_RUN (the folder of the whole run), and processes.sh and servers.sh. A lane's servers are known in $TEST_RUN/laneN, which is RUN for what starts them and
# SERVERS for a scenario.

LANES=1
LANE_PIDS=()
LANE_CHILD=''
LANE_FOLDER=''
LANES_LEFT=''

# lane_in N COMMAND...: what starts or awaits servers of that lane, in this shell. RUN is the lane's folder for the command alone; the ports stay the lane's until they are set again.
lane_in() {
  local RUN=$TEST_RUN/lane$1
  mkdir -p "$RUN"
  lane_ports "$1"
  "${@:2}"
}

# lane_ports N: so that no lane takes a port that another one has been given and does not listen on yet.
lane_ports() {
  export PORT_COUNT=$((15000 / LANES))
  export PORT_FIRST=$((15000 + ($1 - 1) * PORT_COUNT))
}

# lanes_begin: asks each lane for its Kafka, which needs some seconds; lanes_ready BROKER: its PostgreSQL, and waits for both. BROKER: kafka, embedded, or none.
lanes_begin() {
  local lane
  for ((lane = 1; lane <= LANES; lane++)); do
    lane_in $lane kafka_init kafka
    lane_in $lane kafka_launch kafka
  done
}

lanes_ready() {
  local lane
  for ((lane = 1; lane <= LANES; lane++)); do
    lane_in $lane postgres_start postgres
    case $1 in
      embedded) lane_in $lane embedded_broker_start embedded ;;
      kafka)
        lane_in $lane kafka_await kafka
        lane_in $lane kafka_warm_up
        ;;
    esac
  done
}

# lane_next: prints the first line of $TEST_RUN/jobs that no lane has taken, or nothing.
lane_next() {
  local taken
  {
    flock 9
    read -r taken <"$TEST_RUN/jobs.taken"
    echo $((taken + 1)) >"$TEST_RUN/jobs.taken"
  } 9>"$TEST_RUN/jobs.lock"
  sed -n "$((taken + 1))p" "$TEST_RUN/jobs"
}

# One lane's life: RUNNER gets each job's line as its one argument. Nobody takes a job for a run that was killed.
lane_run() {
  local runner=$2 job owner=$3
  trap - EXIT INT
  trap lane_is_ended TERM
  export SERVERS=$TEST_RUN/lane$1
  lane_ports "$1"
  while process_is_alive $$ "$owner" && job=$(lane_next) && [ -n "$job" ]; do
    "$runner" "$job"
    echo "$job" >>"$TEST_RUN/jobs.done"
  done
}

lane_is_ended() {
  if [ -n "$LANE_CHILD" ]; then
    kill "$LANE_CHILD" || true
    wait "$LANE_CHILD" || true
  fi
  [ -z "$LANE_FOLDER" ] || RUN=$LANE_FOLDER processes_stop_all || true
  exit 143
}

# lanes_run RUNNER: the lines of $TEST_RUN/jobs, each once. What was not done, since a lane fell over an error in RUNNER, is counted as a failure by the caller, who finds it in
# LANES_LEFT. Not to be called where `set -e` is off: behind `||`, in a condition.
lanes_run() {
  local lane owner
  owner=$(process_started $$)
  echo 0 >"$TEST_RUN/jobs.taken"
  : >"$TEST_RUN/jobs.done"
  for ((lane = 1; lane <= LANES; lane++)); do
    lane_run $lane "$1" "$owner" &
    LANE_PIDS+=($!)
  done
  for lane in "${LANE_PIDS[@]}"; do
    wait "$lane" || echo "dev: a lane of scenarios ended with code $?" >&2
  done
  LANE_PIDS=()
  # shellcheck disable=SC2034 # test_count_left
  LANES_LEFT=$(sort "$TEST_RUN/jobs" | comm -23 - <(sort "$TEST_RUN/jobs.done") | cut -d ' ' -f 1)
}

# Ends lanes that still run, and all servers. For an EXIT trap; who asks once more for the end gets no other one.
lanes_end() {
  local lane
  trap '' INT TERM
  for lane in "${LANE_PIDS[@]}"; do
    kill "$lane" 2>/dev/null || true
  done
  for lane in "${LANE_PIDS[@]}"; do
    wait "$lane" || true
  done
  for ((lane = 1; lane <= LANES; lane++)); do
    RUN=$TEST_RUN/lane$lane processes_stop_all
    rm -rf "$TEST_RUN/lane$lane"/*.data
  done
}

# lane_scenario FOLDER LOG SECONDS COMMAND...: in a folder of its own, with nothing of it left running. Returns its exit code.
lane_scenario() {
  local log=$2 seconds=$3 rc=0
  LANE_FOLDER=$1
  shift 3
  mkdir -p "$LANE_FOLDER"
  # In the background, so that a lane that is told to end does so at once.
  RUN=$LANE_FOLDER timeout -k 60 "$seconds" "$@" >"$log" 2>&1 </dev/null 8>&- &
  LANE_CHILD=$!
  wait $LANE_CHILD || rc=$?
  LANE_CHILD=''
  RUN=$LANE_FOLDER processes_stop_all >>"$log" 2>&1
  LANE_FOLDER=''
  return $rc
}

# lane_alone WHAT COMMAND...: no other lane does anything under that name meanwhile.
lane_alone() {
  {
    flock 8
    "${@:2}"
  } 8>"$TEST_RUN/$1.lock"
}
