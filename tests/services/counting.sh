# shellcheck shell=bash disable=SC2154
# counting.sh - for scenarios of the consumers' runtime: tests/e2e/harness.sh, the tables of counting_consumer.c, and words to start, ask and end several of it.
#
#   topics_new 3                 $T of that many partitions, $T.dlq, $T.bytes and its .dlq
#   produce <<<'key|{"eventId": "e-1", "eventType": "Made", "n": 1}'
#   consumer_start one [NAME=VALUE...]
#   await 'all counted' 20 counted_are 1
#
# Ids and types stand in the bodies, as old publishers have them, so that one kcat sends many; scenarios that want headers send one by one.
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

T=$T.$RANDOM
COUNTING_GROUP=$T
declare -A CONSUMER_PID CONSUMER_PORT CONSUMER_LOG

counting_tables() {
  pg_read <"$ROOT/sql/inbox.sql" >"$RUN/inbox.log" 2>&1 || fail "sql/inbox.sql: $(cat "$RUN/inbox.log")"
  pg "SELECT inbox_create('public')" \
    "CREATE TABLE counted (seq bigserial, event_id text, n bigint CHECK (n >= 0), topic text, partition integer, \"offset\" bigint, key text, attempt integer)" >/dev/null
}

# The relay's first table is that of the dead letters, to any topic that begins with $T.
relay_carries_letters() {
  relay_set OUTBOX_0_TABLE public.outbox_binary
  relay_set OUTBOX_0_TABLE_FIELD_EVENT_ID event_id
  relay_set OUTBOX_0_TABLE_FIELDS_ADDITIONAL_PLACEMENT partition:partition
  # shellcheck disable=SC2016
  relay_set OUTBOX_0_ROUTE_TOPIC_REPLACEMENT '${routedByValue}'
  relay_set OUTBOX_0_ROUTE_TOPIC_ALLOW "$T.*"
}

topics_new() {
  topic_create "$T" "$1"
  topic_create "$T.dlq" "$1"
  topic_create "$T.bytes" 1
  topic_create "$T.bytes.dlq" 1
}

# produce [KCAT-ARGUMENT...]: lines KEY|VALUE from standard input to $T.
produce() {
  kcat -P -b "$KAFKA" -t "$T" -K '|' -X partitioner=murmur2_random "$@" || fail 'could not produce'
}

# events FROM TO [KEYS]: lines for produce, event e-FROM .. e-TO, keys k0, k1, ... in turn.
events() {
  awk -v from="$1" -v to="$2" -v keys="${3:-7}" 'BEGIN { for (i = from; i <= to; i++) printf "k%d|{\"eventId\":\"e-%d\",\"eventType\":\"Made\",\"n\":%d}\n", i % keys, i, i }'
}

# consumer_launch NAME [VARIABLE=VALUE...]: waits for nothing. CDC_MUTANT and CDC_CRASH_POINT as in tests/e2e/harness.sh. CONSUMER_PROGRAM is counting_consumer, or
# another one of this folder that takes the same variables.
consumer_launch() {
  local name=$1
  shift
  process_spawn "$name" TERM env -i PATH="$PATH" ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer" \
    TSAN_OPTIONS="atexit_sleep_ms=0 log_path=$RUN/sanitizer suppressions=$ROOT/tests/tsan/suppressions" \
    DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB" KAFKA_BOOTSTRAP_SERVERS="$KAFKA" GROUP_ID="$COUNTING_GROUP" HTTP_LISTEN=127.0.0.1:0 \
    COUNTING_TOPIC="$T" KAFKA_SESSION_TIMEOUT_MS=6000 KAFKA_HEARTBEAT_INTERVAL_MS=500 KAFKA_FETCH_WAIT_MAX_MS=50 \
    ${CDC_MUTANT:+CDC_MUTANT="$CDC_MUTANT"} ${CDC_CRASH_POINT:+CDC_CRASH_POINT="$CDC_CRASH_POINT"} "$@" "$BUILD/tests/services/${CONSUMER_PROGRAM:-counting_consumer}"
  CONSUMER_PID[$name]=$process_pid
  CONSUMER_LOG[$name]=$RUN/$name.log
}

