#!/usr/bin/env bash
# One allocation is refused, in the n-th call of malloc and its kin, for many n from the first call of the process on, in the relay and in its libraries alike. The
# relay goes on, or it ends in order, or by abort() (librdkafka's way, never glibc's, which says that the heap is damaged); it never crashes, hangs, finds a defect of its own
# (code 70), or writes something wrong. The next life finds all as it was.
#
# Kerberos is left out (gssencmode=disable): libpq asks it for credentials at each connection over TCP, and MIT's library as Debian 12 has it (krb5 1.20) uses memory that it
# was refused, and crashes. That is neither ours to mend nor to judge; a relay that needs no Kerberos need not ask for it either.
# row: R-08 malloc fails at the n-th call
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: slow
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

runs=$(times 10 100)
relay_set POSTGRES_URL "postgresql://relay@127.0.0.1:$PG_PORT/$DB?gssencmode=disable"
watch_start
relay_init
load_start --rate 60 --connections 3
await 'the first transactions' 30 load_has_committed 10
RELAY_SETTINGS+=("LD_PRELOAD=$ROOT/build/dev/tests/faults/malloc_fails.so" "MALLOC_FAILS_NOTE=$RUN/note")

is_over_or_confirmed() {
  ! kill -0 "${RELAY_PID[relay]}" 2>/dev/null || { slot_is_active && slot_has_confirmed "$lsn"; }
}
has_failed_or_is_over() {
  ! kill -0 "${RELAY_PID[relay]}" 2>/dev/null || grep -qs '^failed' "$RUN/note"
}
# What glibc writes before it aborts, where a block was freed twice, written beyond its end, or a check of its own failed.
heap_is_damaged() {
  grep -qaE '(free|malloc|calloc|realloc|munmap_chunk|mremap_chunk|malloc_consolidate)\(\): |double free|corrupted|detected \*\*\*|Fatal glibc error|malloc\.c:[0-9]' "${RELAY_LOG[relay]}"
}
# outcome WORD: one line of the table, with the call that failed
outcome() {
  printf '%-10s %-6s %s\n' "$1" "$number" "$(grep -m 1 '^failed' "$RUN/note" || echo 'not reached')" >>"$RUN/outcomes"
}
# The first twenty one by one; then half from the calls of the start, and half from the time of streaming.
for ((i = 1; i <= runs; i++)); do
  number=$((i % 2 == 0 ? 1 + $(random 5000) : 5000 + $(random 3000)))
  [ "$i" -gt 20 ] || number=$i
  rm -f "$RUN/note"
  fault_begins 'malloc fails'
  RELAY_SETTINGS+=("MALLOC_FAILS_AT=$number")
  relay_launch
  wait_until 10 has_failed_or_is_over 2>/dev/null || true
  lsn=$(wal_mark) # or what it had confirmed before would do
  if ! wait_until 40 is_over_or_confirmed 2>/dev/null; then
    outcome hangs
    tail -n 3 "${RELAY_LOG[relay]}" | cut -c 1-400
    relay_kill
  elif kill -TERM "${RELAY_PID[relay]}" 2>/dev/null && RELAY_EXIT[relay]='' && relay_ends relay 30 && [ "${RELAY_EXIT[relay]}" = 0 ]; then
    outcome 'goes on'
  else
    [ -n "${RELAY_EXIT[relay]:-}" ] || relay_ends relay 30
    case ${RELAY_EXIT[relay]} in
      134) if heap_is_damaged; then outcome 'CRASHES (heap)'; else outcome aborts; fi ;;
      70) outcome 'CRASHES (invariant)' ;;
      13[0-9] | 1[4-9][0-9]) outcome "CRASHES (${RELAY_EXIT[relay]})" ;;
      *) outcome "ends with ${RELAY_EXIT[relay]}" ;;
    esac
  fi
  RELAY_EXIT[relay]=''
  refused=0
  ! grep -qs '^failed' "$RUN/note" || refused=1
  fault_ends 'malloc fails' $refused
done
RELAY_SETTINGS+=("MALLOC_FAILS_AT=0")
relay_start
settle
relay_stop
verdict --only-unconfirmed
sed -E 's/^(.{10}).*/\1/' "$RUN/outcomes" | sort | uniq -c
grep -E '^(hangs|CRASHES)' "$RUN/outcomes" >"$RUN/bad" || true
cat "$RUN/bad"
refused=$(grep -c failed "$RUN/outcomes" || true)
figure 'calls refused' "$refused"
for word in 'goes on' aborts ends hangs CRASHES; do
  figure "of these: $word" "$(grep failed "$RUN/outcomes" | grep -c "^$word" || true)"
done
# Else nothing was tried: the library is not loaded, or fewer calls are made than are counted to.
assert_number 'calls refused' "$refused" '>=' $((runs * 9 / 10))
[ ! -s "$RUN/bad" ] || fail "a refused allocation made it crash or hang: $(wc -l <"$RUN/bad") of $runs"
