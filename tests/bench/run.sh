#!/usr/bin/env bash
# run.sh - `./dev bench`: what the optimised relay costs, on a private PostgreSQL (fsync on) and a private Apache Kafka, against the first budget.
#
#   figure    what is measured                                                            beside
#   drain     backlogs of 1 and 100 events per transaction and of one transaction,        a bare reader and pg_recvlogical on the same log; with --peers
#             both plugins, TCP and Unix; to Kafka, and with a publisher that settles     Debezium Server
#             at once
#   memory    peak while one huge transaction passes; minutes without Kafka
#   start     from the start of the process to streaming, and to the first record
#   latency   from INSERT to an independent reader, and from commit to acknowledgement    with --peers Debezium Server
#   orders    POST /api/orders of order-service, with and without Idempotency-Key         pgbench with the same inserts, statement by statement and in one piece
#   consumers effects of a consumer, single and 100 to a commit, inbox and Redis          pgbench with the same statements
#   growth    larger backlogs, more tables, fewer keys, larger payloads
#
# drain.sh, latency.sh, lifetime.sh, orders.sh, consumers.sh and growth.sh each measure their part and write a line per value into build/reports/bench.tsv; report.sh makes medians,
# build/reports/bench.md and the plots of them. On a machine that does other work absolute figures drift within minutes: what is compared is measured in turn, and
# compared within a run only.
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
# shellcheck source=tests/bench/drain.sh
. "$ROOT/tests/bench/drain.sh"
# shellcheck source=tests/bench/debezium.sh
. "$ROOT/tests/bench/debezium.sh"
# shellcheck source=tests/bench/latency.sh
. "$ROOT/tests/bench/latency.sh"
# shellcheck source=tests/bench/lifetime.sh
. "$ROOT/tests/bench/lifetime.sh"
# shellcheck source=tests/bench/pgbench.sh
. "$ROOT/tests/bench/pgbench.sh"
# shellcheck source=tests/bench/orders.sh
. "$ROOT/tests/bench/orders.sh"
# shellcheck source=tests/bench/consumers.sh
. "$ROOT/tests/bench/consumers.sh"
# shellcheck source=tests/bench/growth.sh
. "$ROOT/tests/bench/growth.sh"
# shellcheck source=tests/bench/report.sh
. "$ROOT/tests/bench/report.sh"

usage() {
  cat <<'USAGE'
./dev bench [--quick|--long] [--peers] [--publish] [--rounds N] [--events N] [--only LIST] [--match GLOB] [--set PATH=VALUE]...

  --quick            one round on small backlogs, under two minutes: a look, no figures to quote
  --long             ten minutes without Kafka instead of two, and a backlog of five millions
  --peers            Debezium Server beside the relay: fetched from Maven Central once (780 MB), needs a Java of 21 or newer
  --publish          also writes docs/benchmarks.md and its plots
  --rounds N         how often each measurement is repeated; 3 by default, with the median and the spread reported
  --events N         rows of a backlog; 200000 by default
  --rates LIST       events per second whose latency is measured: '100 1000 5000'
  --seconds N        of writing at each rate; 60 by default
  --writers N        database connections of the program that writes at these rates, and without Kafka; 8 by default, above 2000/s 32
  --connections LIST database connections of order-service and of pgbench: '8 32'
  --load-seconds N   of each load of orders and consumers; 10 by default
  --only LIST        some of drain,memory,start,latency,orders,consumers,growth
  --add              keeps what build/reports/bench.tsv has from an earlier run (or docs/benchmarks/values.tsv, where it has nothing), but for what this one measures
                     anew: the figures of --only; of drains those that --match names, of latencies those of --rates
  --in-memory        latencies with the servers' data in /dev/shm, as settings of their own: what is left of the tail when no commit waits for a disk
  --match GLOB       only the drains whose name fits: 'pgoutput tcp 1', '* unix 100', '* all'
  --set PATH=VALUE   given to the relay: --set kafka.linger.ms=5

The report: build/reports/bench.md; every single value, with the revision, day and machine that it is of: build/reports/bench.tsv. The whole takes about three quarters of an hour, with --peers half an hour
more, with --long a quarter of an hour. Who comes first in a round changes from one to the next: --rounds 2 or 4 is the fairest for two systems, as latency has them.
USAGE
}

