# shellcheck shell=bash
# drain.sh - a backlog, drained by one system after another from the same log. A setting is "PLUGIN TRANSPORT EVENTS-PER-TRANSACTION" ("all": one transaction).
#
#   relay            to Kafka; the duration is that between the broker's first and last append
#   relay_decode     the relay with a publisher that settles at once (bench_decode), so all of it but librdkafka; from its first record to its last
#   bare_reader      a reader in lumps that does nothing with what it reads; from the first row to the last
#   pg_recvlogical   to /dev/null; the whole process, less one with nothing to do. Of one transaction it has CPU alone: its clock would have the seconds in which the server
#                    reads the transaction before it sends anything, and those of all others begin behind them
#   debezium_KIND    Debezium Server to Kafka, as the relay, but warm: a JVM makes machine code of what runs often, and grows faster for many seconds. Its slot
#                    stands BENCH_PEER_WARM_EVENTS before the backlog, in transactions of the same size; rate and CPU begin behind these. The relay's begin with its first record
#   debezium_KIND_cold  the same process, from its first record on, for as many as the backlog has: how the figures to beat were had
#
# Each sets DRAIN_RATE and notes its own figures; drain_compare notes the ratios of one round, since what the machine did meanwhile it did to all.
# shellcheck disable=SC2034,SC2153,SC2154

slot_copy() {
  bench_sql -c "SELECT pg_copy_logical_replication_slot('template_$1', '$2')" >/dev/null
}

slot_drop() {
  wait_until 10 slot_is_idle "$1"
  bench_sql -c "SELECT pg_drop_replication_slot('$1')" >/dev/null
}

# note_drain SETTING SYSTEM ROUND CPU-SECONDS-PER-MILLION DATABASE-TICKS. Round 0 is not noted, nor is a DRAIN_RATE that is empty.
note_drain() {
  [ "$3" != 0 ] || return 0
  [ -z "$DRAIN_RATE" ] || note drain "$1" "$2" events_per_s "$3" "$DRAIN_RATE"
  note drain "$1" "$2" cpu_s_per_million "$3" "$4"
  note drain "$1" "$2" database_cpu_s_per_million "$3" "$(ticks_per_million "$5" "$BENCH_LOADED")"
}

# drain_is_whole TOPIC [WARM]: all that was loaded is in Kafka, once, behind so many records that are not measured. Sets DRAIN_RATE by the broker's append times, and with WARM
# DRAIN_COLD_RATE, of as many records from the first one on.
drain_is_whole() {
  local records ms warm=${2:-0} wanted=$((BENCH_LOADED + ${2:-0}))
  "$ROOT/build/release/tests/bench/bench_reader" -b "$KAFKA" drain "$1" "$wanted" $((60 + wanted / 50000)) "$warm" >"$RUN/reader.out" || fail_bench "records are missing: $(cat "$RUN/reader.out")"
  records=$(topic_tool total "$1")
  [ "$records" = "$wanted" ] || fail_bench "topic $1 holds $records records of $wanted rows"
  ms=$(($(read_value "$RUN/reader.out" last_ms) - $(read_value "$RUN/reader.out" first_ms)))
  DRAIN_RATE=$(compute "$BENCH_LOADED / ($ms + 0.5) * 1000")
  if [ "$warm" != 0 ]; then
    ms=$(($(read_value "$RUN/reader.out" cold_last_ms) - $(read_value "$RUN/reader.out" cold_first_ms)))
    DRAIN_COLD_RATE=$(compute "$BENCH_LOADED / ($ms + 0.5) * 1000")
  fi
  topic_tool delete "$1" >/dev/null 2>&1 || true
}

