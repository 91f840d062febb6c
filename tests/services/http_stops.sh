#!/usr/bin/env bash
# SIGTERM in the midst of clients: who has connected gets an answer, be it that nobody has seen him yet, and nobody's connection is reset. Those who come later are not
# let in.
# tags: quick asan
POSTGRES=own
# shellcheck disable=SC2034
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/echo.bash
. "${BASH_SOURCE[0]%/*}/echo.bash"

# ended NAME: the service has ended as asked, with nothing left undone.
ended() {
  local code=0
  wait "$PID" || code=$?
  assert_eq "exit code of $1" 0 $code
  assert_eq "$1: drained" true "$(jq -rR 'fromjson? | select(.event == "http_stopped") | .drained' "$LOG")"
}

# answer FD: head of an answer, in STATUS_LINE and CONNECTION.
answer() {
  local line
  CONNECTION=''
  IFS= read -r -t 20 STATUS_LINE <&"$1" || return 1
  while IFS= read -r -t 20 line <&"$1" && [ "$line" != $'\r' ]; do
    if [[ ${line,,} == connection:* ]]; then
      CONNECTION=${line,,}
    fi
  done
}

echo_tables

# A service that has not come to look for a while, as on a machine that is busy: clients wait in the kernel's queue when it is told to end.
service_start crowd
kill -STOP "$PID"
fds=()
for i in {1..300}; do
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  fds+=("$fd")
  [ "$i" -gt 3 ] || continue # these speak later
  body="{\"name\":\"crowd $i\",\"text\":\"c\"}"
  printf 'POST /notes HTTP/1.1\r\nHost: crowd\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' ${#body} "$body" >&"$fd"
done
kill -TERM "$PID"
kill -CONT "$PID"
for fd in "${fds[@]:0:3}"; do
  printf 'GET /echo/late HTTP/1.1\r\nHost: crowd\r\n\r\n' >&"$fd"
done
for fd in "${fds[@]}"; do
  answer "$fd" || fail 'one who had connected got no answer'
  assert_match 'answer to one who had connected' '^HTTP/1.1 20[01] ' "$STATUS_LINE"
  assert_match 'what comes after it' '^connection: close' "$CONNECTION"
  exec {fd}>&-
done
ended crowd
assert_eq 'notes of the crowd' 297 "$(notes)"

# Clients that come all the time.
for i in {1..3}; do
  service_start "stream.$i"
  "$ROOT/tests/services/newcomers" "$PORT" 16 >"$RUN/newcomers.$i" 2>"$RUN/newcomers.$i.err" &
  clients=$!
  many_came() {
    [ "$(metric 'http_requests_total{route="/echo/{value}",method="POST",status="200"}')" -ge 300 ]
  }
  await 'clients' 20 many_came
  kill -TERM "$PID"
  ended "stream.$i"
  wait $clients
  read -r answered refused broken <"$RUN/newcomers.$i"
  echo "$answered answered, $refused refused, $broken broken"
  assert_number 'answered' "$answered" '>=' 300
  assert_eq 'clients that found nobody in the end' 16 "$refused"
  assert_eq "connections without an answer ($(cat "$RUN/newcomers.$i.err"))" 0 "$broken"
done

# With nobody there the end is not waited for.
service_start alone
began=$EPOCHREALTIME
kill -TERM "$PID"
ended alone
assert_number 'seconds until it had ended' "$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" '<' 3