# consumer_start NAME [VARIABLE=VALUE...]: waits until it has an assignment, be it empty.
consumer_start() {
  local before
  touch "$RUN/$1.log"
  before=$(consumer_log "$1" 'select(.event == "assigned") | .event' | wc -l)
  consumer_launch "$@"
  await "$1 is assigned" 30 consumer_is_assigned "$1" "$before"
  CONSUMER_PORT[$1]=$(consumer_log "$1" 'select(.event == "http_listening") | .port' | tail -n 1)
}

consumer_is_assigned() {
  [ "$(consumer_log "$1" 'select(.event == "assigned") | .event' | wc -l)" -gt "$2" ]
}

# consumer_log NAME JQ: all its lives' lines.
consumer_log() {
  jq -rR "fromjson? | $2" "$RUN/$1.log"
}

# consumer_has_logged NAME JQ-CONDITION
consumer_has_logged() {
  [ -n "$(consumer_log "$1" "select($2) | .event")" ]
}

consumer_get() {
  curl -sS --max-time 5 "http://127.0.0.1:${CONSUMER_PORT[$1]}$2"
}

consumer_get_status() {
  curl -sS --max-time 5 -o /dev/null -w '%{http_code}' "http://127.0.0.1:${CONSUMER_PORT[$1]}$2"
}

consumer_status_is() {
  [ "$(consumer_get_status "$1" "$2")" = "$3" ]
}

# consumer_metric NAME SERIES: empty where it is not there.
consumer_metric() {
  consumer_get "$1" /metrics | awk -v series="$2" 'index($0, series " ") == 1 { print substr($0, length(series) + 2) }'
}

# consumer_ends NAME [SECONDS]: waits for its end; its exit code is in CONSUMER_EXIT.
consumer_ends() {
  CONSUMER_EXIT=0
  await "$1 ends" "${2:-20}" process_is_gone "${CONSUMER_PID[$1]}"
  wait "${CONSUMER_PID[$1]}" 2>/dev/null || CONSUMER_EXIT=$?
}

# consumer_stop NAME: SIGTERM, and 0 as exit code.
consumer_stop() {
  kill -TERM "${CONSUMER_PID[$1]}"
  consumer_ends "$1"
  assert_eq "exit code of $1 after SIGTERM" 0 "$CONSUMER_EXIT"
}

consumer_kill() {
  kill -KILL "${CONSUMER_PID[$1]}"
  wait "${CONSUMER_PID[$1]}" 2>/dev/null || true
}

process_is_gone() {
  ! kill -0 "$1" 2>/dev/null || [ "$(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null)" = Z ]
}

# counted_are COUNT: so many rows and as many events.
counted_are() {
  [ "$(pg 'SELECT count(*), count(DISTINCT event_id) FROM counted')" = "$1|$1" ]
}

# await_counted COUNT [SECONDS]: each event once; a failure says how many rows there are, and of how many events.
await_counted() {
  wait_until "${2:-60}" counted_are "$1" 2>/dev/null || fail "$1 events, each counted once: after ${2:-60} s there are rows|events $(pg 'SELECT count(*), count(DISTINCT event_id) FROM counted')"
}

dead_letters() {
  pg 'SELECT count(*) FROM outbox_binary'
}

dead_letters_are() {
  [ "$(dead_letters)" = "$1" ]
}

# Rows of one partition in the order of their offsets, whatever the attempts between: prints what is not.
order_is_kept() {
  assert_eq 'rows out of their partition'\''s order' '' \
    "$(pg 'SELECT topic, partition, "offset" FROM (SELECT *, lag("offset") OVER (PARTITION BY topic, partition ORDER BY seq) AS before FROM counted) c WHERE before >= "offset" LIMIT 5')"
}
