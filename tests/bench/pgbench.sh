# shellcheck shell=bash
# pgbench.sh - the same statements without a service: what the database alone gives on this machine, in this minute.
#
#   pgbench             sends a statement, waits, sends the next one: BEGIN and COMMIT are round trips, too, as in most programs
#   pgbench_pipelined   sends the transaction in one piece, as our runtimes do: the nearest to no service at all
#
# Both with prepared statements. A script is lines: \set first, then BEGIN to COMMIT; every value that is no \set is a parameter given by -D, so that the server reads
# the same texts as from a service.
# shellcheck disable=SC2034,SC2154

# pgbench_script NAME: of the lines on standard input, both forms.
pgbench_script() {
  cat >"$RUN/$1.pgbench.sql"
  awk '/^\\set / { print; next } !begun { begun = 1; print "\\startpipeline" } { print } END { print "\\endpipeline" }' "$RUN/$1.pgbench.sql" >"$RUN/$1.pgbench_pipelined.sql"
}

# pgbench_run SYSTEM SCRIPT USER CONNECTIONS [NAME=VALUE...]: for BENCH_LOAD_SECONDS. Sets PGBENCH_RATE, transactions per second, PGBENCH_P50_MS, PGBENCH_P99_MS,
# PGBENCH_COUNT, PGBENCH_CPU_S, its own, and PGBENCH_DATABASE_TICKS.
pgbench_run() {
  local file=$RUN/$2.$1.sql user=$3 connections=$4 times real own system value
  local threads=$((connections < $(nproc) ? connections : $(nproc)))
  local -a values=()
  shift 4
  for value in "$@"; do
    values+=(-D "$value")
  done
  rm -f "$RUN"/transactions.*
  PGBENCH_DATABASE_TICKS=$(database_ticks)
  times=$({
    TIMEFORMAT='%3R %3U %3S'
    time "$PG_BIN/pgbench" -n -M prepared -f "$file" -c "$connections" -j "$threads" -T "$BENCH_LOAD_SECONDS" -l --log-prefix="$RUN/transactions" "${values[@]}" \
      -h 127.0.0.1 -p "$PG_PORT" -U "$user" bench >"$RUN/pgbench.out" 2>&1
  } 2>&1) || fail_bench "pgbench: $(cat "$RUN/pgbench.out")"
  PGBENCH_DATABASE_TICKS=$(($(database_ticks) - PGBENCH_DATABASE_TICKS))
  read -r real own system <<<"$times"
  PGBENCH_CPU_S=$(compute "$own + $system")
  PGBENCH_RATE=$(sed -nE 's/^tps = ([0-9.]+) .*/\1/p' "$RUN/pgbench.out")
  PGBENCH_COUNT=$(sed -nE 's/^number of transactions actually processed: ([0-9]+).*/\1/p' "$RUN/pgbench.out")
  if [ -z "$PGBENCH_RATE" ] || [ "${PGBENCH_COUNT:-0}" = 0 ] || grep -qE '^number of failed transactions: [1-9]' "$RUN/pgbench.out"; then
    fail_bench "pgbench: $(cat "$RUN/pgbench.out")"
  fi
  read -r PGBENCH_P50_MS PGBENCH_P99_MS < <(cat "$RUN"/transactions.* | cut -d ' ' -f 3 | sort -n |
    awk '{ us[NR] = $1 } END { print us[int((NR * 500 + 999) / 1000)] / 1000, us[int((NR * 990 + 999) / 1000)] / 1000 }')
}

# pgbench_compare FIGURE SETTING ROUND UNIT RATES SYSTEM...: a line for who watches, and the ratios of one round to both ways of pgbench. RATES names an array by system.
pgbench_compare() {
  local figure=$1 setting=$2 round=$3 unit=$4 line system peer
  local -n rates_of=$5
  shift 5
  line="round $round  $setting:"
  for system in "$@"; do
    line+=$(printf '  %s %.0f' "$system" "${rates_of[$system]}")
    [[ $system != pgbench* ]] || continue
    for peer in pgbench pgbench_pipelined; do
      note "$figure" "$setting" "$system" "ratio_to_$peer" "$round" "$(compute "${rates_of[$system]} / ${rates_of[$peer]}")"
    done
  done
  say "$line $unit"
}
