# shellcheck shell=bash
# latency.sh - rows of one transaction each, arriving at random, on their way to an independent reader: from before the INSERT, so that the commit's fsync and the
# reader's fetch are in it. The relay's own histogram adds the time from the commit to the broker's acknowledgement.
#
# A JVM makes machine code of what runs often: a cold broker was measured at four times the median of the same broker some minutes later. So small requests are
# sent, and read by a reader that waits for them, for BENCH_BROKER_WARM_SECONDS before anything is measured, and a peer that is a JVM itself gets BENCH_JVM_WARM_SECONDS of its
# own. Even so a broker with a new reader makes machine code anew: for two seconds its compilers had two fifths of the processors, and the first half second had ten times
# the median of the rest. So the writer begins BENCH_LEAD_IN_SECONDS before what is measured does, and goes on without a pause.
#
# What is written is written back by the kernel half a minute later, and commits wait for it: behind the warm-up a writer's COMMIT had ten times the p99 of the next minute's.
# So all that is dirty is written before what is measured begins, and who comes first changes from round to round.
# shellcheck disable=SC2034,SC2154

# latency_begin SYSTEM SLOT TOPIC, which sets LATENCY_PID, and latency_end SYSTEM: what differs between the relay and Debezium Server.
latency_begin() {
  case $1 in
    relay | relay_unix)
      relay_start pgoutput "$([ "$1" = relay ] && echo tcp || echo unix)" "$2" "$3"
      relay_await_start
      LATENCY_PID=$BENCH_RELAY
      ;;
    debezium_*)
      debezium_start "${1#debezium_}" "$2" "$3"
      LATENCY_PID=$BENCH_DEBEZIUM
      # It begins to read some seconds after its start, and what is written before would count as late.
      bench_sql -c "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('bench', 'first', 'Happened', '{}')"
      debezium_await "$3" 1 180
      ;;
  esac
}

latency_end() {
  case $1 in
    relay | relay_unix) process_stop relay || fail_bench "the relay did not stop" ;;
    debezium_*) debezium_stop ;;
  esac
}

# latency_reader TOPIC SKIP SECONDS: sets LATENCY_READER, once it has seen the records that it skips.
latency_reader() {
  rm -f "$RUN/reader.out"
  "$ROOT/build/release/tests/bench/bench_reader" -b "$KAFKA" latency "$1" "$2" "$3" >"$RUN/reader.out" &
  LATENCY_READER=$!
  wait_until 20 grep -q ready "$RUN/reader.out" || fail_bench "the reader did not see the first $2 records"
}

latency_warm_broker() {
  local writer
  say "warming the broker for $BENCH_BROKER_WARM_SECONDS s"
  topic_new latency.warm
  bench_sql -c "SELECT pg_create_logical_replication_slot('latency_slot', 'pgoutput')" >/dev/null
  relay_start pgoutput tcp latency_slot latency.warm
  relay_await_start
  write_events 2000 "$BENCH_BROKER_WARM_SECONDS" "$RUN/warm.out" &
  writer=$!
  latency_reader latency.warm 1 $((BENCH_BROKER_WARM_SECONDS + 30))
  wait "$writer" || fail_bench "the writer failed"
  wait "$LATENCY_READER" || fail_bench "the reader saw no end of the records"
  process_stop relay || fail_bench "the relay did not stop"
  slot_drop latency_slot
  topic_tool delete latency.warm >/dev/null 2>&1 || true
}

