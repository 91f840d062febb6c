# shellcheck shell=bash
# measure.sh - one measurement each, and what all of them stand on.
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

# note FIGURE SETTING SYSTEM METRIC ROUND VALUE
note() {
  local IFS=$'\t'
  echo "$*" >>"$BENCH_TSV"
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
  # A payload of 250 bytes, 10,000 aggregates.
  bench_sql <<'SQL'
CREATE PROCEDURE bench_load(events integer, per_transaction integer) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. events / per_transaction LOOP
    INSERT INTO outbox (aggregatetype, aggregateid, type, payload)
      SELECT 'bench', 'agg-' || ((i * per_transaction + j) % 10000), 'Happened',
             format('{"number": "%s", "pad": "%s"}', to_char(i * per_transaction + j, 'FM000000000'), repeat('x', 215))::json
        FROM generate_series(1, per_transaction) j;
    COMMIT;
  END LOOP;
END $$;
SQL
}

# bench_load EVENTS EVENTS-PER-TRANSACTION: the backlog, and a template slot per plugin that stands before it. Sets BENCH_END, behind it.
bench_load() {
  local plugin
  say "loading $1 events, $2 per transaction"
  bench_sql -c 'TRUNCATE outbox' -c CHECKPOINT >/dev/null
  for plugin in pgoutput wal2json; do
    bench_sql -c "SELECT pg_create_logical_replication_slot('template_$plugin', '$plugin')" >/dev/null
  done
  BENCH_BEGIN=$(bench_sql -c 'SELECT pg_current_wal_lsn()')
  bench_sql -c 'SET synchronous_commit = off' -c "CALL bench_load($1, $2)"
  bench_sql -c CHECKPOINT
  BENCH_END=$(bench_sql -c 'SELECT pg_current_wal_insert_lsn()')
  BENCH_LOADED=$1
}

bench_unload() {
  bench_sql -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active" >/dev/null
}

slot_is_idle() {
  [ "$(bench_sql -c "SELECT active FROM pg_replication_slots WHERE slot_name = '$1'")" = f ]
}

topic_new() {
  topic_tool create "$1" $BENCH_PARTITIONS message.timestamp.type=LogAppendTime file.delete.delay.ms=1000 >"$RUN/topic.log" 2>&1 ||
    fail_bench "$(cat "$RUN/topic.log")"
}

# relay_start PLUGIN TRANSPORT SLOT TOPIC: sets BENCH_RELAY, its process id, and BENCH_STARTED_US.
relay_start() {
  local url="postgresql://relay@127.0.0.1:$PG_PORT/bench"
  [ "$2" = tcp ] || url="host=$PG_SOCKET port=$PG_PORT user=relay dbname=bench"
  rm -f "$RUN/relay.log"
  BENCH_STARTED_US=$(now_us)
  process_spawn relay TERM env -i PATH="$PATH" HOME="$RUN" "CDC_RELAY_POSTGRES_URL=$url" "CDC_RELAY_POSTGRES_PLUGIN=$1" "CDC_RELAY_POSTGRES_SLOT=$3" \
    "CDC_RELAY_POSTGRES_PUBLICATION=bench_outbox" "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=$KAFKA" "CDC_RELAY_OUTBOX_0_TABLE=public.outbox" \
    "CDC_RELAY_OUTBOX_0_ROUTE_TOPIC_REPLACEMENT=$4" "CDC_RELAY_ADMIN_LISTEN=127.0.0.1:0" \
    "$ROOT/build/release/cdc-relay/cdc-relay" ${BENCH_SET[@]+"${BENCH_SET[@]}"} run --exit-on-hold
  BENCH_RELAY=$process_pid
}

