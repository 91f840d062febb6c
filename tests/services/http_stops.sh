#!/usr/bin/env bash
# SIGTERM in the midst of clients: who has connected gets an answer, be it that nobody has seen him yet, or that there is no room for him until others have gone, and
# nobody's connection is reset. Half a request is waited for, and not for ever. Those who come later are not let in.
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

# listening: of the service's socket, how many wait in the kernel's queue, in hexadecimal digits; nothing when it is shut.
listening() {
  awk -v port=":$(printf %04X "$PORT")" '$4 == "0A" && substr($2, length($2) - 4) == port { split($5, queue, ":"); print substr(queue[2], 5) }' /proc/net/tcp
}
waiting_are() { # HEXADECIMAL
  [ "$(listening)" = "$1" ]
}
door_is_shut() {
  [ -z "$(listening)" ]
}

# keep_open: asks once, on a connection that stays, in FD; the answer has no body.
keep_open() {
  exec {FD}<>"/dev/tcp/127.0.0.1/$PORT"
  printf 'HEAD /livez HTTP/1.1\r\nHost: kept\r\n\r\n' >&"$FD"
  answer "$FD" || fail 'one who was to stay got no answer'
  assert_eq 'what becomes of a connection that stays' '' "$CONNECTION"
}

# closed FD: nothing more comes, and the connection was not reset.
closed() {
  local rest='' code=0
  read -r -t 10 rest <&"$1" 2>>"$RUN/closed.err" || code=$?
  assert_eq 'a read behind the end' '1 ' "$code $rest"
  [ ! -s "$RUN/closed.err" ] || fail "a connection was reset: $(cat "$RUN/closed.err")"
}

echo_tables
metronome_start

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

# As many connections as there may be (HTTP_CONNECTIONS_MAX), of which nobody wants anything: they are kept, or have not said a word. Who waits behind them is let in
# when they have been let go.
ulimit -n 4096
service_start full
fds=()
for _ in {1..700}; do
  keep_open
  fds+=("$FD")
done
for _ in {701..1024}; do
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  fds+=("$fd")
done
await 'all have been let in' 10 waiting_are 0000
waiting=()
for i in {1..50}; do
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  waiting+=("$fd")
  body="{\"name\":\"waiting $i\",\"text\":\"w\"}"
  printf 'POST /notes HTTP/1.1\r\nHost: full\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' ${#body} "$body" >&"$fd"
done
await 'those for whom there is no room' 10 waiting_are 0032
before=$(notes)
began=$EPOCHREALTIME
kill -TERM "$PID"
for fd in "${waiting[@]}"; do
  answer "$fd" || fail 'one who waited to be let in got no answer'
  assert_match 'answer to one who waited to be let in' '^HTTP/1.1 201 ' "$STATUS_LINE"
  assert_match 'what comes after it' '^connection: close' "$CONNECTION"
  exec {fd}>&-
done
ended full
no_longer 'seconds until a full house was empty' "$(seconds_since "$began")" 5 "$began"
assert_eq 'notes of those who waited' 50 $(($(notes) - before))
for fd in "${fds[@]}"; do
  closed "$fd"
  exec {fd}>&-
done

# Requests of which a part is there when the signal comes, and had been for longer than silence is waited for (HTTP_DRAIN_SILENCE_MS): the rest is answered where it
# comes promptly, and not waited for beyond HTTP_DRAIN_ARRIVAL_MS where it does not come.
service_start half
keep_open
head=$FD
printf 'GET /echo/la' >&"$head"
keep_open
body=$FD
printf 'POST /notes HTTP/1.1\r\nHost: half\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{"name":"half",' >&"$body"
keep_open
stalled=$FD
printf 'POST /notes HTTP/1.1\r\nHost: half\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{"name":"stalled",' >&"$stalled"
keep_open
silent=$FD
printf 'GET /echo/never HT' >&"$silent"
began=$EPOCHREALTIME
been_silent() {
  awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a > 1.5) }'
}
await 'a silence' 5 been_silent
before=$(notes)
began=$EPOCHREALTIME
kill -TERM "$PID"
printf 'te HTTP/1.1\r\nHost: half\r\n\r\n' >&"$head" # at once: it has a second
await 'the end of the listening socket' 5 door_is_shut
printf '"text":"h"}' >&"$body"
answer "$head" || fail 'half a head whose rest came behind the signal got no answer'
assert_match 'half a head' '^HTTP/1.1 200 ' "$STATUS_LINE"
assert_match 'what comes after it' '^connection: close' "$CONNECTION"
answer "$body" || fail 'half a body whose rest came behind the signal got no answer'
assert_match 'half a body' '^HTTP/1.1 201 ' "$STATUS_LINE"
closed "$silent"
no_longer 'seconds that the rest of a head was waited for' "$(seconds_since "$began")" 4 "$began"
closed "$stalled"
ended half
seconds=$(seconds_since "$began")
assert_number 'seconds that the rest of a body was waited for' "$seconds" '>=' 4.9
no_longer 'seconds that the rest of a body was waited for' "$seconds" 8 "$began"
assert_eq 'notes of half requests' 1 $(($(notes) - before))
for fd in "$head" "$body" "$stalled" "$silent"; do
  exec {fd}>&-
done

# With nobody there the end is not waited for.
service_start alone
began=$EPOCHREALTIME
kill -TERM "$PID"
ended alone
no_longer 'seconds until it had ended' "$(seconds_since "$began")" 3 "$began"
metronome_stop