# drain_relay SETTING ROUND [NAME=VALUE...]
drain_relay() {
  local setting=$1 round=$2 plugin transport per database_ticks broker_ticks relay_ticks topic slot=copy_relay peak resident
  shift 2
  read -r plugin transport per <<<"$setting"
  topic=drain.$plugin.$transport.$per.$round
  topic_new "$topic"
  slot_copy "$plugin" "$slot"
  database_ticks=$(children_ticks "$BENCH_POSTGRES")
  broker_ticks=$(process_ticks "$BENCH_KAFKA")
  relay_start "$plugin" "$transport" "$slot" "$topic" "$@"
  relay_await "$BENCH_LOADED" $((180 + BENCH_LOADED / 20000))
  relay_ticks=$(process_ticks "$BENCH_RELAY")
  peak=$(status_kb "$BENCH_RELAY" VmHWM)
  resident=$(status_kb "$BENCH_RELAY" VmRSS)
  broker_ticks=$(($(process_ticks "$BENCH_KAFKA") - broker_ticks))
  process_stop relay || fail_bench "the relay did not stop"
  slot_drop "$slot"
  database_ticks=$(($(children_ticks "$BENCH_POSTGRES") - database_ticks))
  drain_is_whole "$topic"
  DRAIN_PEAK_MB=$(compute "$peak / 1024")
  DRAIN_CPU=$(ticks_per_million "$relay_ticks" "$BENCH_LOADED")
  [ "$round" != 0 ] || return 0
  note_drain "$setting" relay "$round" "$DRAIN_CPU" "$database_ticks"
  note drain "$setting" relay broker_cpu_s_per_million "$round" "$(ticks_per_million "$broker_ticks" "$BENCH_LOADED")"
  note drain "$setting" relay peak_mb "$round" "$DRAIN_PEAK_MB"
  note drain "$setting" relay resident_after_mb "$round" "$(compute "$resident / 1024")"
}

drain_relay_decode() {
  local setting=$1 round=$2 plugin transport per database_ticks slot=copy_relay records
  read -r plugin transport per <<<"$setting"
  slot_copy "$plugin" "$slot"
  database_ticks=$(children_ticks "$BENCH_POSTGRES")
  BENCH_PROGRAM=tests/bench/bench_decode relay_start "$plugin" "$transport" "$slot" none
  relay_await "$BENCH_LOADED" 180
  process_stop relay || fail_bench "the relay did not stop"
  slot_drop "$slot"
  database_ticks=$(($(children_ticks "$BENCH_POSTGRES") - database_ticks))
  records=$(read_value "$RUN/relay.log" records)
  [ "$records" = "$BENCH_LOADED" ] || fail_bench "$records records of $BENCH_LOADED rows were published"
  DRAIN_RATE=$(compute "$BENCH_LOADED / $(read_value "$RUN/relay.log" last_us) * 1e6")
  note_drain "$setting" relay_decode "$round" "$(compute "$(read_value "$RUN/relay.log" cpu_us) / $BENCH_LOADED")" "$database_ticks"
}

drain_bare_reader() {
  local setting=$1 round=$2 plugin transport per host=127.0.0.1 database_ticks slot=copy_bare rows
  read -r plugin transport per <<<"$setting"
  [ "$transport" = tcp ] || host=$PG_SOCKET
  slot_copy "$plugin" "$slot"
  database_ticks=$(children_ticks "$BENCH_POSTGRES")
  "$ROOT/build/release/tests/bench/bench_bare_reader" "host=$host port=$PG_PORT user=relay dbname=bench replication=database" "$slot" "$plugin" "$BENCH_END" \
    >"$RUN/bare.out" 2>&1 || fail_bench "$(cat "$RUN/bare.out")"
  slot_drop "$slot"
  database_ticks=$(($(children_ticks "$BENCH_POSTGRES") - database_ticks))
  rows=$(read_value "$RUN/bare.out" rows)
  [ "$rows" = "$BENCH_LOADED" ] || fail_bench "the bare reader saw $rows rows of $BENCH_LOADED"
  DRAIN_RATE=$(compute "$BENCH_LOADED / $(read_value "$RUN/bare.out" last_us) * 1e6")
  note_drain "$setting" bare_reader "$round" "$(compute "$(read_value "$RUN/bare.out" cpu_us) / $BENCH_LOADED")" "$database_ticks"
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
    time timeout 180 pg_recvlogical -h "$host" -p "$PG_PORT" -U relay -d bench -S "$3" --start --endpos "$4" --no-loop -f /dev/null "${options[@]}" \
      >"$RUN/peer.log" 2>&1
  } 2>&1) || fail_bench "pg_recvlogical: $(cat "$RUN/peer.log")"
  read -r real user system <<<"$times"
  PEER_US=$(compute "$real * 1e6")
  PEER_CPU_US=$(compute "($user + $system) * 1e6")
}