# measure_latency SYSTEM RATE ROUND
measure_latency() {
  local warm=$BENCH_WARM_SECONDS system=$1 rate=$2 round=$3 slot=latency_slot topic setting="$2/s$BENCH_WHERE" writer began ticks took percent metric rows NOTE_EVENTS=$(($2 * BENCH_SECONDS))
  topic=latency.$system.$rate.$round
  bench_sql -c 'TRUNCATE outbox'
  topic_new "$topic"
  bench_sql -c "SELECT pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  latency_begin "$system" "$slot" "$topic"
  # Not measured: the producer gets its id and learns of the topic with its first record, and machine code for small batches is made.
  [[ $system != debezium_* ]] || warm=$BENCH_JVM_WARM_SECONDS
  write_events "$rate" "$warm" "$RUN/warm.out" || fail_bench "the writer failed"
  rows=$(bench_sql -c 'SELECT count(*) FROM outbox')
  wait_until 60 topic_holds "$topic" "$rows" || fail_bench "$system did not write the first $rows records"
  sync
  latency_reader "$topic" "$rows" $((BENCH_LEAD_IN_SECONDS + BENCH_SECONDS + 90))
  rm -f "$RUN/writer.out"
  write_events "$rate" "$BENCH_SECONDS" "$RUN/writer.out" "$BENCH_LEAD_IN_SECONDS" &
  writer=$!
  wait_until $((BENCH_LEAD_IN_SECONDS + 20)) grep -q measured "$RUN/writer.out" || fail_bench "the writer does not get through its lead-in"
  [[ $system == debezium_* ]] || relay_metrics >"$RUN/metrics.before"
  began=$(now_us)
  ticks=$(process_ticks "$LATENCY_PID")
  wait "$writer" || fail_bench "the writer failed"
  ticks=$(($(process_ticks "$LATENCY_PID") - ticks))
  took=$(($(now_us) - began))
  wait "$LATENCY_READER" || fail_bench "the reader saw no end of the records"
  rows=$((rows + $(read_value "$RUN/writer.out" lead_in_rows) + $(read_value "$RUN/writer.out" rows)))
  [ "$(read_value "$RUN/reader.out" records)" = "$rows" ] || fail_bench "the reader saw $(read_value "$RUN/reader.out" records) of $rows records"
  if [[ $system != debezium_* ]]; then
    relay_metrics | histogram_since "$RUN/metrics.before" >"$RUN/metrics.out"
    for metric in 500:p50 990:p99 999:p999; do
      note latency "$setting" "$system" "commit_to_ack_${metric#*:}_ms" "$round" "$(histogram_ms "0.${metric%:*}")"
    done
  fi
  note latency "$setting" "$system" rss_mb "$round" "$(compute "$(status_kb "$LATENCY_PID" VmRSS) / 1024")"
  note latency "$setting" "$system" peak_mb "$round" "$(compute "$(status_kb "$LATENCY_PID" VmHWM) / 1024")"
  # Of the time that the writer really took.
  percent=$(compute "100 * $ticks / $BENCH_TICKS_PER_SECOND / $took * 1e6")
  note latency "$setting" "$system" cpu_percent "$round" "$percent"
  for metric in min p50 p90 p99 p999 max; do
    note latency "$setting" "$system" "insert_to_reader_${metric}_ms" "$round" "$(compute "$(read_value "$RUN/reader.out" "latency_${metric}_us") / 1000")"
  done
  # Its schedule has all rows that were due, however late: at a rate that it cannot hold it writes for longer, and this is the rate that there was.
  note latency "$setting" "writer_beside_$system" rows_per_s "$round" "$(compute "$(read_value "$RUN/writer.out" rows) / $took * 1e6")"
  for metric in p50 p99; do
    note latency "$setting" "writer_beside_$system" "commit_${metric}_ms" "$round" "$(compute "$(read_value "$RUN/writer.out" "commit_${metric}_us") / 1000")"
    note latency "$setting" "writer_beside_$system" "behind_schedule_${metric}_ms" "$round" "$(compute "$(read_value "$RUN/writer.out" "late_${metric}_us") / 1000")"
  done
  say "round $round  $system at $rate/s: insert to reader p50 $(read_value "$RUN/reader.out" latency_p50_us) us, p99 $(read_value "$RUN/reader.out" latency_p99_us) us," \
    "$percent % of a core; the writer's COMMIT p99 $(read_value "$RUN/writer.out" commit_p99_us) us"
  latency_end "$system"
  slot_drop "$slot"
  topic_tool delete "$topic" >/dev/null 2>&1 || true
}

measure_latencies() {
  local round=$1 rate system
  local -a systems=(relay relay_unix)
  [ "$round" != 1 ] || latency_warm_broker
  [ "$BENCH_PEERS" != yes ] || systems+=(debezium_lean)
  mapfile -t systems < <(printf '%s\n' "${systems[@]}" | if [ $((round % 2)) = 1 ]; then cat; else tac; fi)
  for rate in $BENCH_RATES; do
    for system in "${systems[@]}"; do
      measure_latency "$system" "$rate" "$round"
    done
  done
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

# histogram_since FILE: the buckets of the exposition on stdin, less those of FILE.
histogram_since() {
  awk '/^cdc_relay_commit_to_ack_seconds_bucket/ { if (NR == FNR) before[$1] = $2; else print $1, $2 - before[$1] }' "$1" -
}
