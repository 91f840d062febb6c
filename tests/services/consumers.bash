# shellcheck shell=bash disable=SC2154
# consumers.bash - consumers in scenarios; behind harness.sh.
#
#   consumer_start notification-service [VARIABLE=VALUE...]
#   consumer_log notification-service '.event == "attempt_failed"'
#   run_dlq list order.created.v1.dlq --json
#   give TOPIC KEY VALUE [HEADER=VALUE...]

declare -A CONSUMER_PORT CONSUMER_PID CONSUMER_ROLE=([notification-service]=notification_service [d-day-service]=dday_service [member-dead-letters]=member_dead_letters)

# consumer_launch NAME [VARIABLE=VALUE...]: on the port that it had before, in a group of this scenario, with the rights that its system's script gives it; waits for
# nothing.
consumer_launch() {
  local name=$1 role=${CONSUMER_ROLE[$1]}
  shift
  pg "DO \$\$ BEGIN CREATE ROLE ${role}_1 LOGIN IN ROLE $role; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END \$\$"
  CONSUMER_PORT[$name]=${CONSUMER_PORT[$name]:-$(port_new)}
  process_spawn "$name" TERM env -i PATH="$PATH" HOME="$RUN" ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer" \
    TSAN_OPTIONS="atexit_sleep_ms=0 log_path=$RUN/sanitizer suppressions=$ROOT/tests/tsan/suppressions" \
    DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=${role}_1 dbname=$DB" HTTP_LISTEN="127.0.0.1:${CONSUMER_PORT[$name]}" KAFKA_BOOTSTRAP_SERVERS="$KAFKA" \
    GROUP_ID="$MINE-$name" LOG_LEVEL=debug ${CDC_MUTANT:+CDC_MUTANT="$CDC_MUTANT"} "$@" "$BUILD/consumers/$name"
  CONSUMER_PID[$name]=$process_pid
}

# consumer_start NAME [VARIABLE=VALUE...]: waits until it is ready, which is when it has its partitions.
consumer_start() {
  consumer_launch "$@"
  await "$1" 30 consumer_is_ready "$1"
}

consumer_is_ready() {
  curl -sf --max-time 5 -o /dev/null "http://127.0.0.1:${CONSUMER_PORT[$1]}/readyz"
}

# consumer_stop NAME: SIGTERM must end it with 0.
consumer_stop() {
  local code=0
  kill -s TERM "${CONSUMER_PID[$1]}"
  wait "${CONSUMER_PID[$1]}" || code=$?
  assert_eq "exit code of $1 after SIGTERM" 0 "$code"
}

consumer_kill() {
  kill -s KILL "${CONSUMER_PID[$1]}"
  wait "${CONSUMER_PID[$1]}" 2>/dev/null || true
}

# consumer_log NAME JQ-CONDITION: the lines that it is true of, of all its processes.
consumer_log() {
  jq -cR "fromjson? | select($2)" "$RUN/$1.log"
}

# consumer_has_logged NAME JQ-CONDITION [COUNT]
consumer_has_logged() {
  [ "$(consumer_log "$1" "$2" | wc -l)" -ge "${3:-1}" ]
}

# consumer_metric NAME SERIES: the value of one series, exactly as it stands in /metrics; 0 when it is not there.
consumer_metric() {
  curl -sS --max-time 5 "http://127.0.0.1:${CONSUMER_PORT[$1]}/metrics" | awk -v series="$2" 'index($0, series " ") == 1 { value = substr($0, length(series) + 2) } END { print value + 0 }'
}

# run_dlq ARGUMENT...: in $RUN/dlq.out and .err, or those of DLQ_WORDS; returns its exit code. What it remembers is this scenario's, or DLQ_MEMORY's.
run_dlq() {
  env -i PATH="$PATH" HOME="$RUN" ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer" KAFKA_BOOTSTRAP_SERVERS="$KAFKA" \
    TSAN_OPTIONS="atexit_sleep_ms=0 log_path=$RUN/sanitizer suppressions=$ROOT/tests/tsan/suppressions" \
    DLQ_GROUP="${DLQ_MEMORY:-$MINE-dlq}" DLQ_MEMORY_HOURS="${DLQ_MEMORY_HOURS:-}" timeout 120 "$BUILD/consumers/dlq" "$@" \
    >"$RUN/${DLQ_WORDS:-dlq}.out" 2>"$RUN/${DLQ_WORDS:-dlq}.err" </dev/null
}

# give TOPIC KEY VALUE [HEADER=VALUE...]: one record, by a publisher that is none of ours.
give() {
  local topic=$1 key=$2 value=$3 header arguments=()
  shift 3
  for header in "$@"; do
    arguments+=(-H "$header")
  done
  printf '%s' "$value" >"$RUN/give.value"
  timeout 30 kcat -P -b "$KAFKA" -t "$topic" -k "$key" -X topic.partitioner=murmur2_random "${arguments[@]}" "$RUN/give.value" || fail "could not give a record to $topic"
}

# with_id TOPIC EVENT-ID: the records that have this header, as {partition, offset, key, headers, value}; a header's bytes that are no text do not matter here.
with_id() {
  timeout 60 kcat -C -b "$KAFKA" -q -e -J -o beginning -X fetch.wait.max.ms=10 -t "$1" | jq -cR --arg id "$2" 'fromjson? | . as $r
    | ([range(0; (.headers // []) | length; 2) | {key: $r.headers[.], value: $r.headers[. + 1]}] | from_entries) as $headers
    | select($headers.id == $id) | {partition, offset, key, $headers, value: .payload}'
}

# has_with_id TOPIC EVENT-ID COUNT
has_with_id() {
  [ "$(with_id "$1" "$2" | wc -l)" -ge "$3" ]
}

# sql_is EXPECTED SQL: for await.
sql_is() {
  [ "$(pg "$2")" = "$1" ]
}
