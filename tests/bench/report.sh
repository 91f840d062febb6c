# shellcheck shell=bash
# report.sh - medians and spread of build/reports/bench.tsv, each figure against its target, and plots: build/reports/bench.md, and with --publish docs/benchmarks.md.
#
# A line of bench.tsv is FIGURE SETTING SYSTEM METRIC ROUND VALUE REVISION DAY EVENTS MACHINE, a tab apart; the last four, or the machine, are missing where a value is of before they were kept.

# A line per target: figure, metric, system, comparison, bound, words, setting (a pattern of awk). Every setting that fits is judged.
report_targets() {
  cat <<'TARGETS'
drain|ratio_to_pg_recvlogical|relay_decode|>=|2|decoding side / pg_recvlogical to /dev/null|tcp 1$
drain|ratio_to_faster_reader|relay_decode|>=|0.85|decoding side / the faster of bare reader and pg_recvlogical|.
drain|ratio_to_debezium_lean_cold|relay|>=|3|drain to Kafka by TCP / lean Debezium Server, cold|tcp
drain|ratio_to_debezium_lean|relay|>=|3|drain to Kafka by TCP / lean Debezium Server, warm|tcp
drain|ratio_to_debezium_lean_cold|relay|>=|4|drain to Kafka by Unix socket / lean Debezium Server, cold|unix
drain|ratio_to_debezium_lean|relay|>=|4|drain to Kafka by Unix socket / lean Debezium Server, warm|unix
drain|cpu_ratio_to_pg_recvlogical|relay|<=|0.5|relay's CPU to Kafka / pg_recvlogical's| 1$
drain|cpu_ratio_to_pg_recvlogical|relay|<=|1|relay's CPU to Kafka / pg_recvlogical's| 100$
drain|cpu_s_per_million|relay|<=|7|relay's CPU to Kafka, s per million events| 1$
drain|cpu_s_per_million|relay|<=|4.5|relay's CPU to Kafka, s per million events| 100$
latency|insert_to_reader_p50_ms|relay|<|2|INSERT sent to an independent reader, p50, ms|^1000/s$
latency|insert_to_reader_p99_ms|relay|<|8|INSERT sent to an independent reader, p99, ms|^1000/s$
latency|cpu_percent|relay|<=|20|relay, % of a core|^1000/s$
latency|peak_mb|relay|<=|24|peak resident memory, steady, MB|.
latency|insert_to_reader_p50_ms|relay_unix|<|2|the relay on a Unix socket: INSERT sent to an independent reader, p50, ms|^1000/s$
latency|insert_to_reader_p99_ms|relay_unix|<|8|the relay on a Unix socket: INSERT sent to an independent reader, p99, ms|^1000/s$
memory|peak_mb|relay|<=|48|peak memory, MB|one transaction
memory|peak_mb|relay|<=|96|peak memory, MB|^10 min without Kafka
start|process_to_streaming_ms|relay|<=|50|start of the process to streaming, ms|.
start|process_to_first_record_ms|relay|<=|100|start of the process to the broker's append of the first record, ms|.
growth|flat_events_per_s|relay|>=|0.95|growth, events/s: slowest of all settings, of the fastest|.
growth|flat_mb_per_s|relay|>=|0.95|growth, bytes/s where they dominate (10 kB and more): slowest of all settings, of the fastest|.
growth|flat_peak_mb|relay|>=|0.95|growth: least peak memory of all settings, of the greatest|.
orders|ratio_to_pgbench|order_service|>=|0.7|orders/s of order-service / pgbench with the same rows|.
orders|ratio_to_pgbench|order_service_2n|>=|0.7|the same with twice as many clients|.
TARGETS
}

# What a whole report has beside the targets, a line each: figure, setting, system, words. Where there is no value of it, the report says so.
report_settings() {
  cat <<'SETTINGS'
growth|backlog of 5000000|relay|growth: a backlog of five millions (--long)
drain|pgoutput tcp all|debezium_lean|drain of one large transaction beside Debezium Server (--peers)
latency|100/s|debezium_lean|latency beside Debezium Server (--peers)
latency|1000/s|debezium_lean|latency beside Debezium Server (--peers)
latency|5000/s|relay|latency
latency|5000/s|relay_unix|latency by Unix socket
latency|5000/s|debezium_lean|latency beside Debezium Server (--peers)
memory|10 min without Kafka at 1000/s|relay|memory: ten minutes without Kafka (--long)
SETTINGS
}

