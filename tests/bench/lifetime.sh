# shellcheck shell=bash
# lifetime.sh - how long a start takes, and how much memory a life needs: one huge transaction, minutes without Kafka.
# shellcheck disable=SC2034,SC2154

# From the start of the process to streaming, and, with a row that waits, to the broker's append of the first record.
measure_start() {
  measure_start_by tcp "$1"
  measure_start_by unix "$1"
}

# measure_start_by TRANSPORT ROUND
measure_start_by() {
  local transport=$1 round=$2 i slot=start_slot topic streaming_us NOTE_EVENTS=1
  bench_sql -c "SELECT pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  for ((i = 1; i <= BENCH_STARTS; i++)); do
    topic=start.$transport.$round.$i
    topic_new "$topic"
    bench_sql -c "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('bench', 'first', 'Happened', '{}')"
    relay_start pgoutput "$transport" "$slot" "$topic"
    relay_await 1 20
    streaming_us=$(date -d "$(log_field streaming_started ts)" +%s%6N)
    process_stop relay || fail_bench "the relay did not stop"
    wait_until 10 slot_is_idle "$slot"
    "$ROOT/build/release/tests/bench/bench_reader" -b "$KAFKA" drain "$topic" 1 20 >"$RUN/reader.out" || fail_bench "the first record is missing"
    note start "pgoutput $transport" relay process_to_streaming_ms "$round.$i" "$(compute "($streaming_us - $BENCH_STARTED_US) / 1000")"
    note start "pgoutput $transport" relay process_to_first_record_ms "$round.$i" "$(compute "$(read_value "$RUN/reader.out" first_ms) - $BENCH_STARTED_US / 1000")"
    topic_tool delete "$topic" >/dev/null 2>&1 || true
  done
  bench_sql -c "SELECT pg_drop_replication_slot('$slot')" >/dev/null
}

# How many records the producer's queue holds at most: the relay's default for queue.buffering.max.messages, or what --set says.
outage_queue_limit() {
  local setting limit=20000
  for setting in ${BENCH_SET[@]+"${BENCH_SET[@]}"}; do
    [[ $setting != kafka.queue.buffering.max.messages=* ]] || limit=${setting#*=}
  done
  echo "$limit"
}

# outage_every_partition_has_records TOPIC
outage_every_partition_has_records() {
  [ "$(topic_tool ends "$1" | awk '$3 > $2' | wc -l)" = "$BENCH_PARTITIONS" ]
}

outage_queue_is_full() {
  [ "$(relay_queue_events)" -ge "$(outage_queue_limit)" ]
}

# Rows are written while there is no broker; then it comes back, and all of them must be there. What is measured is the memory of a relay whose queue is full. It fills
# only where each partition has had a record of this relay's within the last minute, for else the first record to one goes alone, and all that follow wait for its report: so rows
# are written to all partitions before, and the queue must be full in time.
measure_outage() {
  local slot=outage_slot topic=outage seconds=$((BENCH_OUTAGE_MINUTES * 60)) rows ticks writer
  local setting="$BENCH_OUTAGE_MINUTES min without Kafka at $BENCH_OUTAGE_RATE/s" NOTE_EVENTS=$((BENCH_OUTAGE_MINUTES * 60 * BENCH_OUTAGE_RATE))
  topic_new "$topic"
  bench_sql -c 'TRUNCATE outbox' -c "SELECT pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  relay_start pgoutput tcp "$slot" "$topic"
  write_events "$BENCH_OUTAGE_RATE" 5 "$RUN/writer.out" || fail_bench "the writer failed"
  relay_await "$(read_value "$RUN/writer.out" rows)" 20
  outage_every_partition_has_records "$topic" || fail_bench "a partition got nothing before Kafka went: $(topic_tool ends "$topic" | paste -sd ';')"
  say "$setting"
  process_stop kafka || fail_bench "Kafka did not stop"
  ticks=$(process_ticks "$BENCH_RELAY")
  write_events "$BENCH_OUTAGE_RATE" "$seconds" "$RUN/writer.out" &
  writer=$!
  wait_until $((seconds - 5)) outage_queue_is_full || fail_bench "the queue never filled: $(relay_queue_events) of $(outage_queue_limit) records, so that this measures nothing"
  wait "$writer" || fail_bench "the writer failed"
  ticks=$(($(process_ticks "$BENCH_RELAY") - ticks))
  outage_queue_is_full || fail_bench "the queue did not stay full while Kafka was away"
  note memory "$setting" relay queue_events "$1" "$(relay_queue_events)"
  note memory "$setting" relay peak_mb "$1" "$(compute "$(status_kb "$BENCH_RELAY" VmHWM) / 1024")"
  note memory "$setting" relay cpu_percent "$1" "$(compute "100 * $ticks / $BENCH_TICKS_PER_SECOND / $seconds")"
  kafka_launch kafka
  kafka_await kafka
  BENCH_KAFKA=$(process_pid_of kafka)
  rows=$(bench_sql -c 'SELECT count(*) FROM outbox')
  relay_await "$rows" 180
  note memory "$setting, and after catching up" relay peak_mb "$1" "$(compute "$(status_kb "$BENCH_RELAY" VmHWM) / 1024")"
  process_stop relay || fail_bench "the relay did not stop"
  [ "$(topic_tool total "$topic")" -ge "$rows" ] || fail_bench "records of the outage are missing"
  slot_drop "$slot"
}

# One transaction, drained by a relay that has just begun: nothing of it may be kept.
measure_memory() {
  local plugin topic=memory.$1
  bench_load "$BENCH_ROWS" "$BENCH_ROWS"
  for plugin in pgoutput wal2json; do
    topic_new "$topic.$plugin"
    relay_start "$plugin" tcp "template_$plugin" "$topic.$plugin"
    relay_await "$BENCH_ROWS" 180
    note memory "$plugin, one transaction of $BENCH_ROWS rows" relay peak_mb "$1" "$(compute "$(status_kb "$BENCH_RELAY" VmHWM) / 1024")"
    say "$plugin, one transaction of $BENCH_ROWS rows: peak $(status_kb "$BENCH_RELAY" VmHWM) kB"
    process_stop relay || fail_bench "the relay did not stop"
    [ "$(topic_tool total "$topic.$plugin")" = "$BENCH_ROWS" ] || fail_bench "records of the large transaction are missing"
    wait_until 10 slot_is_idle "template_$plugin"
  done
  bench_unload
}
