# shellcheck shell=bash disable=SC2154
# harness.sh - what every scenario in this folder begins with. A scenario is one file: a story in its header, a line `# tags: ...`, then this file, then plain
# commands; it passes when it ends with 0. `./dev test NAME` runs it once with each plugin.
#
# Given by the runner:   ROOT, RUN (a folder for this run alone), SERVERS (where the shared servers' .env files are), PLUGIN, BUILD (build/dev or build/asan),
#                        BROKER (kafka or embedded)
# Made here:             a database of its own, with sql/outbox.sql and sql/roles.sql, in $DB; topics begin with outbox.event.$T, so that scenarios do not meet
# Taken away at the end: all processes that it started, its slots, its database
#
# Words: a record as read back is one line KEY|VALUE|HEADERS. Assertions say what was expected and what came. Nothing here waits a fixed time for something to
# happen: wait_until and await_records return as soon as it has.
#
# A scenario that stops or changes its server sets POSTGRES=own before this file, OWN_POSTGRES to an array of lines for its postgresql.conf, and
# where it must do more before the start, OWN_POSTGRES_PREPARES to a function; one that needs a broker that it can take down calls own_broker afterwards.
#
# May be given:          CDC_MUTANT=NAME, CDC_CRASH_POINT=NAME:n, CDC_PAUSE_POINT=NAME:n (only programs of build/faults know them; see cdc-relay/lib/fault_point.h) and RELAY_UNDER, words
#                        that are put before the relay's program: ./dev test --valgrind
#
# Tags: quick (also in `test --quick`), asan (once more with the sanitizers' build), real-kafka (never on the embedded broker), slow (up to 180 s).
set -euo pipefail
: "${ROOT:?run me by ./dev test NAME}" "${RUN:?}" "${SERVERS:?}" "${PLUGIN:?}" "${BUILD:?}" "${BROKER:?}"

# shellcheck source=tests/dev/processes.sh
. "$ROOT/tests/dev/processes.sh"
# shellcheck source=tests/dev/servers.sh
. "$ROOT/tests/dev/servers.sh"

