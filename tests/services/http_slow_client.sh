#!/usr/bin/env bash
# Clients that take their time get HTTP_IDLE_TIMEOUT_S for a whole request and no more, however busy they look meanwhile, and HTTP_ANSWER_TIMEOUT_S to take a whole
# answer; nobody else waits for them, and an answer that takes long does not count as theirs. Nor does the end of the service wait for ever: a database that neither answers nor goes away holds a
# request, not the process.
# tags: slow
POSTGRES=own
# shellcheck disable=SC2034
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/echo.bash
. "${BASH_SOURCE[0]%/*}/echo.bash"

echo_tables
# One that has more old answers than it may remove at a time, which it looks at twice a minute; how far it has come is looked at in the end.
pg "INSERT INTO echo.request_answer SELECT 'old ' || i, 'r', '', 200, NULL, now() - interval '2 hours' FROM generate_series(1, 25000) i"
service_start behind IDEMPOTENCY_TTL_S=300
began_behind=$SECONDS
service_start echo

# slow_client TEXT: sends a head that announces more than will ever come, and then a byte a second; prints how long it could.
slow_client() {
  local began=$SECONDS fd
  trap '' PIPE
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  # shellcheck disable=SC2059
  printf "$1" >&"$fd"
  while printf ' ' >&"$fd"; do
    sleep 1
  done 2>/dev/null
  echo $((SECONDS - began))
}

began=$SECONDS
slow_client 'POST /notes HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n' >"$RUN/body.seconds" &
clients=($!)
slow_client 'GET /livez HTTP/1.1\r\nHost: slow\r\nX-Slow: ' >"$RUN/head.seconds" &
clients+=($!)
slow_client 'POST /nowhere HTTP/1.1\r\nHost: slow\r\nContent-Length: 1000\r\n\r\n' >"$RUN/refused.seconds" &
clients+=($!)
# One that takes what it gets, a piece after the other, and would take more than a minute, without ever being so slow that libmicrohttpd takes it for silent.
slow_taker() {
  local fd
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  printf 'GET /much HTTP/1.1\r\nHost: slow\r\n\r\n' >&"$fd"
  while [ "$(head -c 40000 <&"$fd" | wc -c)" -gt 0 ]; do
    sleep 0.1
  done
}
slow_taker &
taker=$!
connected() {
  [ "$(metric http_connections)" -ge 5 ]
}
await 'all are connected' 10 connected
for i in {1..20}; do
  assert_eq 'somebody else' 201 "$(post /notes "{\"name\":\"quick $i\",\"text\":\"q\"}")"
done
# In the very time in which the others are cut off, this one waits for its answer.
nearly_over() {
  [ $((SECONDS - began)) -ge 26 ]
}
await 'their time to be nearly over' 30 nearly_over
assert_eq 'clients that were shut before their time' 0 "$(metric http_connections_overdue_total)"
assert_eq 'all are connected still' yes "$(connected && echo yes)"
assert_eq 'an answer that takes long' 201 "$(post '/notes?seconds=8' '{"name":"patient","text":"p"}')"
wait "${clients[@]}"
for which in body head refused; do
  assert_number "seconds for a slow $which" "$(cat "$RUN/$which.seconds")" '>=' 29
  assert_number "seconds for a slow $which" "$(cat "$RUN/$which.seconds")" '<=' 36
done
taker_is_shut() {
  [ "$(metric http_connections_overdue_total)" = 4 ]
}
await 'all slow clients are shut' 8 taker_is_shut
kill $taker
wait $taker 2>/dev/null || true
assert_eq 'one that takes its answer at once' 200 "$(ask GET /much)"
assert_eq 'all of it' 33554434 "$(wc -c <"$RUN/body")"
assert_eq 'notes' 21 "$(pg 'SELECT count(*) FROM echo.note')"

# The backend is stopped as by a debugger: its socket is open, and nothing comes.
curl -sS --max-time 30 -o /dev/null -H 'Content-Type: application/json' --data-binary '{"name":"stuck","text":"s"}' "http://127.0.0.1:$PORT/notes?seconds=5" 2>/dev/null &
backend() {
  pg "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND usename = 'echo' AND state = 'active'"
}
has_backend() {
  [ -n "$(backend)" ]
}
await 'a request in hand' 10 has_backend
stopped=$(backend)
kill -STOP "$stopped"
began=$SECONDS
kill -TERM "$PID"
code=0
wait "$PID" || code=$?
kill -CONT "$stopped"
assert_eq 'exit code with a request that does not end' 0 $code
assert_number 'seconds that it was waited for' $((SECONDS - began)) '>=' 9
assert_number 'seconds that it was waited for' $((SECONDS - began)) '<=' 12
assert_eq 'drained' false "$(jq -rR 'fromjson? | select(.event == "http_stopped") | .drained' "$LOG")"

# Nor does a removal of old answers, which no client waits for.
service_start sweeping IDEMPOTENCY_TTL_S=1
sweeper() {
  pg "SELECT pid FROM pg_stat_activity WHERE usename = 'echo' AND pid <> $stopped ORDER BY backend_start DESC LIMIT 1"
}
has_sweeper() {
  [ -n "$(sweeper)" ]
}
await 'a connection of the one who removes old answers' 10 has_sweeper
stopped=$(sweeper)
kill -STOP "$stopped"
sleep 2
began=$SECONDS
kill -TERM "$PID"
code=0
wait "$PID" || code=$?
kill -CONT "$stopped"
assert_eq 'exit code with a removal that does not end' 0 $code
assert_number 'seconds that it was waited for' $((SECONDS - began)) '<=' 4

# All of them went at once, not so many a minute.
has_swept() {
  [ $((SECONDS - began_behind)) -ge 36 ]
}
await 'the time of one removal' 40 has_swept
assert_eq 'old answers that are left' 0 "$(pg "SELECT count(*) FROM echo.request_answer WHERE key LIKE 'old %'")"