report_begins() {
  REPORT_LOAD=$(cut -d ' ' -f 1-3 /proc/loadavg)
  REPORT_BEGAN=$SECONDS
}

report_machine() {
  local memory
  memory=$(awk '/^MemTotal:/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
  echo "The machine of the last run that added to this: $BENCH_MACHINE, $memory GB. Which values are of another one is in the table below."
  echo "PostgreSQL has fsync on; Apache Kafka $(kafka_version), one node, $BENCH_PARTITIONS partitions; all on the loopback interface, sharing the processors."
  echo "Payloads have 250 bytes where the setting says nothing else. Figures are medians (smallest to largest of how many runs)."
  echo "The last run: $("$ROOT/build/release/cdc-relay/cdc-relay" version | head -n 1), revision $BENCH_REVISION${BENCH_SET[*]:+, with ${BENCH_SET[*]}}; $BENCH_KIND run, \`--only $BENCH_ONLY\`, $((SECONDS - REPORT_BEGAN)) s; load when it began $REPORT_LOAD, when it ended $(cut -d ' ' -f 1-3 /proc/loadavg)."
}

# Which revision, day and machine the values of a figure are of, and which backlogs. Its settings are named where they are of more than one.
report_origins() {
  printf '| figure | settings | revision | day | events | machine |\n|---|---|---|---|---|---|\n'
  awk -F '\t' '
    NR > 1 {
      revision = $7 == "" ? "earlier" : $7; day = $8 == "" ? "earlier" : $8
      machine = $10 == "" ? "earlier" : $10
      key = $1 SUBSEP revision SUBSEP day SUBSEP machine
      if (!(key in seen)) { seen[key] = 1; order[++keys] = key; origins[$1]++ }
      if (!((key, "of", $2) in seen)) { seen[key, "of", $2] = 1; settings[key] = settings[key] (settings[key] == "" ? "" : "; ") $2 }
      if ($9 != "" && $9 != "-" && !((key, $9) in seen)) { seen[key, $9] = 1; events[key] = events[key] (events[key] == "" ? "" : ", ") $9 }
    }
    END {
      for (k = 1; k <= keys; k++) {
        key = order[k]; split(key, name, SUBSEP)
        printf "| %s | %s | %s | %s | %s | %s |\n", name[1], (origins[name[1]] > 1 ? settings[key] : "all"), name[2], name[3], events[key], name[4]
      }
    }' "$BENCH_TSV" | sort -s -t '|' -k 2,2
}

# figure TAB setting TAB system TAB metric TAB median TAB smallest TAB largest TAB runs, in the order of their first line.
report_medians() {
  awk -F '\t' -v OFS='\t' '
    NR > 1 {
      key = $1 OFS $2 OFS $3 OFS $4
      if (!(key in count)) { order[++keys] = key }
      value[key, ++count[key]] = $6 + 0
    }
    END {
      for (k = 1; k <= keys; k++) {
        key = order[k]; n = count[key]
        for (i = 1; i <= n; i++) { sorted[i] = value[key, i] }
        for (i = 2; i <= n; i++) {
          x = sorted[i]
          for (j = i - 1; j > 0 && sorted[j] > x; j--) { sorted[j + 1] = sorted[j] }
          sorted[j + 1] = x
        }
        print key, (sorted[int((n + 1) / 2)] + sorted[int(n / 2) + 1]) / 2, sorted[1], sorted[n], n
      }
    }' "$BENCH_TSV"
}

# How flat a row of settings is, as lines like those of report_medians: the smallest median of the largest, of so many runs as each setting has at least. A row is what the settings have in common besides a number:
# backlog, tables, keys, payload, and it is named with its least and its largest one. Large payloads are compared by their bytes, everything else by its events.
report_flatness() {
  awk -F '\t' -v OFS='\t' '
    $1 == "growth" && $3 == "relay" {
      number = $2; gsub(/[^0-9]/, "", number); number += 0
      row = $2; gsub(/of |bytes|[0-9]| /, "", row)
      if ($4 != "peak_mb" && $4 != (row == "payload" && number >= 10000 ? "mb_per_s" : "events_per_s")) { next }
      key = row SUBSEP $4
      if (!(key in count)) { order[++keys] = key; least[key] = $5; most[key] = $5; from[key] = number; to[key] = number; runs[key] = $8 }
      count[key]++
      if ($8 < runs[key]) { runs[key] = $8 }
      if ($5 < least[key]) { least[key] = $5 }
      if ($5 > most[key]) { most[key] = $5 }
      if (number < from[key]) { from[key] = number }
      if (number > to[key]) { to[key] = number }
    }
    END {
      for (k = 1; k <= keys; k++) {
        key = order[k]; split(key, name, SUBSEP)
        if (count[key] > 1) {
          flat = least[key] / most[key]
          print "growth", sprintf("%s, %d to %d", name[1], from[key], to[key]), "relay", "flat_" name[2], flat, flat, flat, runs[key]
        }
      }
    }' "$1"
}

report_verdicts() {
  awk -F '\t' -v budget="$(report_targets)" -v whole="$(report_settings)" '
    { line[NR] = $0; has[$1, $2, $3] = 1 }
    END {
      targets = split(budget, target, "\n")
      for (t = 1; t <= targets; t++) {
        split(target[t], b, "|")
        judged = 0
        for (i = 1; i <= NR; i++) {
          split(line[i], v, "\t")
          if (v[1] != b[1] || v[4] != b[2] || v[3] != b[3] || v[2] !~ b[7]) { continue }
          judged++
          met = b[4] == "<" ? v[5] < b[5] : b[4] == "<=" ? v[5] <= b[5] : v[5] >= b[5]
          spread = v[4] ~ /^flat_/ && v[8] > 1 ? " (medians of " v[8] ")" : v[8] > 1 ? sprintf(" (%.3g to %.3g of %d)", v[6], v[7], v[8]) : v[8] == 1 ? " (one run)" : ""
          printf "| %s | %s | %.3g%s | %s %s | %s |\n", b[6], v[2], v[5], spread, b[4], b[5], met ? "met" : "MISSED"
        }
        if (!judged) { printf "| %s | | not measured | %s %s | *not measured* |\n", b[6], b[4], b[5] }
      }
      settings = split(whole, setting, "\n")
      for (s = 1; s <= settings; s++) {
        split(setting[s], w, "|")
        if (!((w[1], w[2], w[3]) in has)) { printf "| %s | %s | not measured | | *not measured* |\n", w[4], w[2] }
      }
    }' "$RUN/medians.tsv"
}

report_values() {
  awk -F '\t' '{ printf "| %s | %s | %s | %s | %.5g | %.5g | %.5g | %s |\n", $1, $2, $3, $4, $5, $6, $7, $8 }' "$RUN/medians.tsv"
}

# report_plot NAME TITLE UNIT FIGURE METRIC SYSTEMS SETTINGS: a pattern each for the last three. With several metrics they are the series.
report_plot() {
  local file=$REPORT_PLOTS/$1.svg
  awk -F '\t' -v OFS='\t' -v figure="$4" -v metric="^($5)\$" -v who="^($6)\$" -v setting="$7" '
    $1 == figure && $4 ~ metric && $3 ~ who && $2 ~ setting { print $2, metric ~ /\|/ ? $3 " " $4 : $3, $5, $6, $7 }' "$RUN/medians.tsv" |
    awk -F '\t' -v title="$2" -v unit="$3" -f "$ROOT/tests/bench/plot.awk" >"$file"
  if [ -s "$file" ]; then
    printf '![%s](%s/%s.svg)\n\n' "$2" "${REPORT_PLOTS##*/}" "$1"
  else
    rm -f "$file"
  fi
}

report_plots() {
  mkdir -p "$REPORT_PLOTS"
  rm -f "$REPORT_PLOTS"/*.svg
  report_plot drain 'Drain of a backlog to Kafka (pg_recvlogical: to /dev/null; Debezium Server: warm, and from its first record on)' events/s drain events_per_s 'relay|debezium_.*|pg_recvlogical' .
  report_plot decode 'The decoding side alone: a publisher that settles at once' events/s drain events_per_s 'relay_decode|bare_reader|pg_recvlogical' .
  report_plot cpu 'CPU of the draining process' 's per million events' drain cpu_s_per_million 'relay|relay_decode|bare_reader|pg_recvlogical' .
  report_plot cpu-peers 'CPU of the draining process, beside Debezium Server' 's per million events' drain cpu_s_per_million 'relay|debezium_.*' '^pgoutput tcp [0-9]'
  report_plot latency 'INSERT to an independent reader' ms latency 'insert_to_reader_p50_ms|insert_to_reader_p99_ms' 'relay|relay_unix|debezium_.*' .
  report_plot orders 'Orders over HTTP, and the same rows by pgbench' requests/s orders requests_per_s '.*' .
  report_plot orders-cpu 'CPU of the database for an order' 's per 1,000' orders database_cpu_s_per_1000 '.*' .
  report_plot consumers 'Effects of a consumer, and the same statements by pgbench' events/s consumers events_per_s '.*' .
  report_plot growth 'Growth: rate' events/s growth events_per_s relay .
  report_plot memory 'Growth: peak memory' MB growth peak_mb relay .
}

# Latency: a line per rate and system. A rate that the writer did not hold, since the machine was full, is marked: then figures are those of a queue.
REPORT_BEHIND_MS=100

report_latency() {
  awk -F '\t' -v behind_ms=$REPORT_BEHIND_MS '
    function figure(number) { return sprintf(number >= 1000 ? "%.0f" : "%.3g", number) }
    function cell(who, metric) { return (setting SUBSEP who SUBSEP metric) in value ? figure(value[setting, who, metric]) : "" }
    $1 == "latency" {
      if ($3 !~ /^writer/ && !(($2, $3) in seen)) { seen[$2, $3] = 1; order[++lines] = $2 SUBSEP $3 }
      value[$2, $3, $4] = $5
    }
    END {
      if (lines == 0) { exit }
      print "## Latency\n"
      print "Milliseconds from before the INSERT was sent to an independent reader, and from the commit to the acknowledgement as the relay counts it; Poisson arrivals, one row per transaction."
      print "The last four columns are the writer'"'"'s own: its COMMIT at p99 (a slow one is in the latency of its row), the rate that it reached, and how far it was behind its schedule, at the median and at p99: a row that is written late is measured from when it was written. Where it says *not held*, the machine was full, and the figures are those of a queue.\n"
      print "| rate | system | reader p50 | p99 | p99.9 | acknowledged p50 | p99 | p99.9 | % of a core | writer'"'"'s COMMIT p99 | written/s | writer behind, p50 | p99 |"
      print "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
      for (l = 1; l <= lines; l++) {
        split(order[l], name, SUBSEP); setting = name[1]
        late = value[setting, "writer_beside_" name[2], "behind_schedule_p50_ms"]
        written = value[setting, "writer_beside_" name[2], "rows_per_s"]
        printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s%s | %s |\n", setting, name[2], cell(name[2], "insert_to_reader_p50_ms"), cell(name[2], "insert_to_reader_p99_ms"),
          cell(name[2], "insert_to_reader_p999_ms"), cell(name[2], "commit_to_ack_p50_ms"), cell(name[2], "commit_to_ack_p99_ms"), cell(name[2], "commit_to_ack_p999_ms"),
          cell(name[2], "cpu_percent"), cell("writer_beside_" name[2], "commit_p99_ms"), (written == "" ? "" : sprintf("%.0f", written)), cell("writer_beside_" name[2], "behind_schedule_p50_ms"), (late > behind_ms ? ", *not held*" : ""), cell("writer_beside_" name[2], "behind_schedule_p99_ms")
      }
      print ""
    }' "$RUN/medians.tsv"
}

# Services and consumers beside pgbench: a line per system. A column that a system has no figure for is empty.
report_services() {
  awk -F '\t' '
    function cell(metric) { return (key SUBSEP metric) in value ? sprintf("%.3g", value[key, metric]) : "" }
    function rate(metric) { return (key SUBSEP metric) in value ? sprintf("%.0f", value[key, metric]) : "" }
    $1 == "orders" || $1 == "consumers" {
      key = $1 SUBSEP $2 SUBSEP $3
      if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
      value[key, $4] = $5
    }
    END {
      if (keys == 0) { exit }
      print "## Services and consumers\n"
      print "order-service and a consumer, each beside pgbench with the same statements on as many connections in the same round: `pgbench` waits for each statement, `pgbench_pipelined`"
      print "sends a transaction in one piece. Ratios are medians of the rounds; CPU is in seconds per 1,000 requests or events. How: tests/bench/orders.sh, consumers.sh.\n"
      print "| what | setting | system | per second | ratio to pgbench | to pgbench_pipelined | p50, ms | p99, ms | own CPU | CPU of PostgreSQL | round trips |"
      print "|---|---|---|---|---|---|---|---|---|---|---|"
      for (k = 1; k <= keys; k++) {
        key = order[k]; split(key, name, SUBSEP)
        if (name[1] == "consumers") {
          value[key, "cpu_s_per_1000"] = value[key, "cpu_s_per_million"] / 1000; value[key, "database_cpu_s_per_1000"] = value[key, "database_cpu_s_per_million"] / 1000
        }
        printf "| %s | %s | %s | %s%s | %s | %s | %s | %s | %s | %s | %s |\n", name[1], name[2], name[3], rate("requests_per_s"), rate("events_per_s"), cell("ratio_to_pgbench"),
          cell("ratio_to_pgbench_pipelined"), cell("p50_ms"), cell("p99_ms"), cell("cpu_s_per_1000"), cell("database_cpu_s_per_1000"), cell("round_trips")
      }
      print ""
    }' "$RUN/medians.tsv"
}

# report_text: what the report says, in Markdown.
report_text() {
  # shellcheck disable=SC2016
  printf '# Benchmarks\n\nWritten by %s; what was tried, and why it is so, is in [decisions.md](%s); the limits that hold, and the reason for each target that is missed, are in [benchmarks-profile.md](%s).\n\n' '`./dev bench`' "$1" "${1%decisions.md}benchmarks-profile.md"
  report_machine
  printf '\n## Where each figure comes from\n\n'
  # shellcheck disable=SC2016
  printf 'Revisions are those of the sources; *earlier*: from before they, or the machine, were kept with each value. What is compared was measured in one run; do not compare figures from different lines of this table. Events: of a backlog, or written in all.\n\n'
  report_origins
  printf '\n## Against the targets\n\n'
  # shellcheck disable=SC2016
  printf 'A slash is a ratio within one round. Of one large transaction the faster reader is the bare one. Debezium Server is tuned and lean, reads with pgoutput over TCP whatever the relay does, and is measured minutes before or behind it; *cold* is from its first record on, as the figure to beat was had, *warm* behind its warm-up ([why both](%s#what-a-benchmark-compares)).\n\n' "$1"
  printf '| figure | setting | measured | target | |\n|---|---|---|---|---|\n'
  report_verdicts
  printf '\n'
  report_latency
  report_services
  printf '## Plots\n\n'
  report_plots
  printf '## All figures\n\nSettings of a drain: plugin, transport, events per transaction. Systems: see tests/bench/drain.sh.\n\n'
  printf '| figure | setting | system | metric | median | smallest | largest | runs |\n|---|---|---|---|---|---|---|---|\n'
  report_values
}

report_write() {
  report_medians >"$RUN/medians.tsv"
  report_flatness "$RUN/medians.tsv" >"$RUN/flatness.tsv"
  cat "$RUN/flatness.tsv" >>"$RUN/medians.tsv"
  REPORT_PLOTS=$ROOT/build/reports/benchmarks
  report_text ../../docs/decisions.md >"$ROOT/build/reports/bench.md"
  cat "$ROOT/build/reports/bench.md"
  say "written to build/reports/bench.md, every value to build/reports/bench.tsv"
  if [ "$BENCH_PUBLISH" = yes ]; then
    REPORT_PLOTS=$ROOT/docs/benchmarks
    report_text decisions.md >"$ROOT/docs/benchmarks.md"
    cp "$BENCH_TSV" "$REPORT_PLOTS/values.tsv"
    say "written to docs/benchmarks.md and docs/benchmarks, every value to docs/benchmarks/values.tsv"
  fi
}
