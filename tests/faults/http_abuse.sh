#!/usr/bin/env bash
# Clients abuse the admin port while the relay is under load: requests that never end, half and much too large ones, methods and paths that are none, hundreds of
# requests in one piece, clients that ask and never read, noise, resets. Nothing but 4xx comes back where a request is no good, other clients are answered meanwhile,
# events go on to Kafka at their usual pace, and memory and descriptors are afterwards what they were.
# row: H-01 HTTP abuse: slowloris x500, 10 MB headers, bad methods, path traversal, pipelining
# expects: O1 O2 O3 O4 O7 O8 O9
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
fds=$(relay_fds)
honest_asks &
honest=$!
printf '%s %s %s %s\n' honest "$honest" "$(process_started $honest)" TERM >>"$RUN/processes"

# abuse KIND [OPTION...]: the counts are in $RUN/abuse.KIND
abuse() {
  fault_begins "$1"
  timeout 90 "$FAULTS/http_abuse" "$1" "$port" --seconds "$seconds" --seed "$FAULTS_SEED" "${@:2}" >"$RUN/abuse.$1"
  fault_ends "$1"
  cat "$RUN/abuse.$1"
}
# statuses_of KIND: the statuses that came, without repetition
statuses_of() {
  jq -r '.statuses | keys | join(" ")' "$RUN/abuse.$1"
}

abuse methods
assert_match 'statuses of bad methods' '^(40[0-9] ?)+$' "$(statuses_of methods)"
abuse paths
assert_match 'statuses of bad paths' '^(40[0-9] ?)+$' "$(statuses_of paths)"
abuse headers
# The last of that list has a legal head, and a body of 10 MB that is not taken in.
assert_match 'statuses of what is too large' '^(200 ?)?(4[0-9][0-9] ?)*$' "$(statuses_of headers)"
assert_number 'bytes of 40 MB that the relay took from the network before it refused' "$(jq .sent_bytes "$RUN/abuse.headers")" '<=' 30000000
abuse pipeline
assert_eq 'answers to 501 requests in one piece' 501 "$(jq '.statuses["200"]' "$RUN/abuse.pipeline")"
abuse slowloris --connections 500 --sources 20
assert_eq 'answers to requests that never end' '' "$(statuses_of slowloris)"
abuse half --connections 500
abuse garbage --connections 100
assert_match 'statuses of noise' '^(4[0-9][0-9] ?)*$' "$(statuses_of garbage)"
abuse resets --connections 200
abuse deaf --connections 100
kill "$honest" 2>/dev/null || true
wait "$honest" 2>/dev/null || true

descriptors_are_back() {
  [ "$(relay_fds)" -le $((fds + 2)) ]
}
await 'descriptors as before' 30 descriptors_are_back
assert_eq 'liveness afterwards' 200 "$(relay_get_status /livez)"
figure 'answers to other clients' "$(wc -l <"$RUN/answers")"
assert_eq 'other clients that had no answer' 0 "$(awk '$1 != 200' "$RUN/answers" | wc -l)"
cut -d ' ' -f 2 "$RUN/answers" | sort -n >"$RUN/seconds"
figure 'answer p50' "$(awk '{ v[NR] = $1 } END { print v[int((NR + 1) * 0.5)] * 1000 }' "$RUN/seconds")" ms
figure 'answer p99' "$(awk '{ v[NR] = $1 } END { print v[int(NR * 0.99) ? int(NR * 0.99) : 1] * 1000 }' "$RUN/seconds")" ms
assert_number 'seconds of the slowest answer' "$(tail -n 1 "$RUN/seconds")" '<' 15
figure 'memory before' "$rss" kB
figure 'memory after' "$(relay_rss_kb)" kB
[ "${BUILD##*/}" = asan ] || assert_number 'kB of memory gained' $(($(relay_rss_kb) - rss)) '<=' 8000
assert_eq 'state' streaming "$(relay_state)"
settle
verdict
delay=$(jq .delay_p99_ms "$RUN/verdict.json")
figure 'commit to Kafka p99 meanwhile' "$delay" ms
# Generous: 500 clients, who makes them, and the relay share what cores there are.
[ "${BUILD##*/}" = asan ] || assert_number 'ms from commit to Kafka meanwhile, p99' "$delay" '<=' 2000
assert_eq 'records that came twice' 0 "$(jq .duplicates "$RUN/verdict.json")"