BENCH_ROUNDS=3
BENCH_EVENTS=200000
BENCH_ROWS=1000000 # of the one large transaction
BENCH_SECONDS=60   # of writing at each rate
BENCH_WARM_SECONDS=5
BENCH_LEAD_IN_SECONDS=5
BENCH_JVM_WARM_SECONDS=30
BENCH_BROKER_WARM_SECONDS=90
BENCH_PEER_WARM_EVENTS=600000 # that Debezium Server drains before what is measured
BENCH_RATES='100 1000 5000'
BENCH_WRITERS=
BENCH_STARTS=5 # a round
BENCH_OUTAGE_MINUTES=2
BENCH_OUTAGE_RATE=1000
BENCH_BACKLOGS='10000 100000 1000000'
BENCH_ADD=no
BENCH_CONNECTIONS='8 32'
BENCH_LOAD_SECONDS=10 # of orders and of effects, each
BENCH_ONLY=drain,memory,start,latency,orders,consumers,growth
BENCH_MATCH='*'
BENCH_SET=()
BENCH_KIND=full
BENCH_PEERS=no
BENCH_PUBLISH=no
BENCH_WHERE='' # what is put behind a rate

bench_arguments() {
  while [ $# != 0 ]; do
    case $1 in
      --quick)
        BENCH_KIND=quick BENCH_ROUNDS=1 BENCH_EVENTS=40000 BENCH_ROWS=200000 BENCH_SECONDS=5 BENCH_WARM_SECONDS=2 BENCH_LEAD_IN_SECONDS=1 BENCH_BROKER_WARM_SECONDS=5 BENCH_PEER_WARM_EVENTS=40000 BENCH_RATES=1000 BENCH_STARTS=3
        BENCH_OUTAGE_MINUTES=0 BENCH_CONNECTIONS=8 BENCH_LOAD_SECONDS=1 BENCH_ONLY=drain,memory,start,latency,orders,consumers
        ;;
      --long) BENCH_KIND=long BENCH_OUTAGE_MINUTES=10 BENCH_BACKLOGS+=' 5000000' ;;
      --peers) BENCH_PEERS=yes ;;
      --publish) BENCH_PUBLISH=yes ;;
      --add) BENCH_ADD=yes ;;
      --in-memory)
        BENCH_WHERE=' in memory' BENCH_ONLY=latency RUN_FOLDERS=/dev/shm/cdc-relay-$UID
        [ -d /dev/shm ] || {
          echo "dev: bench: --in-memory puts the servers' data into /dev/shm, which this machine does not have" >&2
          exit 2
        }
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      --rounds | --events | --rates | --seconds | --writers | --connections | --load-seconds | --only | --match | --set)
        [ $# -gt 1 ] || {
          echo "dev: bench: $1 needs a value" >&2
          exit 2
        }
        case $1 in
          --rounds) BENCH_ROUNDS=$2 ;;
          --events) BENCH_EVENTS=$2 ;;
          --rates) BENCH_RATES=$2 ;;
          --seconds) BENCH_SECONDS=$2 ;;
          --writers) BENCH_WRITERS=$2 ;;
          --connections) BENCH_CONNECTIONS=$2 ;;
          --load-seconds) BENCH_LOAD_SECONDS=$2 ;;
          --only) BENCH_ONLY=$2 ;;
          --match) BENCH_MATCH=$2 ;;
          --set) BENCH_SET+=(--set "$2") ;;
        esac
        shift
        ;;
      *)
        echo "dev: bench knows no $1; ./dev bench --help lists what there is" >&2
        exit 2
        ;;
    esac
    shift
  done
  if [[ ! $BENCH_ROUNDS =~ ^[1-9][0-9]?$ || ! $BENCH_EVENTS =~ ^[1-9][0-9]{3,7}$ ]]; then
    echo "dev: bench: --rounds is a number from 1 to 99, --events one of at least 1000" >&2
    exit 2
  fi
  if [[ ! $BENCH_SECONDS =~ ^[1-9][0-9]{0,3}$ || ! $BENCH_RATES =~ ^[1-9][0-9]{0,5}(\ [1-9][0-9]{0,5})*$ ]]; then
    echo "dev: bench: --rates are numbers, in quotes and a space apart, --seconds is a number from 1 to 9999" >&2
    exit 2
  fi
  if [[ ! $BENCH_WRITERS =~ ^([1-9]|[1-5][0-9]|6[0-4])?$ ]]; then
    echo "dev: bench: --writers is a number from 1 to 64" >&2
    exit 2
  fi
  if [[ ! $BENCH_LOAD_SECONDS =~ ^[1-9][0-9]{0,2}$ || ! $BENCH_CONNECTIONS =~ ^([1-9]|[1-3][0-9])(\ ([1-9]|[1-3][0-9]))*$ ]]; then
    echo "dev: bench: --connections are numbers from 1 to 39, in quotes and a space apart, --load-seconds is a number from 1 to 999" >&2
    exit 2
  fi
}

