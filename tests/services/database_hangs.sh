#!/usr/bin/env bash
# The database hangs: it takes connections and what is sent to it, and never answers, as a server does whose disk or machine has stopped. Who needs it is refused in time;
# nobody else notices: probes, figures and refusals are answered as quickly as ever. When it goes on, so does the service, and nothing is there twice.
# tags: slow
POSTGRES=own
# shellcheck disable=SC2034
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/echo.bash
. "${BASH_SOURCE[0]%/*}/echo.bash"

WORKERS=4
QUEUE=$((WORKERS * 64)) # HTTP_QUEUE_PER_WORKER
PATIENCE=35             # PIPELINE_SILENCE_MS, and some

# The server and all its processes; those that the postmaster would start meanwhile it cannot.
server_processes() {
  local postmaster
  postmaster=$(head -n 1 "$PG_DATA/postmaster.pid")
  echo "$postmaster"
  ps -o pid= --ppid "$postmaster" | tr -d ' '
}
database_hangs() {
  mapfile -t STOPPED < <(server_processes)
  kill -STOP "${STOPPED[@]}"
}
database_goes_on() {
  kill -CONT "${STOPPED[@]}"
}
# Stopped processes do not hear that they are to end.
STOPPED=()
hanging_ends() {
  local code=$?
  set +e
  rm -f "$RUN/watching"
  [ ${#STOPPED[@]} = 0 ] || database_goes_on 2>/dev/null
  (exit $code)
  scenario_ends
}
trap hanging_ends EXIT

# timed FILE CURL-ARGUMENT...: appends `STATUS SECONDS` of a call to the file.
timed() {
  local file=$1
  shift
  curl -sS --max-time 60 -o /dev/null -w '%{http_code} %{time_total}\n' "$@" >>"$file" 2>>"$RUN/curl.err" || true
}
# longest FILE [PERCENT]: the seconds of the slowest call in it, or of the slowest of so many in a hundred.
longest() {
  sort -n -k 2 "$1" | awk -v percent="${2:-100}" '{ seconds[NR] = $2 } END { print seconds[int(NR * percent / 100)] }'
}
# note NAME: a note with a key of its own.
note() {
  timed "$RUN/$1.answer" -H 'Content-Type: application/json' -H "Idempotency-Key: key-$1" --data-binary "{\"name\":\"$1\",\"text\":\"h\"}" "http://127.0.0.1:$PORT/notes"
}

# What needs no database, again and again for as long as $RUN/watching is there: lines WHAT STATUS SECONDS in $RUN/watched. By one program, since that one takes longer to
# start than to ask; on a connection for each.
watches() {
  local url=http://127.0.0.1:$PORT each=(-sS --max-time 60 -o /dev/null -H 'Connection: close') told='%{http_code} %{time_total}\n'
  while [ -e "$RUN/watching" ] && kill -0 $$ 2>/dev/null; do
    curl "${each[@]}" -w "livez $told" "$url/livez" --next "${each[@]}" -w "metrics $told" "$url/metrics" --next "${each[@]}" -w "nowhere $told" "$url/nowhere" \
      --next "${each[@]}" -w "method $told" -X DELETE "$url/livez" \
      --next "${each[@]}" -w "type $told" -H 'Content-Type: text/plain' --data-binary x "$url/notes" >>"$RUN/watched" 2>>"$RUN/curl.err" || true
  done
}

echo_tables
service_start echo HTTP_WORKERS=$WORKERS
began_as=$PID
for i in {1..8}; do
  note "before-$i"
done
# Each worker has a connection that it has used: all of them wait for the table at once.
held_until_crowded 'LOCK TABLE echo.note IN SHARE MODE' COMMIT $WORKERS
clients=()
for i in $(seq $WORKERS); do
  note "before-$((8 + i))" &
  clients+=($!)
done
wait "${clients[@]}"
held_ends
assert_eq 'connections of the service' $WORKERS "$(pg "SELECT count(*) FROM pg_stat_activity WHERE usename = 'echo' AND query <> ''")"
assert_eq 'notes before' $((8 + WORKERS)) "$(notes)"
assert_eq 'ready' 200 "$(ask GET /readyz)"

metronome_start
database_hangs
began=$EPOCHREALTIME
: >"$RUN/watching"
watches &
watcher=$!
clients=()
# One for each worker; their answers are lost with their connections, or come when the server goes on.
for i in $(seq $WORKERS); do
  note "held-$i" &
  clients+=($!)
done
all_work() {
  [ "$(metric database_pool_in_use)" = $WORKERS ]
}
await 'a request for each worker' 10 all_work
# As many as the queue takes, and ten more, who are refused at once while the others wait.
fds=()
body='{"name":"queued","text":"q"}'
for ((i = 0; i < QUEUE + 10; i++)); do
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  fds+=("$fd")
  printf 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: queued-%d\r\nContent-Length: %d\r\n\r\n%s' $i ${#body} "$body" >&"$fd"
  if [ $i = 0 ]; then
    queued=$EPOCHREALTIME
  fi
done
for fd in "${fds[@]:QUEUE}"; do
  IFS= read -r -t 2 line <&"$fd" || fail 'who found the queue full got no answer at once'
  assert_match 'answer to who found the queue full' '^HTTP/1.1 503 ' "$line"
  IFS= read -r -t 2 -d '}' line <&"$fd" || fail 'who found the queue full got half an answer'
  assert_match 'what is said of a key' 'more to do than it can, and this attempt did nothing' "$line"
done
assert_number 'seconds until they were refused' "$(awk -v a="$queued" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" '<' 4.5
assert_eq 'requests that wait' $QUEUE "$(metric http_queue_length)"
for fd in "${fds[@]:0:QUEUE}"; do
  IFS= read -r -t 8 line <&"$fd" || fail 'one that waited for a worker got no answer'
  assert_match 'answer to one that waited for a worker' '^HTTP/1.1 503 ' "$line"
  while IFS= read -r -t 8 line <&"$fd" && [ "$line" != $'\r' ]; do
    if [[ ${line,,} == retry-after:* ]]; then
      retry=${line//[!0-9]/}
    fi
  done
  assert_eq 'when to come again' 1 "${retry:-}"
  unset retry
done
assert_number 'seconds that they waited' "$(awk -v a="$queued" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')" '>=' 4.9
for fd in "${fds[@]}"; do
  exec {fd}>&-
done
assert_eq 'ready' 503 "$(ask GET /readyz)"
asked=$EPOCHREALTIME
for _ in {1..5}; do
  timed "$RUN/readyz" "http://127.0.0.1:$PORT/readyz"
done
each_no_longer 'seconds until it says that it is not ready' "$(longest "$RUN/readyz")" 1.2 "$asked"

# Those that the workers had in hand are refused within the limit of silence.
wait "${clients[@]}"
for i in $(seq $WORKERS); do
  read -r status seconds <"$RUN/held-$i.answer"
  assert_eq "status of held-$i" 503 "$status"
  no_longer "seconds until held-$i was refused" "$seconds" $PATIENCE "$began"
done
rm "$RUN/watching"
wait $watcher
for what in livez metrics nowhere method type; do
  sed -n "s/^$what //p" "$RUN/watched" >"$RUN/$what"
  echo "$what: $(wc -l <"$RUN/$what") calls, the slowest $(longest "$RUN/$what") s"
  assert_number "calls of $what while the database hung" "$(wc -l <"$RUN/$what")" '>=' 20
  each_no_longer "seconds of 95 in 100 calls of $what" "$(longest "$RUN/$what" 95)" 0.2 "$began"
  each_no_longer "seconds of the slowest call of $what" "$(longest "$RUN/$what")" 1 "$began"
done
metronome_stop
assert_eq 'statuses' '200 200 404 405 415' "$(cut -d ' ' -f 1 "$RUN"/{livez,metrics,nowhere,method,type} | sort -u | tr '\n' ' ' | sed 's/^200/200 200/; s/ $//')"
echo "the database hung for $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }') s"

# It goes on, and so does the service: what was refused may be asked again, and is there once, with one event.
database_goes_on
ready() {
  [ "$(ask GET /readyz)" = 200 ]
}
await 'ready again' 15 ready
for i in $(seq $WORKERS); do
  again() {
    [ "$(post /notes "{\"name\":\"held-$i\",\"text\":\"h\"}" -H "Idempotency-Key: key-held-$i")" = 201 ]
  }
  await "held-$i again" 15 again
done
for i in {1..20}; do
  note "after-$i"
done
assert_eq 'answers afterwards' 20 "$(cat "$RUN"/after-*.answer | grep -c '^201 ')"
assert_eq 'the process' "$began_as" "$(process_pid_of echo)"
all=$((8 + WORKERS + WORKERS + 20))
assert_eq 'notes in all' $all "$(notes)"
assert_eq 'events in all, and notes with one' "$all $all" \
  "$(pg "SELECT count(*) || ' ' || count(DISTINCT payload ->> 'name') FROM outbox")"
assert_number 'events counted' "$(metric 'events_published_total{type="NoteWritten"}')" '<=' $all
assert_number 'events counted' "$(metric 'events_published_total{type="NoteWritten"}')" '>=' $((all - WORKERS))
assert_eq 'the queue' 0 "$(metric http_queue_length)"
