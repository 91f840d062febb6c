# shellcheck shell=bash
# measure.sh - what all measurements stand on: servers, loads, the relay as a process, figures out of /proc.
#
#   One load, many drains: a template slot per plugin is made before the load, and each drain starts from a copy, so that all read the same log.
#   A fresh topic per drain, whose records carry the broker's own append times: the duration of a drain is the last one minus the first one. The number of
#   records must be the number of rows, or the run fails.
#   pg_recvlogical writes nothing that could be timed, so its duration is the process's, less that of a run with nothing to do.
#   CPU is user + system of /proc/PID/stat, per million events. The database's: what the postmaster has inherited of backends that ended, walsenders that is;
#   the few statements of this script count too and cost milliseconds.
# shellcheck disable=SC2034

# Set by processes.sh.
# shellcheck disable=SC2154
BENCH_PARTITIONS=12

say() {
  echo "bench: $*"
}

# fail_bench WORDS
fail_bench() {
  echo "bench: $*" >&2
  [ ! -e "$RUN/relay.log" ] || tail -n 20 "$RUN/relay.log" >&2
  exit 1
}

# machine: what the values of this run are of, in a few words.
machine() {
  local cpu
  cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
  echo "PostgreSQL $(bench_sql -c "SELECT split_part(current_setting('server_version'), ' ', 1)"), Linux $(uname -r | cut -d - -f 1), $(nproc) x ${cpu:-$(uname -m)}"
}

# note FIGURE SETTING SYSTEM METRIC ROUND VALUE: a line of values, with the revision, the day, how many events the value is of (NOTE_EVENTS, where that says anything), and
# the machine.
NOTE_EVENTS=-

note() {
  local IFS=$'\t'
  echo "$*$IFS$BENCH_REVISION$IFS$BENCH_DAY$IFS$NOTE_EVENTS$IFS$BENCH_MACHINE" >>"$BENCH_TSV"
}

# compute EXPRESSION
compute() {
  awk "BEGIN { printf \"%.6g\", $1 }"
}

now_us() {
  echo "${EPOCHREALTIME//[.,]/}"
}

bench_sql() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d bench "$@"
}

topic_tool() {
  "$ROOT/build/release/tests/tools/topic_tool" -b "$KAFKA" "$@"
}

# stat_ticks PID FIELD...: the sum of such fields of /proc/PID/stat, numbered as in proc(5).
stat_ticks() {
  local line sum=0 field
  local -a fields
  read -r line <"/proc/$1/stat"
  read -r -a fields <<<"${line##*) }"
  shift
  for field in "$@"; do
    sum=$((sum + fields[field - 3]))
  done
  echo "$sum"
}

process_ticks() {
  stat_ticks "$1" 14 15
}

children_ticks() {
  stat_ticks "$1" 16 17
}

# All processes of the database: those that live, and what the postmaster has inherited of those that ended.
database_ticks() {
  { cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v postmaster="$BENCH_POSTGRES" '{
      pid = $1; sub(/^.*\) /, "")
      if (pid == postmaster) { sum += $12 + $13 + $14 + $15 } else if ($2 == postmaster) { sum += $12 + $13 }
    }
    END { print sum + 0 }'
}

# ticks_per_million TICKS EVENTS: seconds of CPU.
ticks_per_million() {
  compute "$1 / $BENCH_TICKS_PER_SECOND / $2 * 1e6"
}

# status_kb PID NAME: VmRSS, VmHWM.
status_kb() {
  awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status"
}

