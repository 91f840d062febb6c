# The report's tables, from all results (slurped), $rows (tests/faults/rows.txt without its comments) $gaps (lines) and
# $partial (yes where only some scenarios were wanted).
def round2: . * 100 | round / 100;
def cell: gsub("\\|"; "\\|") | gsub("\n"; " ");
def figures:
  [ if .marks > 0 then "\(.marks) faults" else empty end,
    if .history then
      "\(.history.events) events",
      "repeated \(.history.duplicates)" + (if .history.faults > 0 then ", a fault: p50 \(.history.duplicates_per_fault_p50), max \(.history.duplicates_per_fault_max)" else "" end),
      if .history.recoveries > 0 then "recovery p50 \(.history.recovery_p50_s | round2) s, max \(.history.recovery_max_s | round2) s" else empty end,
      "at most \(.history.unseen_max) unseen"
    else empty end,
    (.figures[] | "\(.name) \(.value)" + (if .unit == "" or .unit == null then "" else " \(.unit)" end)),
    if .remark == "" then empty else .remark end
  ] | join("; ");
# Of a history: how many repetitions, by what was judged to bound them; nothing is claimed of one that does not say.
def repeated: .repeated // {window: 0, confirmed: 0, neither: .duplicates};
def sum(f): map(f) | add // 0;
def largest(f): map(f) | max // 0;

. as $results
| [$results[] | select(.history)] as $histories
| [$rows | split("\n")[] | select(. != "") | split(" | ") | {id: .[0], fault: .[1], expects: .[2], reason: .[3]}] as $matrix
| "## Totals", "",
  "| figure | value |", "|---|---:|",
  "| scenarios: passed, failed, skipped | \([$results[] | select(.verdict == "ok")] | length), \([$results[] | select(.verdict == "FAIL")] | length), \([$results[] | select(.verdict == "SKIP")] | length) |",
  "| faults injected, on real servers | \($results | sum(.marks)) |",
  "| faults begun that met nothing, not among these | \($results | sum(.missed // 0)) |",
  "| events committed, in \($histories | length) judged histories | \($histories | sum(.history.events)) |",
  "| lost | \($histories | sum(.history.findings.lost)) |",
  "| invented | \($histories | sum(.history.findings.phantom)) |",
  "| out of order within a key | \($histories | sum(.history.findings.order)) |",
  "| changed bytes | \($histories | sum(.history.findings.bytes)) |",
  "| confirmed before Kafka had it | \($histories | sum(.history.findings.confirmed)) |",
  "| repetitions that are no adjacent replay, or, where that is judged, of what had been confirmed or lay behind the window | \($histories | sum(.history.findings.duplicates)) |",
  (if ($histories | sum(.history.waived | add // 0)) > 0
   then "| found where the scenario itself broke the guarantee, and waived | \($histories | map(. as $run | .history.waived | to_entries[] | select(.value > 0) | "\(.key) \(.value) in `\($run.name)`") | join(", ") | cell) |"
   else empty end),
  "| repeated, and judged against the window | \($histories | sum(.history | repeated.window)) |",
  "| repeated, and judged only against what PostgreSQL had been told, and had not forgotten when it was killed | \($histories | sum(.history | repeated.confirmed)) |",
  "| repeated, and judged against neither (mostly where two relays publish) | \($histories | sum(.history | repeated.neither)) |",
  "| repeated, mean of a fault | \(if ($histories | sum(.history.faults)) > 0 then ($histories | sum(.history.duplicates)) / ($histories | sum(.history.faults)) | round2 else "-" end) |",
  "| repeated, most after one fault | \($histories | largest(.history.duplicates_per_fault_max)) |",
  "| worst recovery from a fault, s | \($histories | largest(.history.recovery_max_s) | round2) |",
  "",
  "## Rows", "",
  "| row | fault | expected | scenario | verdict | figures |", "|---|---|---|---|---|---|",
  ($matrix[] | . as $row
    | [$results[] | select(.ids | index($row.id))] as $runs
    | if ($runs | length) == 0 then empty
      else $runs[] | "| \($row.id) | \($row.fault | cell) | \($row.expects | cell) | `\(.name)` | \(.verdict), \(.seconds | round) s | \(figures | cell) |" end),
  "",
  ( [$matrix[] | . as $row | select([$results[] | select(.verdict != "SKIP") | select(.ids | index($row.id))] | length == 0)] as $missing
    | if ($missing | length) == 0 or $partial == "yes" then empty
      else "## Rows not covered by this run", "", ($missing[] | "- \(.id) \(.fault)\(if .reason then ": " + .reason else "" end)"), "" end ),
  ( if $gaps == "" then empty else "## Rows without a scenario and without a reason", "", ($gaps | split("\n")[] | "- \(.)"), "" end ),
  "## Events unseen over time", "",
  "Committed, and not yet appended by Kafka; the bars are faults.", "",
  ($histories[] | select(.svg != "") | "![\(.name)](\(.svg))", "")