bench_wants() {
  [[ ,$BENCH_ONLY, == *,$1,* ]]
}

# bench_measures FIGURE SETTING: whether this run measures it.
bench_measures() {
  bench_wants "$1" || return 1
  # shellcheck disable=SC2053
  case $1 in
    drain) [[ $2 == $BENCH_MATCH ]] ;;
    latency) [[ " $BENCH_RATES " == *" ${2%/s*} "* && ${2#*/s} == "$BENCH_WHERE" ]] ;;
  esac
}

# An earlier run's values stay where they are asked for, and not measured anew: those of this build folder, or, where there are none, the published ones. Lines of before a value had a machine have a column less, and stay so.
bench_values_begin() {
  local figure setting rest earlier=$BENCH_TSV
  [ "$(tail -n +2 "$earlier" 2>/dev/null | wc -l)" != 0 ] || earlier=$ROOT/docs/benchmarks/values.tsv
  printf 'figure\tsetting\tsystem\tmetric\tround\tvalue\trevision\tday\tevents\tmachine\n' >"$RUN/values.tsv"
  if [ $BENCH_ADD = yes ] && [ -s "$earlier" ]; then
    while IFS=$'\t' read -r figure setting rest; do
      bench_measures "$figure" "$setting" || printf '%s\t%s\t%s\n' "$figure" "$setting" "$rest"
    done < <(tail -n +2 "$earlier") >>"$RUN/values.tsv"
  fi
  mv "$RUN/values.tsv" "$BENCH_TSV"
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
BENCH_REVISION=$(revision)
BENCH_DAY=$(date -u +%F)
bench_values_begin
report_begins
if [ $BENCH_PEERS = yes ] && ! debezium_is_there; then
  say "going on without Debezium Server"
  BENCH_PEERS=no
fi
bench_servers
BENCH_MACHINE=$(machine)
for per in 1 100 all; do
  ! bench_wants drain || [ $BENCH_KIND$per = quickall ] || measure_drains $per
done
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
  ! bench_wants start || measure_start "$round"
done
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
  ! bench_wants latency || measure_latencies "$round"
done
! bench_wants orders || measure_orders
! bench_wants consumers || measure_consumers
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
  ! bench_wants memory || measure_memory "$round"
done
# Minutes of waiting, for figures of memory that hardly differ: once.
! bench_wants memory || [ $BENCH_OUTAGE_MINUTES = 0 ] || measure_outage 1
for ((round = 1; round <= BENCH_ROUNDS; round++)); do
  ! bench_wants growth || measure_growth "$round"
done
report_write