drain_pg_recvlogical() {
  local setting=$1 round=$2 plugin transport per database_ticks slot=copy_peer begin idle_us
  read -r plugin transport per <<<"$setting"
  # Nothing to do: a slot behind everything, and a little log that makes the server say so. (The backlog's own begin would not do: one large transaction is read whole
  # before the server says anything.)
  begin=$(bench_sql -c "SELECT lsn FROM pg_create_logical_replication_slot('$slot', '$plugin')" -c "SELECT FROM pg_logical_emit_message(true, 'bench', 'idle')" | head -n 1)
  peer_run "$plugin" "$transport" "$slot" "$begin"
  idle_us=$PEER_US
  slot_drop "$slot"
  slot_copy "$plugin" "$slot"
  database_ticks=$(children_ticks "$BENCH_POSTGRES")
  peer_run "$plugin" "$transport" "$slot" "$BENCH_END"
  slot_drop "$slot"
  database_ticks=$(($(children_ticks "$BENCH_POSTGRES") - database_ticks))
  DRAIN_RATE=''
  [ "$per" = all ] || DRAIN_RATE=$(compute "$BENCH_LOADED / ($PEER_US - $idle_us) * 1e6")
  note_drain "$setting" pg_recvlogical "$round" "$(compute "$PEER_CPU_US / $BENCH_LOADED")" "$database_ticks"
}

# debezium_mark TOPIC RECORDS: its ticks and records once so many are there, by that number in MARK_TICKS and MARK_RECORDS.
debezium_mark() {
  debezium_await "$1" "$2" 300
  MARK_TICKS[$2]=$(process_ticks "$BENCH_DEBEZIUM")
  MARK_RECORDS[$2]=$(topic_tool total "$1")
}

# debezium_note SETTING SYSTEM ROUND RATE FROM TO: the rate, and the CPU between the marks of two numbers of records, of the records that came between them.
debezium_note() {
  local records=$((MARK_RECORDS[$6] - MARK_RECORDS[$5]))
  note drain "$1" "$2" events_per_s "$3" "$4"
  [ $records -le 0 ] || note drain "$1" "$2" cpu_s_per_million "$3" "$(ticks_per_million $((MARK_TICKS[$6] - MARK_TICKS[$5])) $records)"
}

# Cold, from its first record on, as many as the backlog has; and warm, the backlog behind the warm-up.
drain_debezium() {
  local kind=$1 setting=$2 round=$3 topic slot=copy_debezium records warm=$BENCH_PEER_WARM_EVENTS
  local -A MARK_TICKS=() MARK_RECORDS=()
  topic=debezium.$kind.$round
  topic_new "$topic"
  slot_copy peer "$slot"
  debezium_start "$kind" "$slot" "$topic"
  for records in $(printf '%d\n' 1 "$BENCH_LOADED" "$warm" $((warm + BENCH_LOADED)) | sort -nu); do
    debezium_mark "$topic" "$records"
  done
  note drain "$setting" "debezium_$kind" peak_mb "$round" "$(compute "$(status_kb "$BENCH_DEBEZIUM" VmHWM) / 1024")"
  debezium_stop
  slot_drop "$slot"
  drain_is_whole "$topic" "$warm"
  DRAIN_RATES[debezium_${kind}_cold]=$DRAIN_COLD_RATE
  debezium_note "$setting" "debezium_${kind}_cold" "$round" "$DRAIN_COLD_RATE" 1 "$BENCH_LOADED"
  debezium_note "$setting" "debezium_$kind" "$round" "$DRAIN_RATE" "$warm" $((warm + BENCH_LOADED))
}

# drain_systems SETTING: who drains it, in the order of odd rounds. Of one large transaction Debezium Server's fastest setting does, since each takes a minute.
drain_systems() {
  echo pg_recvlogical
  [ "$BENCH_KIND" = quick ] || echo bare_reader
  echo relay_decode
  echo relay
  if [ "$BENCH_PEERS" = yes ] && [[ $1 == 'pgoutput tcp '* ]]; then
    [ "${1##* }" = all ] || printf '%s\n' debezium_default debezium_tuned
    echo debezium_lean
  fi
}

# drain_ratio SETTING ROUND SYSTEM BESIDE: where both were measured.
drain_ratio() {
  local rate=${DRAIN_RATES[$3]:-} beside=${DRAIN_RATES[$4]:-}
  [ -z "$rate" ] || [ -z "$beside" ] || note drain "$1" "$3" "ratio_to_$4" "$2" "$(compute "$rate / $beside")"
}

declare -A DRAIN_PEERS=()

