#!/usr/bin/env bash
# The admin pages: probes, all metrics by their promised names, status as JSON, the same by `cdc-relay status`, and nothing but GET and HEAD.
# tags: quick
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
insert k 1
await_records "$topic" 1 >/dev/null
ready() {
  [ "$(relay_get_status /readyz)" = 200 ]
}
await 'readiness' 20 ready
assert_eq 'liveness' 200 "$(relay_get_status /livez)"
assert_eq 'a page that is not there' 404 "$(relay_get_status /nothing)"
url=http://127.0.0.1:${RELAY_PORT[relay]}
assert_eq 'POST' 405 "$(curl -s -o post.out -w '%{http_code}' -X POST "$url/livez")"
assert_eq 'HEAD' 200 "$(curl -s -o head.out -w '%{http_code}' -I "$url/metrics")"

await 'the published event' 10 relay_metric_is 'cdc_relay_events_total{table="public.outbox",outcome="published"}' 'v == 1'
await "the slot's figures" 20 relay_metric_is cdc_relay_slot_retained_bytes 'v >= 0'
relay_get /metrics >metrics
for name in state events_total commit_to_ack_seconds_bucket commit_to_ack_seconds_sum commit_to_ack_seconds_count in_flight_events in_flight_transactions \
  unconfirmed_events confirmed_lag_bytes oldest_unsettled_seconds slot_retained_bytes slot_seconds_to_loss slot_status kafka_queue_events \
  kafka_queue_bytes build_info; do
  grep -q "^cdc_relay_${name}[{ ]" metrics || fail "no metric cdc_relay_$name"
done
for name in reconnects_total poison_events_total ignored_operations_total slot_safe_bytes; do
  grep -q "^# TYPE cdc_relay_${name%_total}" metrics || fail "no metric cdc_relay_$name is declared"
done
assert_eq 'forecast without a limit' +Inf "$(relay_metric cdc_relay_slot_seconds_to_loss)"
assert_eq 'state' 1 "$(relay_metric 'cdc_relay_state{state="streaming"}')"
assert_eq 'other states' 0 "$(relay_metric 'cdc_relay_state{state="held"}')"
assert_eq 'status of the slot' 1 "$(relay_metric 'cdc_relay_slot_status{status="reserved"}')"
assert_eq 'latencies observed' 1 "$(relay_metric cdc_relay_commit_to_ack_seconds_count)"
grep -q '^process_resident_memory_bytes ' metrics || fail 'no process_resident_memory_bytes'
assert_eq 'end of OpenMetrics' '# EOF' "$(curl -s -H 'Accept: application/openmetrics-text; version=1.0.0' "$url/metrics" | tail -n 1)"
assert_eq 'state in /status' streaming "$(relay_get /status | jq -r .state)"

relay_set ADMIN_LISTEN "127.0.0.1:${RELAY_PORT[relay]}"
relay_command status status --json || fail "status: exit code $?: $(cat status.err)"
jq -e . status.out >/dev/null || fail "status --json is not JSON: $(cat status.out)"
relay_command probe status --probe ready || fail "status --probe ready: exit code $?"
relay_command probe status --probe live || fail "status --probe live: exit code $?"
relay_stop
code=0
relay_command probe status --probe ready || code=$?
[ $code != 0 ] || fail 'status --probe ready says 0 of a relay that is not there'