bench_servers() {
  say "starting a private PostgreSQL (fsync on) and a private Apache Kafka"
  BENCH_TICKS_PER_SECOND=$(getconf CLK_TCK)
  kafka_init kafka
  kafka_launch kafka
  # No checkpoint and no vacuum in the middle of a measurement.
  POSTGRES_FSYNC=on postgres_start postgres 'autovacuum = off' 'max_wal_size = 16GB' 'checkpoint_timeout = 1h' 'shared_buffers = 256MB'
  kafka_await kafka
  BENCH_POSTGRES=$(process_pid_of postgres)
  BENCH_KAFKA=$(process_pid_of kafka)
  psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d postgres -c 'CREATE DATABASE bench'
  bench_sql -f "$ROOT/sql/outbox.sql" -f "$ROOT/sql/roles.sql" -c 'CREATE ROLE relay LOGIN REPLICATION' -c 'GRANT outbox_relay, outbox_monitor TO relay' \
    >"$RUN/sql.log" 2>&1 || fail_bench "$(cat "$RUN/sql.log")"
  # A JSON payload of `payload_bytes`, `keys` aggregates, transaction after transaction into one of `tables` tables: outbox, or outbox_1 and so on.
  bench_sql <<'SQL'
CREATE PROCEDURE bench_load(events integer, per_transaction integer, keys integer, payload_bytes integer, tables integer) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 0 .. events / per_transaction - 1 LOOP
    EXECUTE format('INSERT INTO %I (aggregatetype, aggregateid, type, payload)
      SELECT ''bench'', ''agg-'' || (n %% $3), ''Happened'', format(''{"number": "%%s", "pad": "%%s"}'', to_char(n, ''FM000000000''), repeat(''x'', $4 - 35))::json
        FROM generate_series($1::bigint, $1 + $2 - 1) n', CASE WHEN tables > 1 THEN 'outbox_' || (i % tables + 1) ELSE 'outbox' END)
      USING i::bigint * per_transaction + 1, per_transaction, keys, payload_bytes;
    COMMIT;
  END LOOP;
END $$;
SQL
}

# bench_rows EVENTS EVENTS-PER-TRANSACTION [KEYS PAYLOAD-BYTES TABLES]
bench_rows() {
  bench_sql -c 'SET synchronous_commit = off' -c "CALL bench_load($1, $2, ${3:-10000}, ${4:-250}, ${5:-1})"
}

# bench_load, of the same: the backlog, and a template slot per plugin that stands before it. Sets BENCH_END,
# behind it.
bench_load() {
  local plugin
  say "loading $1 events, $2 per transaction"
  bench_sql -c 'TRUNCATE outbox' -c CHECKPOINT >/dev/null
  for plugin in pgoutput wal2json; do
    bench_sql -c "SELECT pg_create_logical_replication_slot('template_$plugin', '$plugin')" >/dev/null
  done
  bench_rows "$@"
  bench_sql -c CHECKPOINT
  BENCH_END=$(bench_sql -c 'SELECT pg_current_wal_insert_lsn()')
  BENCH_LOADED=$1
  NOTE_EVENTS=$1
}

bench_unload() {
  NOTE_EVENTS=-
  bench_sql -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active" >/dev/null
}

# write_events RATE SECONDS FILE [LEAD-IN-SECONDS]: one connection commits some 600 rows a second.
write_events() {
  "$ROOT/build/release/tests/bench/bench_writer" "host=$PG_SOCKET port=$PG_PORT user=postgres dbname=bench" "$1" "$2" "${BENCH_WRITERS:-$(($1 > 2000 ? 32 : 8))}" "${4:-0}" >"$3"
}

slot_is_idle() {
  [ "$(bench_sql -c "SELECT active FROM pg_replication_slots WHERE slot_name = '$1'")" = f ]
}

topic_new() {
  topic_tool create "$1" $BENCH_PARTITIONS message.timestamp.type=LogAppendTime file.delete.delay.ms=1000 >"$RUN/topic.log" 2>&1 ||
    fail_bench "$(cat "$RUN/topic.log")"
}

# relay_start PLUGIN TRANSPORT SLOT TOPIC [NAME=VALUE...]: sets BENCH_RELAY, its process id, and BENCH_STARTED_US. BENCH_PROGRAM: the relay, or the relay with
# another publisher.
relay_start() {
  local plugin=$1 transport=$2 slot=$3 topic=$4 url="postgresql://relay@127.0.0.1:$PG_PORT/bench"
  shift 4
  [ "$transport" = tcp ] || url="host=$PG_SOCKET port=$PG_PORT user=relay dbname=bench"
  rm -f "$RUN/relay.log"
  BENCH_STARTED_US=$(now_us)
  process_spawn relay TERM env -i PATH="$PATH" HOME="$RUN" "CDC_RELAY_POSTGRES_URL=$url" "CDC_RELAY_POSTGRES_PLUGIN=$plugin" "CDC_RELAY_POSTGRES_SLOT=$slot" \
    "CDC_RELAY_POSTGRES_PUBLICATION=bench_outbox" "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=$KAFKA" "CDC_RELAY_OUTBOX_0_TABLE=public.outbox" \
    "CDC_RELAY_OUTBOX_0_ROUTE_TOPIC_REPLACEMENT=$topic" "CDC_RELAY_ADMIN_LISTEN=127.0.0.1:0" "$@" \
    "$ROOT/build/release/${BENCH_PROGRAM:-cdc-relay/cdc-relay}" ${BENCH_SET[@]+"${BENCH_SET[@]}"} run --exit-on-hold
  BENCH_RELAY=$process_pid
}

# log_field EVENT FIELD [PROCESS]: of the first line of that event, of the relay or another process.
log_field() {
  sed -nE "/\"event\":\"$1\"/ { s/.*\"$2\":\"?([^\",}]*).*/\1/p; q }" "$RUN/${3:-relay}.log"
}

relay_is_streaming() {
  [ -n "$(log_field streaming_started ts)" ]
}

relay_metrics() {
  curl -sS --max-time 5 "http://127.0.0.1:$BENCH_ADMIN/metrics"
}

relay_await_start() {
  wait_until 20 relay_is_streaming || fail_bench "the relay did not begin to stream"
  BENCH_ADMIN=$(log_field admin_listening port)
}

relay_published() {
  relay_metrics | awk '/^cdc_relay_events_total\{.*outcome="published"/ { sum += $2 } END { printf "%d", sum }'
}

relay_queue_events() {
  relay_metrics | awk '$1 == "cdc_relay_kafka_queue_events" { printf "%d", $2 }'
}

relay_has_published() {
  [ "$(relay_published)" -ge "$1" ]
}

# relay_await EVENTS SECONDS
relay_await() {
  local deadline=$((SECONDS + $2))
  relay_await_start
  until relay_has_published "$1"; do
    [ $SECONDS -le $deadline ] || fail_bench "the relay published $(relay_published) of $1 events within $2 s"
    kill -0 "$BENCH_RELAY" 2>/dev/null || fail_bench "the relay ended"
    sleep 0.2
  done
}

# read_values FILE NAME: NAME=VALUE lines of our programs.
read_value() {
  sed -n "s/^$2=//p" "$1"
}
