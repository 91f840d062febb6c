#!/usr/bin/env bash
# The way of a request from the socket to its handler, byte for byte: lengths that are none or are said twice, chunks of odd sizes, what is sent in pieces or one behind
# the other, targets and methods of every kind, and requests in which dice have changed a few bytes. Each gets the right answer or a refusal, nobody waits for ever,
# no request is seen where none was sent, and nothing is written but what was answered with 201.
# tags: quick asan
POSTGRES=own
# shellcheck disable=SC2034
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/echo.bash
. "${BASH_SOURCE[0]%/*}/echo.bash"

WRITTEN=0

# wire WHAT...: tests/services/wire, and that nothing is written but what it was told.
wire() {
  "$ROOT/tests/services/wire" "$PORT" "$@" >"$RUN/wire.$1" 2>"$RUN/wire.$1.err" || fail "$*: $(head -n 40 "$RUN/wire.$1" "$RUN/wire.$1.err" | cut -c 1-600)"
  grep -v '^WRITTEN' "$RUN/wire.$1" || true
  WRITTEN=$((WRITTEN + $(sed -n 's/^WRITTEN //p' "$RUN/wire.$1")))
  assert_eq "notes behind $*" $WRITTEN "$(notes)"
  assert_eq "events behind $*" $WRITTEN "$(pg 'SELECT count(*) FROM outbox')"
}

echo_tables
service_start wire
wire cases
assert_number 'notes of the cases' $WRITTEN '>=' 20
wire cuts
wire mutants "${WIRE_SEED:-1}" 1500
wire mutants $RANDOM 500
assert_eq 'the process' "$PID" "$(process_pid_of wire)"
assert_eq 'alive' 200 "$(ask GET /livez)"
gone() {
  [ "$(metric http_connections)" = 1 ]
}
await 'nobody is left' 10 gone
assert_eq 'requests that wait' 0 "$(metric http_queue_length)"
assert_eq 'requests answered with 500 or 503' '' "$(curl -sS --max-time 5 "http://127.0.0.1:$PORT/metrics" | grep -E '^http_requests_total.*status="50[03]"' || true)"

process_stop wire
assert_eq 'requests in hand at the end, without anybody' 0 "$(jq -rR 'fromjson? | select(.event == "http_stopping") | .in_hand' "$RUN/wire.log")"
