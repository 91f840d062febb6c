#!/usr/bin/env bash
# Clients abuse the admin port while the relay is under load: requests that never end, half and much too large ones, methods and paths that are none, hundreds of
# requests in one piece, clients that ask and never read, noise, resets. Nothing but 4xx comes back where a request is no good, other clients are answered meanwhile,
# events go on to Kafka at their usual pace, descriptors are afterwards what they were, and memory is what the first round of it made it: all of it comes twice.
# row: H-01 HTTP abuse: slowloris x500, 10 MB headers, bad methods, path traversal, pipelining
# expects: O1 O2 O3 O4 O7 O8 O9, 4xx where an answer is due, a second round gains no memory
# tags: asan
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

seconds=$(times 1 5)
watch_start
relay_init
relay_start
load_start --rate 100 --connections 4
await 'the first transactions' 30 load_has_committed 20
port=${RELAY_PORT[relay]}

relay_rss_kb() {
  awk '/^VmRSS/ { print $2 }' "/proc/${RELAY_PID[relay]}/status"
}
relay_fds() {
  find "/proc/${RELAY_PID[relay]}/fd" -mindepth 1 | wc -l
}

# An honest client: a new connection for each question, ten a second. Its answers are lines STATUS SECONDS.
honest_asks() {
  while :; do
    curl -s -o /dev/null --max-time 20 -w '%{http_code} %{time_total}\n' "http://127.0.0.1:$port/metrics" || true
    sleep 0.1
  done >>"$RUN/answers"
}
# Once the largest buffers are there, so that growth shows and not the first use.
for page in livez readyz metrics status; do
  relay_get /$page >/dev/null
done
rss=$(relay_rss_kb)
figure 'memory before' "$rss" kB
fds=$(relay_fds)
honest_asks &
honest=$!
printf '%s %s %s %s\n' honest "$honest" "$(process_started $honest)" TERM >>"$RUN/processes"

# abuse KIND LEAST [OPTION...]: so many connections at least were established; the counts are in $RUN/abuse.KIND
abuse() {
  local kind=$1 least=$2
  shift 2
  fault_begins "$kind"
  timeout 90 "$FAULTS/http_abuse" "$kind" "$port" --seconds "$seconds" --seed "$FAULTS_SEED" "$@" >"$RUN/abuse.$kind"
  fault_ends "$kind"
  cat "$RUN/abuse.$kind"
  assert_number "connections opened: $kind" "$(jq .opened "$RUN/abuse.$kind")" '>=' "$least"
}
# statuses_of KIND: the statuses that came, without repetition
statuses_of() {
  jq -r '.statuses | keys | join(" ")' "$RUN/abuse.$1"
}
# count_of KIND FILTER
count_of() {
  jq "$2" "$RUN/abuse.$1"
}
answered='[.statuses[]] | add // 0'

abuses() {
  abuse methods 11
  assert_match 'statuses of bad methods' '^(40[0-9] ?)+$' "$(statuses_of methods)"
  assert_eq 'bad methods that were answered' 11 "$(count_of methods "$answered")"
  abuse paths 9
  assert_match 'statuses of bad paths' '^(40[0-9] ?)+$' "$(statuses_of paths)"
  assert_eq 'bad paths that were answered' 9 "$(count_of paths "$answered")"
  abuse headers 4
  # The last of that list has a legal head, and a body of 10 MB that is not taken in.
  assert_match 'statuses of what is too large' '^(200 )?(4[0-9][0-9] ?)+$' "$(statuses_of headers)"
  assert_number 'bytes of 40 MB that the relay took from the network before it refused' "$(count_of headers .sent_bytes)" '<=' 30000000
  abuse pipeline 1
  assert_eq 'answers to 501 requests in one piece' 501 "$(count_of pipeline '.statuses["200"]')"
  abuse slowloris 500 --connections 500 --sources 20
  assert_eq 'answers to requests that never end' '' "$(statuses_of slowloris)"
  abuse half 500 --connections 500
  assert_eq 'answers to half requests' '' "$(statuses_of half)"
  assert_number 'half requests that were ended' "$(count_of half .silent)" '>=' 1
  abuse garbage 100 --connections 100
  assert_match 'statuses of noise' '^(4[0-9][0-9] ?)+$' "$(statuses_of garbage)"
  abuse resets 1000 --connections 200
  abuse deaf 100 --connections 100
  assert_number 'bytes asked by who does not read' "$(count_of deaf .sent_bytes)" '>=' 1000000
}

descriptors_are_back() {
  [ "$(relay_fds)" -le $((fds + 2)) ]
}
# What the first round has left is there to be used again: the second one takes next to nothing more.
gained=()
for round in first second; do
  abuses
  await 'descriptors as before' 30 descriptors_are_back
  gained+=($(($(relay_rss_kb) - rss)))
  rss=$((rss + gained[-1]))
  figure "memory gained by the $round round" "${gained[-1]}" kB
done
kill "$honest" 2>/dev/null || true
wait "$honest" 2>/dev/null || true

assert_eq 'liveness afterwards' 200 "$(relay_get_status /livez)"
figure 'answers to other clients' "$(wc -l <"$RUN/answers")"
assert_number 'answers to other clients' "$(wc -l <"$RUN/answers")" '>=' 20
assert_eq 'other clients that had no answer' 0 "$(awk '$1 != 200' "$RUN/answers" | wc -l)"
cut -d ' ' -f 2 "$RUN/answers" | sort -n >"$RUN/seconds"
figure 'answer p50' "$(awk '{ v[NR] = $1 } END { print v[int((NR + 1) * 0.5)] * 1000 }' "$RUN/seconds")" ms
figure 'answer p99' "$(awk '{ v[NR] = $1 } END { print v[int(NR * 0.99) ? int(NR * 0.99) : 1] * 1000 }' "$RUN/seconds")" ms
assert_number 'seconds of the slowest answer' "$(tail -n 1 "$RUN/seconds")" '<' 15
if [ "${BUILD##*/}" != asan ]; then
  assert_number 'kB of memory gained by the first round' "${gained[0]}" '<=' 8000
  assert_number 'kB of memory gained by the second round' "${gained[1]}" '<=' 1000
fi
assert_eq 'state' streaming "$(relay_state)"
settle
verdict
delay=$(jq .delay_p99_ms "$RUN/verdict.json")
figure 'commit to Kafka p99 meanwhile' "$delay" ms
# Generous: 500 clients, who makes them, and the relay share what cores there are.
[ "${BUILD##*/}" = asan ] || assert_number 'ms from commit to Kafka meanwhile, p99' "$delay" '<=' 2000
assert_eq 'records that came twice' 0 "$(jq .duplicates "$RUN/verdict.json")"
