# The main figures of one result, on one line.
def round2: . * 100 | round / 100;
[ if .marks > 0 then "\(.marks) faults" else empty end,
  if .history then
    "\(.history.events) events",
    "repeated \(.history.duplicates)" + (if .history.faults > 0 then " (a fault: p50 \(.history.duplicates_per_fault_p50), max \(.history.duplicates_per_fault_max))" else "" end),
    if .history.recoveries > 0 then "recovery p50 \(.history.recovery_p50_s | round2) s, max \(.history.recovery_max_s | round2) s" else empty end
  else empty end,
  (.figures[] | "\(.name) \(.value)" + (if .unit == "" or .unit == null then "" else " \(.unit)" end)),
  if .remark == "" then empty else .remark end
] | join("; ")