SCENARIO=$(basename "$0" .sh)
T=$SCENARIO-$PLUGIN-${BUILD##*/}${CDC_MUTANT:+-$CDC_MUTANT} # for topics
DB=e2e_${SCENARIO}_${PLUGIN} # for PostgreSQL
SLOT=${DB}_outbox            # the relay's default, as is the publication's name

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Verdicts

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# assert_eq WHAT EXPECTED ACTUAL
assert_eq() {
  [ "$2" = "$3" ] || fail "$1"$'\n'"  expected: $2"$'\n'"  actual:   $3"
}

# assert_match WHAT EXTENDED-REGEX ACTUAL
assert_match() {
  [[ $3 =~ $2 ]] || fail "$1"$'\n'"  expected: $2 (a regular expression)"$'\n'"  actual:   $3"
}

# assert_number WHAT ACTUAL OPERATOR EXPECTED, with decimals: assert_number 'seconds of shutdown' 0.31 '<=' 2. What is no number, such as the nothing that a file that is not
# there gave, fails: to awk it would be a word, which comes before all numbers.
assert_number() {
  local number='^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$'
  { [[ $2 =~ $number ]] && [[ $4 =~ $number ]] && awk -v a="$2" -v b="$4" "BEGIN { exit !(a $3 b) }"; } || fail "$1"$'\n'"  expected: $3 $4"$'\n'"  actual:   $2"
}

# assert_same_file WHAT EXPECTED-FILE ACTUAL-FILE, byte for byte
assert_same_file() {
  cmp "$2" "$3" >"$RUN/cmp.out" 2>&1 || fail "$1: $(cat "$RUN/cmp.out")"$'\n'"$(diff -a "$2" "$3" | cut -c 1-200 | head -n 20)"
}

# patience N: N, or ten times as much where the relay is under memcheck (RELAY_UNDER), for limits that are about its own speed.
patience() {
  local times=1
  [ -z "${RELAY_UNDER:-}" ] || times=10
  echo $(($1 * times))
}

# await WHAT SECONDS COMMAND...
await() {
  local what=$1
  shift
  wait_until "$@" 2>/dev/null || fail "$what: not within $1 s (${*:2})"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# PostgreSQL

# pg SQL...: as superuser in the scenario's database; each argument is one transaction. Prints unaligned.
pg() {
  pg_in "$DB" "$@"
}

pg_in() {
  local database=$1 sql arguments=()
  shift
  for sql in "$@"; do
    arguments+=(-c "$sql")
  done
  psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$database" "${arguments[@]}"
}

# pg_read: SQL from standard input, all of it as psql reads a file.
pg_read() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" -f -
}

# A database with the outbox, on the server that PG_SOCKET and PG_PORT name. The role `relay` is what a user would make by roles.sql.
database_new() {
  pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = '$DB' AND active" \
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '$DB'" "DROP DATABASE IF EXISTS \"$DB\" WITH (FORCE)" >/dev/null 2>&1 ||
    fail "an older database $DB is in use"
  pg_in postgres "CREATE DATABASE \"$DB\"" \
    "DO \$\$ BEGIN CREATE ROLE relay LOGIN REPLICATION PASSWORD 'relay-password-of-tests'; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END \$\$"
  {
    pg_read <"$ROOT/sql/outbox.sql"
    pg_read <"$ROOT/sql/roles.sql"
    pg "GRANT outbox_relay TO relay" "GRANT pg_monitor TO relay"
  } >"$RUN/sql.log" 2>&1 || fail "sql/ could not be applied: $(cat "$RUN/sql.log")"
}

database_drop() {
  # A walsender that was ended is gone a moment later.
  for _ in {1..100}; do
    if pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = '$DB' AND active" \
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '$DB'" "DROP DATABASE IF EXISTS \"$DB\" WITH (FORCE)"; then
      return 0
    fi
    sleep 0.05
  done >/dev/null 2>&1
  echo "could not drop database $DB" >&2
}

# insert KEY VALUE [AGGREGATETYPE [TYPE]]: one event by plain SQL.
insert() {
  pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('${3:-$T}', '$1', '${4:-Made}', '$2')"
}

# held_until_crowded SQL COMMIT|ROLLBACK COUNT: does it in a transaction that stays open until so many sessions of the database wait for its locks, and returns when it
# has them. held_ends waits for its end. So that what is asked at once meets at once, however fast the service is.
held_until_crowded() {
  rm -f "$RUN/held"
  psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" >"$RUN/held.log" 2>&1 <<SQL &
SET application_name = 'holder';
BEGIN;
$1;
\o $RUN/held
SELECT 'held';
\o
DO \$\$
BEGIN
  FOR i IN 1..2000 LOOP
    IF (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') >= $3 THEN
      RETURN;
    END IF;
    PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
  END LOOP;
  RAISE EXCEPTION 'nobody came';
END \$\$;
$2;
SQL
  HELD=$!
  await 'the lock that others are to wait for' 20 test -s "$RUN/held"
}

held_ends() {
  wait "$HELD" || fail "there was no crowd: $(cat "$RUN/held.log")"
}

slot_confirmed() {
  pg_in postgres "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '${1:-$SLOT}'"
}

wal_end() {
  pg_in postgres "SELECT pg_current_wal_lsn()"
}

# slot_has_confirmed LSN
slot_has_confirmed() {
  [ "$(pg_in postgres "SELECT confirmed_flush_lsn >= '$1' FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ]
}

slot_is_active() {
  [ "$(pg_in postgres "SELECT active FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ]
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Kafka

# topic_create TOPIC [PARTITIONS [NAME=VALUE...]]
topic_create() {
  topic_make "$1" "${2:-3}" "${@:3}" >>"$RUN/topics.log" 2>&1 || fail "could not create topic $1: $(tail -n 3 "$RUN/topics.log")"
}

# own_broker: an embedded broker for this scenario alone; broker_is down and broker_is up take it away and bring it back, with its records.
own_broker() {
  embedded_broker_start own-broker
  relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA"
}

broker_is() {
  embedded_broker_say "$1" || fail "the embedded broker is not $1"
}

# kcat_read ARGUMENT...: kcat as the independent reader, with the format in KCAT_FORMAT.
KCAT_FORMAT='%k|%s|%h\n'
kcat_read() {
  timeout "${KCAT_SECONDS:-60}" kcat -C -b "$KAFKA" -q -o beginning -X fetch.wait.max.ms=10 -X fetch.message.max.bytes=8000000 -f "$KCAT_FORMAT" "$@"
}

# read_topic TOPIC: all that is in it now.
read_topic() {
  kcat_read -e -t "$1" || fail "could not read topic $1"
}

# await_records TOPIC COUNT [SECONDS]: waits until so many are there, then prints all there are, which may be more.
await_records() {
  local topic=$1 count=$2 seconds=${3:-20} file
  file=$(mktemp "$RUN/records.XXXXXX")
  KCAT_SECONDS=$seconds KCAT_FORMAT='%p %o %k\n' kcat_read -c "$count" -t "$topic" >"$file" ||
    fail "topic $topic: expected $count records within $seconds s, there are $(read_topic "$topic" | wc -l)"
  read_topic "$topic"
}

# header NAME HEADERS: the value of one header out of the third field of a record; no value of ours holds a comma.
header() {
  tr , '\n' <<<"$2" | sed -n "s/^$1=//p"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# The relay. Several may run at once, each under a name; the usual one is called relay. It gets its configuration from the environment alone.

declare -A RELAY_LOG RELAY_PORT RELAY_PID RELAY_EXIT
RELAY_SETTINGS=()
RELAY_STARTS=0

# relay_set NAME VALUE: one setting, without the prefix: relay_set POSTGRES_SLOT other. A later one wins.
relay_set() {
  RELAY_SETTINGS+=("CDC_RELAY_$1=$2")
}

relay_defaults() {
  relay_set POSTGRES_URL "postgresql://relay@127.0.0.1:$PG_PORT/$DB"
  relay_set POSTGRES_PLUGIN "$PLUGIN"
  relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA"
  relay_set OUTBOX_0_TABLE public.outbox
  relay_set ADMIN_LISTEN 127.0.0.1:0
  relay_set LOG_FORMAT json
}

# relay_command NAME-OF-LOG ARGUMENT...: one that ends by itself (init, check, status, config), in the foreground. Output in $RUN/NAME-OF-LOG.out and .err;
# returns its exit code.
relay_command() {
  local log=$1
  shift
  timeout 60 env -i PATH="$PATH" HOME="$RUN" ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer" "${RELAY_SETTINGS[@]}" \
    "$BUILD/cdc-relay/cdc-relay" "$@" >"$RUN/$log.out" 2>"$RUN/$log.err" </dev/null
}

relay_init() {
  relay_command init init || fail "init: exit code $?"$'\n'"$(cat "$RUN/init.out" "$RUN/init.err")"
}

# relay_checks_topics FILE: `check` finds no problem, and Kafka's topics as that topics.json lists them.
relay_checks_topics() {
  relay_command check check --topics "$1" || fail "check --topics $1: exit code $?"$'\n'"$(cat "$RUN/check.out" "$RUN/check.err")"
  assert_eq "warnings about topics of $1" '' "$(grep -F 'topics file' "$RUN/check.err")"
}

# relay_launch [NAME]: starts `run` and waits for nothing. Each start has a log file of its own.
relay_launch() {
  local name=${1:-relay} log
  RELAY_STARTS=$((RELAY_STARTS + 1))
  log=$name.$RELAY_STARTS
  # shellcheck disable=SC2086
  process_spawn "$log" TERM env -i PATH="$PATH" HOME="$RUN" ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer" \
    TSAN_OPTIONS="atexit_sleep_ms=0 log_path=$RUN/sanitizer suppressions=$ROOT/tests/tsan/suppressions" \
    ${CDC_MUTANT:+CDC_MUTANT="$CDC_MUTANT"} ${CDC_CRASH_POINT:+CDC_CRASH_POINT="$CDC_CRASH_POINT"} ${CDC_PAUSE_POINT:+CDC_PAUSE_POINT="$CDC_PAUSE_POINT"} \
    "${RELAY_SETTINGS[@]}" \
    ${RELAY_UNDER:-} "$BUILD/cdc-relay/cdc-relay" run
  RELAY_PID[$name]=$process_pid
  RELAY_LOG[$name]=$RUN/$log.log
  RELAY_PORT[$name]=''
}

# relay_start [NAME [STATE]]: starts it and waits until it is in that state (streaming; - for none) and serves its admin pages.
relay_start() {
  local name=${1:-relay} state=${2:-streaming}
  relay_launch "$name"
  await "the relay's admin server" 20 relay_has_logged "$name" admin_listening
  RELAY_PORT[$name]=$(relay_log "$name" 'select(.event == "admin_listening") | .port' | tail -n 1)
  [ "$state" = - ] || await_state "$state" "$name"
}

# relay_log NAME JQ: its log lines through jq; a line that is no JSON does not count.
relay_log() {
  jq -rR "fromjson? | $2" "${RELAY_LOG[$1]}"
}

# relay_has_logged NAME EVENT [JQ-CONDITION]
relay_has_logged() {
  [ -n "$(relay_log "$1" "select(.event == \"$2\") | select(${3:-true}) | .event")" ]
}

relay_state() {
  relay_log "${1:-relay}" 'select(.event == "state") | .state' | tail -n 1
}

relay_is_in_state() {
  [ "$(relay_state "$2")" = "$1" ]
}

# await_state STATE [NAME [SECONDS]]
await_state() {
  wait_until "${3:-20}" relay_is_in_state "$1" "${2:-relay}" 2>/dev/null || fail "${2:-relay} was to be $1 within ${3:-20} s and is: $(relay_state "${2:-relay}")"
}

# relay_get PATH [NAME]: body of an admin page, whatever its status. relay_get_status prints the HTTP status.
relay_get() {
  curl -sS --max-time 5 "http://127.0.0.1:${RELAY_PORT[${2:-relay}]}$1"
}

relay_get_status() {
  curl -sS --max-time 5 -o /dev/null -w '%{http_code}' "http://127.0.0.1:${RELAY_PORT[${2:-relay}]}$1"
}

# relay_metric SERIES [NAME]: the value of one series, exactly as it stands in /metrics: relay_metric 'cdc_relay_state{state="held"}'. Empty when it is not there.
relay_metric() {
  relay_get /metrics "${2:-relay}" | awk -v series="$1" 'index($0, series " ") == 1 { print substr($0, length(series) + 2) }'
}

# relay_metric_is SERIES AWK-CONDITION-ON-v [NAME]
relay_metric_is() {
  local value
  value=$(relay_metric "$1" "${3:-relay}")
  [ -n "$value" ] && awk -v v="$value" "BEGIN { exit !($2) }"
}

# relay_ends NAME [SECONDS]: waits for its end; the exit code is in RELAY_EXIT[NAME].
relay_ends() {
  local name=$1 deadline=$((SECONDS + ${2:-20}))
  while kill -0 "${RELAY_PID[$name]}" 2>/dev/null; do
    [ $SECONDS -le $deadline ] || fail "$name did not end within ${2:-20} s"
    sleep 0.02
  done
  RELAY_EXIT[$name]=0
  wait "${RELAY_PID[$name]}" || RELAY_EXIT[$name]=$?
}

# relay_stop [NAME [SIGNAL]]: asks it to end and waits. SIGTERM must end with 0.
relay_stop() {
  local name=${1:-relay} signal=${2:-TERM}
  kill -s "$signal" "${RELAY_PID[$name]}" 2>/dev/null || true
  relay_ends "$name" 30
  [ "$signal" != TERM ] || assert_eq "exit code of $name after SIGTERM" 0 "${RELAY_EXIT[$name]}"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Beginning and end

scenario_ends() {
  local code=$? log
  set +e
  trap - EXIT
  if [ $code != 0 ] && [ $code != 77 ]; then
    echo "database $DB, files in $RUN"
    for log in "$RUN"/*.err "$RUN"/relay.*.log "$RUN"/first.*.log "$RUN"/second.*.log "$RUN"/own.log "$RUN"/own-broker.log; do
      [ -s "$log" ] || continue
      echo "--- the end of $(basename "$log")"
      tail -n 15 "$log" | cut -c 1-600
    done
  fi >&2
  # In an orderly way, so that a sanitizer can say what leaked.
  processes_stop_all
  if [ -n "$(find "$RUN" -maxdepth 1 -name 'sanitizer*' -size +0)" ]; then
    echo "FAILED: a sanitizer reported:" >&2
    head -n 60 "$RUN"/sanitizer* >&2
    code=1
  fi
  [ "${POSTGRES:-shared}" = own ] || database_drop
  exit $code
}

mkdir -p "$RUN"
cd "$RUN"
postgres_find
if [ -e "$SERVERS/$BROKER.env" ]; then
  # shellcheck disable=SC1090
  . "$SERVERS/$BROKER.env"
fi
trap scenario_ends EXIT
if [ "${POSTGRES:-shared}" = own ]; then
  postgres_init own "${OWN_POSTGRES[@]}"
  # shellcheck disable=SC1091
  . "$RUN/own.env"
  "${OWN_POSTGRES_PREPARES:-true}"
  postgres_run own
else
  # shellcheck disable=SC1091
  . "$SERVERS/postgres.env"
fi
database_new
relay_defaults
