#!/usr/bin/env bash
# Clients that take their time get HTTP_IDLE_TIMEOUT_S for a whole request and no more, however busy they look meanwhile, and HTTP_ANSWER_TIMEOUT_S to take a whole
# answer; nobody else waits for them, and an answer that takes long does not count as theirs. Nor does the end of the service wait for ever: a database that neither answers nor goes away holds a
# request, not the process.
#
# The slow ones' half minute is used: what has to do with other processes of the service is looked at meanwhile.
# tags: slow
POSTGRES=own
# shellcheck disable=SC2034
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/echo.bash
. "${BASH_SOURCE[0]%/*}/echo.bash"

echo_tables
# One that has more old answers than it may remove at a time, which it looks at every 15 s; how far it has come is looked at before it looks again.
pg "INSERT INTO echo.request_answer SELECT 'old ' || i, 'r', '', 200, NULL, now() - interval '2 hours' FROM generate_series(1, 25000) i"
began_behind=$EPOCHREALTIME
service_start behind IDEMPOTENCY_TTL_S=150
service_start echo
slow_port=$PORT
metronome_start

# slow_client TEXT: sends a head that announces more than will ever come, and then a byte a second; prints how long it could. Once nothing comes back any more it does not
# wait for a second to find out.
slow_client() {
  local began=$EPOCHREALTIME fd code=0
  trap '' PIPE
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  # shellcheck disable=SC2059
  printf "$1" >&"$fd"
  while printf ' ' >&"$fd"; do
    code=0
    IFS= read -r -d '' -t 1 -u "$fd" || code=$?
    [ $code -gt 128 ] || sleep 0.1
  done 2>/dev/null
  seconds_since "$began"
}

began=$EPOCHREALTIME
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
# What the service says of them, with the seconds since they came when it had said it: how many were shut, how many are there, whoever asks among them.
watches() {
  local said
  while [ -e "$RUN/watching" ] && kill -0 $$ 2>/dev/null; do
    said=$(curl -sS --max-time 5 "http://127.0.0.1:$slow_port/metrics" | awk '$1 == "http_connections_overdue_total" { shut = $2 } $1 == "http_connections" { there = $2 } END { print shut, there }')
    echo "$(seconds_since "$began") $said" >>"$RUN/said"
    sleep 0.2
  done
}
: >"$RUN/watching"
watches &
watcher=$!
for i in {1..20}; do
  assert_eq 'somebody else' 201 "$(post /notes "{\"name\":\"quick $i\",\"text\":\"q\"}")"
done

# The backend is stopped as by a debugger: its socket is open, and nothing comes.
service_start stuck
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
began_end=$EPOCHREALTIME
kill -TERM "$PID"
code=0
wait "$PID" || code=$?
seconds=$(seconds_since "$began_end")
kill -CONT "$stopped"
assert_eq 'exit code with a request that does not end' 0 $code
assert_number 'seconds that it was waited for' "$seconds" '>=' 9
no_longer 'seconds that it was waited for' "$seconds" 12 "$began_end"
assert_eq 'drained' false "$(jq -rR 'fromjson? | select(.event == "http_stopped") | .drained' "$LOG")"

# All of the old answers went at once, not so many every 15 s.
has_swept() {
  [ "$(pg "SELECT count(*) FROM echo.request_answer WHERE key LIKE 'old %'")" = 0 ]
}
await 'the end of the old answers' 20 has_swept
no_longer 'seconds until they were removed' "$(seconds_since "$began_behind")" 28 "$began_behind"

# Nor is a removal of old answers waited for, which no client waits for.
service_start sweeping IDEMPOTENCY_TTL_S=1 DATABASE_URL="postgresql://echo@127.0.0.1:$PG_PORT/$DB?application_name=sweeping"
sweeper() {
  pg "SELECT pid || ' ' || client_port FROM pg_stat_activity WHERE application_name = 'sweeping'"
}
has_sweeper() {
  [ -n "$(sweeper)" ]
}
await 'a connection of the one who removes old answers' 10 has_sweeper
read -r stopped client_port < <(sweeper)
kill -STOP "$stopped"
is_asked_in_vain() { # what it was sent lies unread
  awk -v of="$(printf ':%04X' "$PG_PORT")" -v for_it="$(printf ':%04X' "$client_port")" '
    substr($2, length($2) - 4) == of && substr($3, length($3) - 4) == for_it && $5 !~ /:00000000$/ { found = 1 } END { exit !found }' /proc/net/tcp
}
await 'a removal that does not end' 10 is_asked_in_vain
began_end=$EPOCHREALTIME
kill -TERM "$PID"
code=0
wait "$PID" || code=$?
seconds=$(seconds_since "$began_end")
kill -CONT "$stopped"
assert_eq 'exit code with a removal that does not end' 0 $code
no_longer 'seconds that it was waited for' "$seconds" 4 "$began_end"
PORT=$slow_port

# In the very time in which the slow ones are cut off, this one waits for its answer.
nearly_over() {
  awk -v seconds="$(seconds_since "$began")" 'BEGIN { exit seconds < 26 }'
}
await 'their time to be nearly over' 30 nearly_over
assert_eq 'an answer that takes long' 201 "$(post '/notes?seconds=8' '{"name":"patient","text":"p"}')"
wait "${clients[@]}"
for which in body head refused; do
  assert_number "seconds for a slow $which" "$(cat "$RUN/$which.seconds")" '>=' 29
  no_longer "seconds for a slow $which" "$(cat "$RUN/$which.seconds")" 36 "$began"
done
taker_is_shut() {
  [ "$(metric http_connections_overdue_total)" = 4 ]
}
await 'all slow clients are shut' 8 taker_is_shut
rm "$RUN/watching"
wait $watcher
metronome_stop
awk '$1 < 29.5' "$RUN/said" >"$RUN/said.in.time"
assert_number 'seconds until the last look before their time' "$(tail -n 1 "$RUN/said.in.time" | cut -d ' ' -f 1)" '>' 15
assert_eq 'looks at which one had been shut before his time, or was away' '' "$(awk '$2 != 0 || $3 < 5' "$RUN/said.in.time" | head -n 5)"
kill $taker
wait $taker 2>/dev/null || true
assert_eq 'one that takes its answer at once' 200 "$(ask GET /much)"
assert_eq 'all of it' 33554434 "$(wc -c <"$RUN/body")"
assert_eq 'notes' 21 "$(pg 'SELECT count(*) FROM echo.note')"