drain_compare() {
  local setting=$1 round=$2 peer_cpu line system
  drain_ratio "$setting" "$round" relay_decode pg_recvlogical
  drain_ratio "$setting" "$round" relay_decode bare_reader
  # Neither reader is an upper limit: by a Unix socket now one, now the other is the faster.
  if [ -n "${DRAIN_RATES[bare_reader]:-}" ]; then
    DRAIN_RATES[faster_reader]=$(printf '%s\n' "${DRAIN_RATES[bare_reader]}" "${DRAIN_RATES[pg_recvlogical]:-0}" | sort -g | tail -n 1)
    drain_ratio "$setting" "$round" relay_decode faster_reader
  fi
  drain_ratio "$setting" "$round" relay pg_recvlogical
  # The peer reads over TCP alone, with pgoutput alone: its rate of this round goes for the relay's other ways as well.
  for system in debezium_{default,tuned,lean}{,_cold}; do
    if [ -n "${DRAIN_RATES[$system]:-}" ]; then
      DRAIN_PEERS[$system.${setting##* }.$round]=${DRAIN_RATES[$system]}
    fi
    DRAIN_RATES[$system]=${DRAIN_PEERS[$system.${setting##* }.$round]:-}
    drain_ratio "$setting" "$round" relay "$system"
  done
  peer_cpu=$(awk -F '\t' -v s="$setting" -v r="$round" '$2 == s && $3 == "pg_recvlogical" && $4 == "cpu_s_per_million" && $5 == r { print $6 }' "$BENCH_TSV")
  note drain "$setting" relay cpu_ratio_to_pg_recvlogical "$round" "$(compute "$DRAIN_CPU / $peer_cpu")"
  line=$(printf 'round %s  %-18s' "$round" "$setting")
  while read -r system; do
    line+=$(printf '  %s %.0f' "$system" "${DRAIN_RATES[$system]:-0}")
  done < <(drain_systems "$setting")
  say "$line events/s"
}

# drain_round SETTING ROUND: each system in turn; who comes first changes from round to round.
drain_round() {
  local setting=$1 round=$2 system
  local -a systems
  declare -gA DRAIN_RATES=()
  mapfile -t systems < <(drain_systems "$setting" | if [ $((round % 2)) = 1 ]; then cat; else tac; fi)
  for system in "${systems[@]}"; do
    case $system in
      debezium_*) drain_debezium "${system#debezium_}" "$setting" "$round" ;;
      *) "drain_$system" "$setting" "$round" ;;
    esac
    DRAIN_RATES[$system]=$DRAIN_RATE
  done
  drain_compare "$setting" "$round"
}

# drain_settings EVENTS-PER-TRANSACTION: a line each.
drain_settings() {
  local plugin transport
  for plugin in pgoutput wal2json; do
    for transport in tcp unix; do
      [ "$BENCH_KIND" != quick ] || [ $plugin = pgoutput ] || [ "$transport $1" = 'tcp 1' ] || continue
      # shellcheck disable=SC2053
      if [[ "$plugin $transport $1" == $BENCH_MATCH ]]; then
        echo "$plugin $transport $1"
      fi
    done
  done
}

# Not measured: the broker's machine code is made while it works.
drain_warm_broker() {
  drain_relay "$1" 0
  drain_relay "$1" 0
}

# drain_warm_load EVENTS-PER-TRANSACTION: what the peers read before the backlog, and the slot that they begin at.
drain_warm_load() {
  [ "$BENCH_PEERS" = yes ] || return 0
  say "loading $BENCH_PEER_WARM_EVENTS events for the peers to warm up, $1 per transaction"
  bench_sql -c 'TRUNCATE outbox' -c "SELECT pg_create_logical_replication_slot('template_peer', 'pgoutput')" >/dev/null
  bench_rows "$BENCH_PEER_WARM_EVENTS" "$1"
}

# measure_drains EVENTS-PER-TRANSACTION
measure_drains() {
  local per=$1 round setting first
  first=$(drain_settings "$per" | head -n 1)
  [ -n "$first" ] || return 0
  if [ "$per" = all ]; then
    drain_warm_load "$BENCH_PEER_WARM_EVENTS"
    bench_load "$BENCH_ROWS" "$BENCH_ROWS"
  else
    drain_warm_load "$per"
    bench_load "$BENCH_EVENTS" "$per"
  fi
  drain_warm_broker "$first"
  for ((round = 1; round <= BENCH_ROUNDS; round++)); do
    while read -r setting; do
      drain_round "$setting" "$round"
    done < <(drain_settings "$per")
  done
  bench_unload
}
