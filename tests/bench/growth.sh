# shellcheck shell=bash
# growth.sh - what a larger backlog, more tables, fewer keys and larger payloads do to the relay's rate and memory. pgoutput, TCP, 100 events per transaction.
# shellcheck disable=SC2034,SC2154

BENCH_TABLES_MAX=100

# Tables beside the outbox, for as long as the run lasts; payloads are stored as they are, since what compresses well would measure nothing.
growth_tables() {
  local i
  bench_sql -c 'ALTER TABLE outbox ALTER payload SET STORAGE EXTERNAL' >/dev/null
  for ((i = 1; i <= BENCH_TABLES_MAX; i++)); do
    echo "CREATE TABLE outbox_$i (LIKE outbox INCLUDING ALL);"
  done | bench_sql >/dev/null
  bench_sql -c "ALTER PUBLICATION bench_outbox ADD TABLE $(seq -f 'outbox_%g' -s , $BENCH_TABLES_MAX)" >/dev/null
}

# growth_settings TABLES: the relay's entries for outbox_1 and so on, beside the first entry; one for the whole is not enough, since each table is its own.
growth_settings() {
  local i
  [ "$1" -gt 1 ] || return 0
  for ((i = 1; i <= $1; i++)); do
    echo "CDC_RELAY_OUTBOX_${i}_TABLE=public.outbox_$i"
    echo "CDC_RELAY_OUTBOX_${i}_ROUTE_TOPIC_REPLACEMENT=$2"
  done
}

# growth_run SETTING EVENTS KEYS PAYLOAD-BYTES TABLES ROUND
growth_run() {
  local setting=$1 events=$2 payload_bytes=$4 round=$6
  local -a entries
  bench_load "$events" 100 "$3" "$payload_bytes" "$5"
  mapfile -t entries < <(growth_settings "$5" "drain.pgoutput.tcp.100.0")
  drain_relay 'pgoutput tcp 100' 0 "${entries[@]}"
  note growth "$setting" relay events_per_s "$round" "$DRAIN_RATE"
  note growth "$setting" relay mb_per_s "$round" "$(compute "$DRAIN_RATE * $payload_bytes / 1e6")"
  note growth "$setting" relay cpu_s_per_million "$round" "$DRAIN_CPU"
  note growth "$setting" relay peak_mb "$round" "$DRAIN_PEAK_MB"
  say "$setting: $(printf %.0f "$DRAIN_RATE") events/s, peak $(printf %.1f "$DRAIN_PEAK_MB") MB"
  bench_unload
}

# growth_all: what is measured, a line each: events, keys, bytes of a payload, tables, and the setting's name.
growth_all() {
  local n
  for n in $BENCH_BACKLOGS; do
    echo "$n 10000 250 1 backlog of $n"
  done
  for n in 1 10 "$BENCH_TABLES_MAX"; do
    echo "200000 10000 250 $n $n tables"
  done
  for n in 1 10 100 1000; do
    echo "200000 $n 250 1 $n keys"
  done
  for n in 100 1000 10000 100000; do
    echo "$((n < 500 ? 200000 : 100000000 / n)) 10000 $n 1 payload of $n bytes"
  done
}

# The least backlog is the first one of odd rounds and the last one of even ones: what the machine or the broker becomes meanwhile is not to look like growth.
measure_growth() {
  local round=$1 events keys payload_bytes tables setting
  if [ "$round" = 1 ]; then
    growth_tables
    bench_load "$BENCH_EVENTS" 100
    drain_warm_broker 'pgoutput tcp 100'
    bench_unload
  fi
  while read -r events keys payload_bytes tables setting; do
    growth_run "$setting" "$events" "$keys" "$payload_bytes" "$tables" "$round"
  done < <(growth_all | if [ $((round % 2)) = 1 ]; then cat; else tac; fi)
}
