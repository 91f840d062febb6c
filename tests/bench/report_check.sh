#!/usr/bin/env bash
# report_check.sh - the report made of values that are known: what is judged, what is said to be missing, and which revision everything is of. Part of `./dev test`.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
RUN=$(mktemp -d)
trap 'rm -rf "$RUN"' EXIT
# shellcheck disable=SC2034
BENCH_TSV=$RUN/values.tsv
# shellcheck source=tests/bench/report.sh
. "$ROOT/tests/bench/report.sh"
checked=0

# must_have WORDS LINE: a line of the output in $RUN/out.
must_have() {
  grep -qxF -- "$2" "$RUN/out" || {
    echo "$1: no line \"$2\" in"
    cat "$RUN/out"
    exit 1
  }
  checked=$((checked + 1))
}

# Values of before they had a revision, with six columns, of before they had a machine, with nine, and later ones, as --add leaves them side by side.
tr ' ' '\t' <<'VALUES' | sed 's/~/ /g' >"$BENCH_TSV"
figure setting system metric round value revision day events machine
start pgoutput~tcp relay process_to_streaming_ms 1.1 40
start pgoutput~tcp relay process_to_streaming_ms 1.2 60
start pgoutput~tcp relay process_to_streaming_ms 1.3 44
latency 1000/s relay insert_to_reader_p50_ms 1 2.5
latency 5000/s relay insert_to_reader_p50_ms 1 9 abc1234 2026-11-22 300000
latency 5000/s writer_beside_relay behind_schedule_p50_ms 1 900 abc1234 2026-11-22 300000
latency 5000/s writer_beside_relay behind_schedule_p99_ms 1 3000 abc1234 2026-11-22 300000
latency 5000/s writer_beside_relay rows_per_s 1 4321 abc1234 2026-11-22 300000
latency 5000/s writer_beside_relay commit_p99_ms 1 55 abc1234 2026-11-22 300000
drain pgoutput~tcp~1 relay_decode ratio_to_pg_recvlogical 1 2.5 abc1234 2026-11-22 300000 PostgreSQL~15,~2~x~X
drain pgoutput~unix~100 relay_decode ratio_to_faster_reader 1 0.8 abc1234 2026-11-23 300000 PostgreSQL~15,~2~x~X
drain pgoutput~unix~100 relay_decode ratio_to_bare_reader 1 0.9 abc1234 2026-11-23 300000 PostgreSQL~17,~2~x~Y
memory 1~min~without~Kafka~at~1000/s relay peak_mb 1 29 abc1234 2026-11-22 60000
memory 10~min~without~Kafka~at~1000/s relay peak_mb 1 97 abc1234 2026-11-22 600000
growth backlog~of~10000 relay events_per_s 1 98000 abc1234 2026-11-22 10000
growth backlog~of~10000 relay mb_per_s 1 1 abc1234 2026-11-22 10000
growth backlog~of~1000000 relay events_per_s 1 100000 abc1234 2026-11-22 1000000
growth 1~keys relay events_per_s 1 90000 abc1234 2026-11-22 200000
growth 1~keys relay events_per_s 2 90000 abc1234 2026-11-22 200000
growth 10~keys relay events_per_s 1 100000 abc1234 2026-11-22 200000
growth 10~keys relay events_per_s 2 100000 abc1234 2026-11-22 200000
growth 10~keys relay events_per_s 3 100000 abc1234 2026-11-22 200000
growth backlog~of~1000000 relay mb_per_s 1 100 abc1234 2026-11-22 1000000
growth payload~of~100~bytes relay events_per_s 1 80000 abc1234 2026-11-22 200000
growth payload~of~1000~bytes relay events_per_s 1 60000 abc1234 2026-11-22 100000
growth payload~of~10000~bytes relay events_per_s 1 9900 abc1234 2026-11-22 10000
growth payload~of~10000~bytes relay mb_per_s 1 99 abc1234 2026-11-22 10000
growth payload~of~100000~bytes relay events_per_s 1 1000 abc1234 2026-11-22 1000
growth payload~of~100000~bytes relay mb_per_s 1 100 abc1234 2026-11-22 1000
orders 8~connections order_service requests_per_s 1 1 abc1234 2026-11-22 -
VALUES
report_medians >"$RUN/medians.tsv"
report_flatness "$RUN/medians.tsv" >"$RUN/flatness.tsv"
cat "$RUN/flatness.tsv" >>"$RUN/medians.tsv"

report_verdicts >"$RUN/out"
must_have 'a median and its spread' '| start of the process to streaming, ms | pgoutput tcp | 44 (40 to 60 of 3) | <= 50 | met |'
must_have 'one run is called one run' '| INSERT sent to an independent reader, p50, ms | 1000/s | 2.5 (one run) | < 2 | MISSED |'
must_have 'a target without a value' '| INSERT sent to an independent reader, p99, ms | | not measured | < 8 | *not measured* |'
must_have 'a setting without a value' '| growth: a backlog of five millions (--long) | backlog of 5000000 | not measured | | *not measured* |'
must_have 'a peer without a value' '| latency beside Debezium Server (--peers) | 5000/s | not measured | | *not measured* |'
must_have 'growth of backlogs' '| growth, events/s: slowest of all settings, of the fastest | backlog, 10000 to 1000000 | 0.98 (one run) | >= 0.95 | met |'
must_have 'small payloads, by events' '| growth, events/s: slowest of all settings, of the fastest | payload, 100 to 1000 | 0.75 (one run) | >= 0.95 | MISSED |'
must_have 'large payloads, by bytes' \
  '| growth, bytes/s where they dominate (10 kB and more): slowest of all settings, of the fastest | payload, 10000 to 100000 | 0.99 (one run) | >= 0.95 | met |'
must_have 'growth of several runs' '| growth, events/s: slowest of all settings, of the fastest | keys, 1 to 10 | 0.9 (medians of 2) | >= 0.95 | MISSED |'
must_have 'the faster of two readers' \
  '| decoding side / the faster of bare reader and pg_recvlogical | pgoutput unix 100 | 0.8 (one run) | >= 0.85 | MISSED |'
must_have 'ten minutes without Kafka' '| peak memory, MB | 10 min without Kafka at 1000/s | 97 (one run) | <= 96 | MISSED |'
! grep -F '| latency | 5000/s |' "$RUN/out" || exit 1 # it was measured
! grep -F '| 1 min without Kafka' "$RUN/out" || exit 1 # no target speaks of one minute

report_latency >"$RUN/out"
must_have 'a rate that was not held' '| 5000/s | relay | 9 |  |  |  |  |  |  | 55 | 4321 | 900, *not held* | 3000 |'

report_origins >"$RUN/out"
must_have 'values without a revision' '| start | all | earlier | earlier |  | earlier |'
must_have 'a figure of two revisions, the older' '| latency | 1000/s | earlier | earlier |  | earlier |'
must_have 'a figure of two revisions, the newer' '| latency | 5000/s | abc1234 | 2026-11-22 | 300000 | earlier |'
must_have 'backlogs of a figure' '| growth | all | abc1234 | 2026-11-22 | 10000, 1000000, 200000, 100000, 1000 | earlier |'
must_have 'a figure without a backlog' '| orders | all | abc1234 | 2026-11-22 |  | earlier |'
must_have 'one figure of two machines, the first' '| drain | pgoutput unix 100 | abc1234 | 2026-11-23 | 300000 | PostgreSQL 15, 2 x X |'
must_have 'one figure of two machines, the second' '| drain | pgoutput unix 100 | abc1234 | 2026-11-23 | 300000 | PostgreSQL 17, 2 x Y |'
echo "$checked lines"
