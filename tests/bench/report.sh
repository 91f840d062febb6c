# shellcheck shell=bash
# report.sh - medians and spread of build/reports/bench.tsv, and each figure against the budget: build/reports/bench.md, and the same on the terminal.

# A line per promise: figure, metric, system, comparison, bound, words. Every setting of the figure is judged.
report_budget() {
  cat <<'BUDGET'
drain|ratio_to_pg_recvlogical|relay|>=|1|drain to Kafka, of pg_recvlogical to /dev/null (same run)
drain|cpu_s_per_million|relay|<|8|relay's CPU, s per million events
memory|peak_mb|relay|<|48|peak memory while it passes, MB
latency|steady_rss_mb|relay|<|24|resident memory, steady, MB
start|process_to_streaming_ms|relay|<|100|start of the process to streaming, ms
latency|insert_to_reader_p50_ms|reader|<|2|INSERT sent to an independent reader, median, ms (wanted later)
BUDGET
}

report_begins() {
  REPORT_LOAD=$(cut -d ' ' -f 1-3 /proc/loadavg)
  REPORT_BEGAN=$SECONDS
}

report_machine() {
  local cpu memory
  cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
  memory=$(awk '/^MemTotal:/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
  echo "Machine: $(nproc) x ${cpu:-$(uname -m)}, $memory GB, Linux $(uname -r); load when it began $REPORT_LOAD, when it ended $(cut -d ' ' -f 1-3 /proc/loadavg)."
  echo "PostgreSQL $(bench_sql -c 'SHOW server_version'), fsync on; Apache Kafka $(kafka_version), one node, $BENCH_PARTITIONS partitions; all on the loopback interface, sharing the processors."
  echo "Relay: $("$ROOT/build/release/cdc-relay/cdc-relay" version | head -n 1)${BENCH_SET[*]:+, with ${BENCH_SET[*]}}."
  echo "Backlog: $BENCH_EVENTS events with a payload of 250 bytes; $BENCH_ROUNDS round(s), median (smallest to largest); $BENCH_KIND run, $((SECONDS - REPORT_BEGAN)) s."
}

# figure TAB setting TAB system TAB metric TAB median TAB smallest TAB largest, in the order of their first line.
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
        print key, (sorted[int((n + 1) / 2)] + sorted[int(n / 2) + 1]) / 2, sorted[1], sorted[n]
      }
    }' "$BENCH_TSV"
}

report_verdicts() {
  awk -F '\t' -v budget="$(report_budget)" '
    { line[NR] = $0 }
    END {
      targets = split(budget, target, "\n")
      for (t = 1; t <= targets; t++) {
        split(target[t], b, "|")
        for (i = 1; i <= NR; i++) {
          split(line[i], v, "\t")
          if (v[1] != b[1] || v[4] != b[2] || v[3] != b[3]) { continue }
          met = b[4] == "<" ? v[5] < b[5] : v[5] >= b[5]
          printf "| %s | %s | %.3g (%.3g to %.3g) | %s %s | %s |\n", b[6], v[2], v[5], v[6], v[7], b[4], b[5], met ? "met" : "MISSED"
        }
      }
    }' "$RUN/medians.tsv"
}

report_values() {
  awk -F '\t' '{ printf "| %s | %s | %s | %s | %.5g | %.5g | %.5g |\n", $1, $2, $3, $4, $5, $6, $7 }' "$RUN/medians.tsv"
}

report_write() {
  local report=$ROOT/build/reports/bench.md
  report_medians >"$RUN/medians.tsv"
  {
    printf '# Benchmark\n\n'
    report_machine
    printf '\n## Against the budget\n\n| figure | setting | measured | target | |\n|---|---|---|---|---|\n'
    report_verdicts
    printf '\n## All figures\n\nSettings of a drain: plugin, transport, events per transaction.\n\n'
    printf '| figure | setting | system | metric | median | smallest | largest |\n|---|---|---|---|---|---|---|\n'
    report_values
  } >"$report"
  cat "$report"
  say "written to build/reports/bench.md, every value to build/reports/bench.tsv"
}
