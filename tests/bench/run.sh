#!/usr/bin/env bash
# run.sh - `./dev bench`: what the optimised relay costs, on a private PostgreSQL (fsync on) and a private Apache Kafka, against the first budget.
#
#   figure    what is measured                                                          against
#   drain     a backlog, 1 or 100 events per transaction, both plugins, TCP and Unix    pg_recvlogical to /dev/null on the same log, in the same minute
#   memory    peak while one transaction of a million rows passes                       a number
#   start     from the start of the process to streaming                                a number
#   latency   from commit to acknowledgement, and to an independent reader, 1,000/s     a number
#
# measure.sh does one measurement each and writes a line per value into build/reports/bench.tsv; report.sh makes medians and build/reports/bench.md of them.
# On a machine that does other work absolute figures drift within minutes: what is compared is measured in turn, and compared within a run only.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
unset PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGPASSFILE PGDATABASE PGSERVICE PGOPTIONS PGSSLMODE PGSSLROOTCERT PGTZ PGCLIENTENCODING PGAPPNAME
export PSQLRC=/dev/null LC_ALL=C.UTF-8

# shellcheck source=tests/dev/processes.sh
. "$ROOT/tests/dev/processes.sh"
# shellcheck source=tests/dev/servers.sh
. "$ROOT/tests/dev/servers.sh"
# shellcheck source=tests/bench/measure.sh
. "$ROOT/tests/bench/measure.sh"
# shellcheck source=tests/bench/report.sh
. "$ROOT/tests/bench/report.sh"

usage() {
  cat <<'USAGE'
./dev bench [--quick] [--rounds N] [--events N] [--only LIST] [--match GLOB] [--set PATH=VALUE]...

  --quick            one round on small backlogs, under two minutes: a look, no figures to quote
  --rounds N         how often each measurement is repeated; 3 by default, with the median and the spread reported
  --events N         rows of a backlog; 200000 by default
  --only LIST        some of drain,memory,start,latency
  --match GLOB       only the drains whose name fits: 'pgoutput tcp 1', '* unix 100'
  --set PATH=VALUE   given to the relay: --set kafka.linger.ms=0

The report: build/reports/bench.md; every single value: build/reports/bench.tsv.
USAGE
}

BENCH_ROUNDS=3
BENCH_EVENTS=200000
BENCH_ROWS=1000000 # of the one large transaction
BENCH_SECONDS=12   # of writing at BENCH_RATE
BENCH_RATE=1000
BENCH_STARTS=5 # a round
BENCH_ONLY=drain,memory,start,latency
BENCH_MATCH='*'
BENCH_SET=()
BENCH_KIND=full

bench_arguments() {
  while [ $# != 0 ]; do
    case $1 in
      --quick)
        BENCH_KIND=quick BENCH_ROUNDS=1 BENCH_EVENTS=60000 BENCH_ROWS=200000 BENCH_SECONDS=5 BENCH_STARTS=3
        shift
        continue
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      --rounds | --events | --only | --match | --set) ;;
      *)
        echo "dev: bench knows no $1; ./dev bench --help lists what there is" >&2
        exit 2
        ;;
    esac
    [ $# -gt 1 ] || {
      echo "dev: bench: $1 needs a value" >&2
      exit 2
    }
    case $1 in
      --rounds) BENCH_ROUNDS=$2 ;;
      --events) BENCH_EVENTS=$2 ;;
      --only) BENCH_ONLY=$2 ;;
      --match) BENCH_MATCH=$2 ;;
      --set) BENCH_SET+=(--set "$2") ;;
    esac
    shift 2
  done
  if [[ ! $BENCH_ROUNDS =~ ^[1-9][0-9]?$ || ! $BENCH_EVENTS =~ ^[1-9][0-9]{3,7}$ ]]; then
    echo "dev: bench: --rounds is a number from 1 to 99, --events one of at least 1000" >&2
    exit 2
  fi
}

bench_wants() {
  [[ ,$BENCH_ONLY, == *,$1,* ]]
}

# bench_settings EVENTS-PER-TRANSACTION: the drains to be measured, a line each.
bench_settings() {
  local plugin transport
  for plugin in pgoutput wal2json; do
    for transport in tcp unix; do
      # shellcheck disable=SC2053
      if [[ "$plugin $transport $1" == $BENCH_MATCH ]]; then
        echo "$plugin $transport $1"
      fi
    done
  done
}

# Each system has its turn in each setting before the next round begins, and who comes first changes from round to round.
bench_drains() {
  local per=$1 round setting
  [ -n "$(bench_settings "$per")" ] || return 0
  bench_load "$BENCH_EVENTS" "$per"
  # Not measured: the broker's machine code is made while it works.
  drain_relay "$(bench_settings "$per" | head -n 1)" 0
  drain_relay "$(bench_settings "$per" | head -n 1)" 0
  for ((round = 1; round <= BENCH_ROUNDS; round++)); do
    while read -r setting; do
      if [ $((round % 2)) = 1 ]; then
        drain_relay "$setting" "$round"
        drain_peer "$setting" "$round"
      else
        drain_peer "$setting" "$round"
        drain_relay "$setting" "$round"
      fi
      drain_compare "$setting" "$round"
    done < <(bench_settings "$per")
  done
  bench_unload
}

bench_ends() {
  local code=$?
  trap - EXIT INT TERM
  processes_stop_all
  [ $code != 0 ] || rm -rf "$RUN"
  [ $code = 0 ] || echo "dev: bench did not end well; the logs are in $RUN" >&2
  exit $code
}

bench_arguments "$@"
kafka_is_installed || {
  echo "dev: bench needs a real Apache Kafka, and its jars could not be fetched; see ./dev setup" >&2
  exit 1
}
run_new bench
trap bench_ends EXIT
trap 'exit 130' INT TERM
mkdir -p "$ROOT/build/reports"
BENCH_TSV=$ROOT/build/reports/bench.tsv
printf 'figure\tsetting\tsystem\tmetric\tround\tvalue\n' >"$BENCH_TSV"
report_begins
bench_servers
for per in 1 100; do
  ! bench_wants drain || bench_drains "$per"
done
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
  ! bench_wants start || measure_start "$round"
  ! bench_wants latency || measure_latency "$round"
done
! bench_wants memory || measure_memory 1
report_write