# log_field EVENT FIELD: of the relay's first line of that event.
log_field() {
  sed -nE "/\"event\":\"$1\"/ { s/.*\"$2\":\"?([^\",}]*).*/\1/p; q }" "$RUN/relay.log"
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

# drain_relay "PLUGIN TRANSPORT PER" ROUND: round 0 is not noted.
drain_relay() {
  local setting=$1 round=$2 plugin transport per database_ticks broker_ticks relay_ticks ms records topic slot=copy_relay peak resident
  read -r plugin transport per <<<"$setting"
  topic=drain.$plugin.$transport.$per.$round
  topic_new "$topic"
  bench_sql -c "SELECT pg_copy_logical_replication_slot('template_$plugin', '$slot')" >/dev/null
  database_ticks=$(children_ticks "$BENCH_POSTGRES")
  broker_ticks=$(process_ticks "$BENCH_KAFKA")
  relay_start "$plugin" "$transport" "$slot" "$topic"
  relay_await "$BENCH_LOADED" 120
  relay_ticks=$(process_ticks "$BENCH_RELAY")
  peak=$(status_kb "$BENCH_RELAY" VmHWM)
  resident=$(status_kb "$BENCH_RELAY" VmRSS)
  broker_ticks=$(($(process_ticks "$BENCH_KAFKA") - broker_ticks))
  process_stop relay || fail_bench "the relay did not stop"
  wait_until 10 slot_is_idle "$slot"
  database_ticks=$(($(children_ticks "$BENCH_POSTGRES") - database_ticks))
  "$ROOT/build/release/tests/bench/bench_reader" -b "$KAFKA" drain "$topic" "$BENCH_LOADED" 60 >"$RUN/reader.out" || fail_bench "records are missing: $(cat "$RUN/reader.out")"
  records=$(topic_tool total "$topic")
  [ "$records" = "$BENCH_LOADED" ] || fail_bench "topic $topic holds $records records of $BENCH_LOADED rows"
  ms=$(($(read_value "$RUN/reader.out" last_ms) - $(read_value "$RUN/reader.out" first_ms)))
  BENCH_RELAY_RATE=$(compute "$BENCH_LOADED / ($ms + 0.5) * 1000")
  bench_sql -c "SELECT pg_drop_replication_slot('$slot')" >/dev/null
  topic_tool delete "$topic" >/dev/null 2>&1 || true
  [ "$round" != 0 ] || return 0
  note drain "$setting" relay events_per_s "$round" "$BENCH_RELAY_RATE"
  note drain "$setting" relay cpu_s_per_million "$round" "$(ticks_per_million "$relay_ticks" "$BENCH_LOADED")"
  note drain "$setting" relay database_cpu_s_per_million "$round" "$(ticks_per_million "$database_ticks" "$BENCH_LOADED")"
  note drain "$setting" relay broker_cpu_s_per_million "$round" "$(ticks_per_million "$broker_ticks" "$BENCH_LOADED")"
  note drain "$setting" relay peak_mb "$round" "$(compute "$peak / 1024")"
  note drain "$setting" relay resident_after_mb "$round" "$(compute "$resident / 1024")"
}

# peer_run PLUGIN TRANSPORT SLOT END: sets PEER_US and PEER_CPU_US.
peer_run() {
  local host=127.0.0.1 times real user system
  local -a options=(-o proto_version=1 -o publication_names=bench_outbox)
  [ "$2" = tcp ] || host=$PG_SOCKET
  # The same that the relay asks for.
  [ "$1" = pgoutput ] || options=(-o format-version=2 -o include-transaction=1 -o include-lsn=1 -o include-xids=1 -o include-timestamp=1 -o include-types=0
    -o include-type-oids=1 -o include-typmod=0 -o actions=insert -o add-tables=public.outbox)
  times=$({
    TIMEFORMAT='%3R %3U %3S'
    time timeout 120 pg_recvlogical -h "$host" -p "$PG_PORT" -U relay -d bench -S "$3" --start --endpos "$4" --no-loop -f /dev/null "${options[@]}" \
      >"$RUN/peer.log" 2>&1
  } 2>&1) || fail_bench "pg_recvlogical: $(cat "$RUN/peer.log")"
  read -r real user system <<<"$times"
  PEER_US=$(compute "$real * 1e6")
  PEER_CPU_US=$(compute "($user + $system) * 1e6")
}

drain_peer() {
  local setting=$1 round=$2 plugin transport per database_ticks slot=copy_peer idle_us
  read -r plugin transport per <<<"$setting"
  bench_sql -c "SELECT pg_copy_logical_replication_slot('template_$plugin', '$slot')" >/dev/null
  peer_run "$plugin" "$transport" "$slot" "$BENCH_BEGIN"
  idle_us=$PEER_US
  wait_until 10 slot_is_idle "$slot"
  bench_sql -c "SELECT pg_drop_replication_slot('$slot')" -c "SELECT pg_copy_logical_replication_slot('template_$plugin', '$slot')" >/dev/null
  database_ticks=$(children_ticks "$BENCH_POSTGRES")
  peer_run "$plugin" "$transport" "$slot" "$BENCH_END"
  wait_until 10 slot_is_idle "$slot"
  database_ticks=$(($(children_ticks "$BENCH_POSTGRES") - database_ticks))
  BENCH_PEER_RATE=$(compute "$BENCH_LOADED / ($PEER_US - $idle_us) * 1e6")
  bench_sql -c "SELECT pg_drop_replication_slot('$slot')" >/dev/null
  note drain "$setting" pg_recvlogical events_per_s "$round" "$BENCH_PEER_RATE"
  note drain "$setting" pg_recvlogical cpu_s_per_million "$round" "$(compute "$PEER_CPU_US / $BENCH_LOADED")"
  note drain "$setting" pg_recvlogical database_cpu_s_per_million "$round" "$(ticks_per_million "$database_ticks" "$BENCH_LOADED")"
}

# The two figures of this setting and round: what the machine did meanwhile, it did to both.
drain_compare() {
  note drain "$1" relay ratio_to_pg_recvlogical "$2" "$(compute "$BENCH_RELAY_RATE / $BENCH_PEER_RATE")"
  say "$(printf 'round %s  %-18s relay %6.0f/s, pg_recvlogical %6.0f/s' "$2" "$1" "$BENCH_RELAY_RATE" "$BENCH_PEER_RATE")"
}

# One transaction, drained by a relay that has just begun: nothing of it may be kept.
measure_memory() {
  local plugin slot=copy_relay topic=memory
  bench_load "$BENCH_ROWS" "$BENCH_ROWS"
  for plugin in pgoutput wal2json; do
    topic_new "$topic.$plugin"
    relay_start "$plugin" tcp "template_$plugin" "$topic.$plugin"
    relay_await "$BENCH_ROWS" 180
    note memory "$plugin tcp, one transaction of $BENCH_ROWS rows" relay peak_mb "$1" "$(compute "$(status_kb "$BENCH_RELAY" VmHWM) / 1024")"
    say "$plugin, one transaction of $BENCH_ROWS rows: peak $(status_kb "$BENCH_RELAY" VmHWM) kB"
    process_stop relay || fail_bench "the relay did not stop"
    [ "$(topic_tool total "$topic.$plugin")" = "$BENCH_ROWS" ] || fail_bench "records of the large transaction are missing"
    wait_until 10 slot_is_idle "template_$plugin"
  done
  bench_unload
}

measure_start() {
  local i slot=start_slot streaming_us
  bench_sql -c "SELECT pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  for ((i = 1; i <= BENCH_STARTS; i++)); do
    relay_start pgoutput tcp "$slot" start
    relay_await_start
    streaming_us=$(date -d "$(log_field streaming_started ts)" +%s%6N)
    note start 'pgoutput tcp' relay process_to_streaming_ms "$1.$i" "$(compute "($streaming_us - $BENCH_STARTED_US) / 1000")"
    note start 'pgoutput tcp' relay log_to_streaming_ms "$1.$i" "$(compute "($streaming_us - $(date -d "$(log_field starting ts)" +%s%6N)) / 1000")"
    process_stop relay || fail_bench "the relay did not stop"
    wait_until 10 slot_is_idle "$slot"
  done
  bench_sql -c "SELECT pg_drop_replication_slot('$slot')" >/dev/null
}

# histogram_ms SHARE: from the relay's own buckets, evenly spread inside each.
histogram_ms() {
  awk -v share="$1" '
    match($0, /^cdc_relay_commit_to_ack_seconds_bucket\{.*le="/) {
      bound = substr($0, RLENGTH + 1); sub(/".*/, "", bound); count[++n] = $NF; le[n] = bound
    }
    END {
      wanted = count[n] * share
      for (i = 1; i <= n; i++) {
        if (count[i] >= wanted && count[i] > 0) {
          low = i > 1 ? le[i - 1] : 0; before = i > 1 ? count[i - 1] : 0
          if (le[i] == "+Inf") { printf "%g", low * 1000 } else { printf "%.3g", (low + (le[i] - low) * (wanted - before) / (count[i] - before)) * 1000 }
          exit
        }
      }
    }' "$RUN/metrics.out"
}

measure_latency() {
  local round=$1 slot=latency_slot topic setting="pgoutput tcp $BENCH_RATE/s" ticks metric rows reader conninfo
  topic=latency.$round
  conninfo="host=$PG_SOCKET port=$PG_PORT user=postgres dbname=bench"
  topic_new "$topic"
  bench_sql -c "SELECT pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  relay_start pgoutput tcp "$slot" "$topic"
  relay_await_start
  # Not measured: the producer gets its id and learns of the topic with its first record, and the broker's machine code for small batches is made.
  "$ROOT/build/release/tests/bench/bench_writer" "$conninfo" "$BENCH_RATE" 2 8 >"$RUN/warm.out" || fail_bench "the writer failed"
  rows=$(read_value "$RUN/warm.out" rows)
  relay_await "$rows" 20
  "$ROOT/build/release/tests/bench/bench_reader" -b "$KAFKA" latency "$topic" "$rows" $((BENCH_SECONDS + 60)) >"$RUN/reader.out" &
  reader=$!
  wait_until 20 grep -q ready "$RUN/reader.out" || fail_bench "the reader did not see the first $rows records"
  relay_metrics >"$RUN/metrics.before"
  ticks=$(process_ticks "$BENCH_RELAY")
  "$ROOT/build/release/tests/bench/bench_writer" "$conninfo" "$BENCH_RATE" "$BENCH_SECONDS" 8 >"$RUN/writer.out" || fail_bench "the writer failed"
  ticks=$(($(process_ticks "$BENCH_RELAY") - ticks))
  wait "$reader" || fail_bench "the reader saw no end of the records"
  relay_metrics | histogram_since "$RUN/metrics.before" >"$RUN/metrics.out"
  rows=$((rows + $(read_value "$RUN/writer.out" rows)))
  [ "$(read_value "$RUN/reader.out" records)" = "$rows" ] || fail_bench "the reader saw $(read_value "$RUN/reader.out" records) of $rows records"
  note latency "$setting" relay steady_rss_mb "$round" "$(compute "$(status_kb "$BENCH_RELAY" VmRSS) / 1024")"
  note latency "$setting" relay cpu_percent "$round" "$(compute "100 * $ticks / $BENCH_TICKS_PER_SECOND / $BENCH_SECONDS")"
  note latency "$setting" relay commit_to_ack_p50_ms "$round" "$(histogram_ms 0.5)"
  note latency "$setting" relay commit_to_ack_p99_ms "$round" "$(histogram_ms 0.99)"
  for metric in min p50 p90 p99 p999 max; do
    note latency "$setting" reader "insert_to_reader_${metric}_ms" "$round" "$(compute "$(read_value "$RUN/reader.out" "latency_${metric}_us") / 1000")"
  done
  for metric in p50 p99; do
    note latency "$setting" writer "commit_${metric}_ms" "$round" "$(compute "$(read_value "$RUN/writer.out" "commit_${metric}_us") / 1000")"
    note latency "$setting" writer "behind_schedule_${metric}_ms" "$round" "$(compute "$(read_value "$RUN/writer.out" "late_${metric}_us") / 1000")"
  done
  say "round $round  $BENCH_RATE/s: insert to reader p50 $(read_value "$RUN/reader.out" latency_p50_us) us, p99 $(read_value "$RUN/reader.out" latency_p99_us) us"
  process_stop relay || fail_bench "the relay did not stop"
  wait_until 10 slot_is_idle "$slot"
  bench_sql -c "SELECT pg_drop_replication_slot('$slot')" >/dev/null
  topic_tool delete "$topic" >/dev/null 2>&1 || true
}

# histogram_since FILE: the buckets of the exposition on stdin, less those of FILE.
histogram_since() {
  awk '/^cdc_relay_commit_to_ack_seconds_bucket/ { if (NR == FNR) before[$1] = $2; else print $1, $2 - before[$1] }' "$1" -
}
