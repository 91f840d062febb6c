#!/usr/bin/env bash
# What a service of producers/http promises to its clients, asked of a small one (echo_service.c): wrong requests are refused in words and leave nothing
# behind, many clients are served at once, a database that goes away comes back without a restart, a repeated request takes effect once, and SIGTERM lets a
# request end.
# tags: quick asan
POSTGRES=own
# A session that asks for it waits at COMMIT, with its transaction committed, for a standby that is not there.
OWN_POSTGRES=("synchronous_commit = local" "synchronous_standby_names = 'nobody'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/services/echo.bash
. "${BASH_SOURCE[0]%/*}/echo.bash"

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #

# Wrong settings and arguments: all of them at once, exit code 2.
code=0
env -i HTTP_WORKERS=0 LOG_LEVEL=loud "$PROGRAM" 2>"$RUN/wrong.err" || code=$?
assert_eq 'exit code of wrong settings' 2 $code
for name in DATABASE_URL HTTP_WORKERS LOG_LEVEL; do
  grep -q "$name" "$RUN/wrong.err" || fail "nothing is said about $name: $(cat "$RUN/wrong.err")"
done
code=0
"$PROGRAM" --serve 2>"$RUN/wrong.err" || code=$?
assert_eq 'exit code of a wrong argument' 2 $code
"$PROGRAM" --help | grep -q '^  POST   /notes' || fail '--help lists no routes'
shown=$(env -i DATABASE_URL=postgresql://echo:hidden-word@127.0.0.1/x "$PROGRAM" --print-config) || fail "--print-config: $shown"
assert_match '--print-config' HTTP_LISTEN=127.0.0.1:8099 "$shown"
[[ $shown != *hidden-word* ]] || fail "--print-config shows the password: $shown"

code=0
shown=$(env -i DATABASE_URL='dbname=postgres://echo:hidden-word@127.0.0.1/x' HTTP_WORKERS=0 HTTP_PORT=80 LOG_LEVEL=warn "$PROGRAM" --print-config 2>"$RUN/wrong.err") || code=$?
assert_eq 'exit code of --print-config with wrong settings' 2 $code
for line in 'DATABASE_URL=\*\*\*  # environment  # WRONG: has a connection string' 'HTTP_WORKERS=0  # environment  # WRONG: must be' 'HTTP_PORT=.*# WRONG: is no setting' 'LOG_LEVEL=warn  # environment$'; do
  grep -q "^$line" <<<"$shown" || fail "--print-config lacks $line: $shown"
done
[[ $shown$(cat "$RUN/wrong.err") != *hidden-word* ]] || fail "--print-config shows the password: $shown"

echo_tables

service_start echo
code=0
env -i DATABASE_URL=postgresql://127.0.0.1/x HTTP_LISTEN=127.0.0.1:"$PORT" "$PROGRAM" 2>"$RUN/taken.err" || code=$?
assert_eq 'exit code of an address that is taken' 2 $code
grep -q "port $PORT is taken" "$RUN/taken.err" || fail "no words about the address: $(cat "$RUN/taken.err")"

# The plain way, and what an answer carries.
assert_eq 'a note' 201 "$(post /notes '{"name":"first","text":"one"}' -H 'X-Correlation-Id: corr-1' -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')"
id=$(jq -r .id "$RUN/body")
assert_eq 'correlation id in the answer' corr-1 "$(answer_header X-Correlation-Id)"
assert_eq 'type' application/json "$(answer_header Content-Type)"
assert_eq 'what browsers shall not guess' nosniff "$(answer_header X-Content-Type-Options)"
assert_eq 'what caches shall not keep' no-store "$(answer_header Cache-Control)"
assert_eq 'name of the server' '' "$(answer_header Server)"
assert_eq 'the note that was written' "$id|one" "$(pg "SELECT id, text FROM echo.note WHERE name = 'first'")"
event=$(pg "SELECT aggregateid, headers FROM outbox")
assert_match 'the event' "^$id\|" "$event"
assert_eq 'correlation id of the event' corr-1 "$(jq -r .correlationId <<<"${event#*|}")"
assert_match 'trace of the event' '^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$' "$(jq -r .traceparent <<<"${event#*|}")"
assert_eq 'reading it' 200 "$(ask GET /notes/first)"
assert_eq 'HEAD' 200 "$(ask HEAD /notes/first)"
assert_number 'length that HEAD tells' "$(answer_header Content-Length)" '>' 20
assert_eq 'an answer without a body' 204 "$(ask DELETE /notes/nobody)"
assert_eq 'type of no body' '' "$(answer_header Content-Type)"
assert_eq 'path, query, address' 200 "$(ask GET '/echo/a%2Fb%20c?q=%EC%A3%BC%26+x&q=2' -H 'User-Agent: probe')"
assert_eq 'path, query, address' 'a/b c|주& x|127.0.0.1|probe' "$(jq -r '"\(.value)|\(.query)|\(.address)|\(.agent)"' "$RUN/body")"
assert_match 'a made correlation id' '^[0-9a-f-]{36}$' "$(answer_header X-Correlation-Id)"
ask GET /echo/x -H "X-Correlation-Id: $(printf 'x%.0s' {1..129})" >/dev/null
assert_match 'a correlation id that is too long is replaced' '^[0-9a-f-]{36}$' "$(answer_header X-Correlation-Id)"
assert_eq 'a body with parameters in its type' 200 "$(ask POST /echo/x -H 'Content-Type: application/json; charset=UTF-8' --data-binary '{"a":1}')"
assert_eq 'a body in chunks' 200 "$(post /echo/x '{"a":[1]}' -H 'Transfer-Encoding: chunked')"
assert_eq 'a body in chunks' '{"a":[1]}' "$(jq -c .body "$RUN/body")"

# Who says that he has nothing more to say still gets his answer.
closes_his_half() {
  python3 -c '
import socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
line.sendall(b"POST /notes?seconds=0.2 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 28\r\n\r\n{\"name\":\"half\", \"text\":\"xx\"}")
line.shutdown(socket.SHUT_WR)
print(line.makefile().readline().strip())' "$PORT"
}
exec {fd}<>"/dev/tcp/127.0.0.1/$PORT" # an older connection: libmicrohttpd looks at the oldest one first, whatever has happened
assert_match 'a client that has closed its half of the line' '^HTTP/1.1 201 ' "$(closes_his_half)"
exec {fd}>&-
pg "DELETE FROM echo.note WHERE name = 'half'" "DELETE FROM outbox WHERE payload ->> 'name' = 'half'"

# What is refused, in words.
refused 'no JSON' 400 'line 2, column' "$(post /notes $'{"name":\nx}')"
refused 'deep JSON' 400 'deeper than 16 levels' "$(post /notes "$(printf '[%.0s' {1..3000})")"
refused 'a name twice' 400 duplicate "$(post /notes '{"name":"a","name":"b","text":"t"}')"
refused 'another type' 415 application/json "$(ask POST /notes -H 'Content-Type: text/plain' --data-binary '{}')"
refused 'another charset' 415 UTF-8 "$(ask POST /notes -H 'Content-Type: application/json; charset=euc-kr' --data-binary '{}')"
refused 'coded content' 415 Content-Encoding "$(post /notes '{}' -H 'Content-Encoding: gzip')"
head -c 65537 /dev/zero | tr '\0' ' ' >"$RUN/large"
head -c 3000000 /dev/zero | tr '\0' ' ' >"$RUN/larger"
refused 'too large' 413 'larger than 65536' "$(post /notes @"$RUN/large" -H 'Expect: 100-continue')"
# Who sends without listening may find that nobody takes it any more, and has his answer all the same. (curl gives up there, now and then.)
sends_without_listening() { # FILE
  python3 -c '
import socket, sys
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
try:
    line.sendall(open(sys.argv[2], "rb").read())
except OSError:
    pass
print(line.makefile().readline().strip())' "$PORT" "$1"
}
{
  printf 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n'
  cat "$RUN/larger"
} >"$RUN/request"
assert_match 'too large, without a request to go on' '^HTTP/1.1 413 ' "$(sends_without_listening "$RUN/request")"
refused 'too large, in chunks' 413 'larger than 65536' "$(post /notes @"$RUN/large" -H 'Transfer-Encoding: chunked')"
refused 'too large, in many chunks' 413 'larger than 65536' "$(post /notes @"$RUN/larger" -H 'Transfer-Encoding: chunked' -H 'Expect:')"
{
  printf '"'
  head -c 65534 /dev/zero | tr '\0' x
  printf '"'
} >"$RUN/exact"
assert_eq 'the largest body' 200 "$(post /echo/x @"$RUN/exact")"
assert_match 'its answer at once' '^HTTP/1.1 413 ' "$(raw 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n')"
assert_match 'two lengths' '^HTTP/1.1 400 ' "$(raw 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n')"
assert_match 'a length that others may see' '^HTTP/1.1 400 ' "$(raw 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length : 3\r\n\r\n')"
assert_match 'a coding that is not known' '^HTTP/1.1 (400|501) ' "$(raw 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n')"
refused 'a head that is too large' 431 'larger than 16384' "$(ask GET /livez -H "X-Large: $(printf 'x%.0s' {1..20000})")"
printf 'GET /livez HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n' "$(printf 'x%.0s' {1..60000})" >"$RUN/request"
assert_match 'a head that is larger than the memory for it' '^HTTP/1.[01] 4(13|31) ' "$(sends_without_listening "$RUN/request")"
assert_match 'no HTTP' '^(HTTP/1.[01] 400 .*|)$' "$(raw 'what is this\r\n\r\n')"
# libmicrohttpd 1.0 says these three in its own words.
assert_eq 'no Host' 400 "$(ask GET /livez -H 'Host:')"
assert_match 'two Hosts' '^HTTP/1.1 400 ' "$(raw 'GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n')"
# In one piece, as curl sends it: what comes behind the refusal would take the answer away.
assert_eq 'many parameters' 414 "$(ask GET "/livez?a$(printf '&a%d=b' {1..300})")"
assert_eq 'counted as what was said' 1 "$(metric 'http_requests_total{route="unmatched",method="GET",status="414"}')"
assert_match 'many small headers' '^HTTP/1.1 431 ' "$(raw "GET /livez HTTP/1.1\r\nHost: x\r\n$(printf 'A%d: b\\r\\n' {1..100})\r\n")"
assert_match 'headers enough' '^HTTP/1.1 200 ' "$(raw "GET /livez HTTP/1.1\r\nHost: x\r\n$(printf 'A%d: b\\r\\n' {1..99})\r\n")"
assert_match 'fields behind the body' '^HTTP/1.1 400 ' \
  "$(raw 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\n{"name":"t","text":"behind"}\r\n0\r\na: b\r\n\r\n')"
assert_match 'a blank in the path' '^HTTP/1.1 (400|301) ' "$(raw 'GET /echo/a b HTTP/1.1\r\nHost: x\r\n\r\n')"
assert_match 'an old client' '^HTTP/1.[01] 200 ' "$(raw 'GET /livez HTTP/1.0\r\n\r\n')"
assert_eq 'connections for two refused requests' '1 0' "$(curl -sS --max-time 20 -o /dev/null -o /dev/null -w '%{num_connects} ' -H 'Content-Type: text/plain' --data-binary x \
  "http://127.0.0.1:$PORT/notes" "http://127.0.0.1:$PORT/notes" | sed 's/ $//')"
refused 'an unknown path' 404 path "$(ask GET /note)"
refused 'an unknown path with any body' 404 path "$(ask POST /note -H 'Content-Type: text/plain' --data-binary x)"
refused 'another method' 405 GET "$(ask PUT /notes/first -H 'Content-Type: application/json' --data-binary '{}')"
assert_eq 'the methods that there are' 'GET, HEAD, DELETE' "$(answer_header Allow)"
refused 'another method of a page' 405 GET "$(ask POST /metrics)"
refused 'a path that is no text' 400 UTF-8 "$(ask GET /notes/%ff)"
refused 'a long path' 414 1024 "$(ask GET "/notes/$(printf 'x%.0s' {1..1100})")"
refused 'a query that is no text' 400 query "$(ask GET '/echo/x?q=%00')"
refused 'no body where one is wanted' 400 wrong "$(ask POST /notes)"
refused 'wrong fields' 400 '2 fields are wrong' "$(post /notes '{"name":"","text":7}')"
assert_eq 'the fields' '["name","text"]' "$(jq -c '[.errors[].field]' "$RUN/body")"
refused 'what is there already' 409 '^a note of this name exists already$' "$(post /notes '{"name":"first","text":"two"}')"
refused 'what a constraint forbids' 422 '^the text must be polite$' "$(post /notes '{"name":"x","text":"rude"}')"
refused 'what a constraint without words forbids' 422 '^the values break a rule of this service$' "$(post /notes '{"name":"x","text":"secret"}')"
for name in note_name_key text_is_polite text_is_not_secret; do
  jq -rR 'fromjson? | .reason // empty' "$LOG" | grep -q "constraint $name\$" || fail "the log does not name the constraint $name"
done
refused 'what is not there' 404 'no note nobody' "$(ask GET /notes/nobody)"
refused 'a bug of the service' 500 'could not be carried out' "$(post /broken '{}')"
! grep -q there_is_no_such_table "$RUN/body" || fail 'the answer shows the inside'
refused 'a handler without an answer' 500 'could not be carried out' "$(post /silent '{}')"
assert_eq 'notes after all that was refused' 1 "$(notes)"
assert_eq 'events after all that was refused' 1 "$(pg 'SELECT count(*) FROM outbox')"

# The log: one line for a request, nothing of its content.
assert_eq 'line of the first request' 'POST|/notes|201|corr-1' \
  "$(jq -rR 'fromjson? | select(.event == "request" and .correlation_id == "corr-1") | "\(.method)|\(.route)|\(.status)|\(.correlation_id)"' "$LOG")"
jq -rR 'fromjson? | select(.status == 500) | .reason' "$LOG" | grep -q there_is_no_such_table || fail 'the log does not say what broke'
! grep -qE '"one"|rude|127.0.0.1:[0-9]+/notes' "$LOG" || fail "the log shows content: $(grep -E '"one"|rude' "$LOG")"

# The same request again.
assert_eq 'with a key' 201 "$(post /notes '{"name":"keyed","text":"k"}' -H 'Idempotency-Key: key-1')"
cp "$RUN/body" "$RUN/first.body"
assert_eq 'a first answer is not marked' '' "$(answer_header Idempotency-Replayed)"
assert_eq 'again' 201 "$(post /notes '{"name":"keyed","text":"k"}' -H 'Idempotency-Key: key-1')"
assert_eq 'again: marked' true "$(answer_header Idempotency-Replayed)"
assert_eq 'again: type' application/json "$(answer_header Content-Type)"
assert_same_file 'the same answer' "$RUN/first.body" "$RUN/body"
refused 'the same key with another body' 422 'used for another request' "$(post /notes '{"name":"keyed2","text":"k"}' -H 'Idempotency-Key: key-1')"
refused 'the same key with another path' 422 'used for another request' "$(ask DELETE /notes/keyed -H 'Idempotency-Key: key-1')"
refused 'the same key of another client' 422 'used for another request' "$(post /notes '{"name":"keyed","text":"k"}' -H 'Idempotency-Key: key-1' -H 'Authorization: Bearer x')"
refused 'another key, the same note' 409 'a note of this name' "$(post /notes '{"name":"keyed","text":"k"}' -H 'Idempotency-Key: key-2')"
assert_eq 'a refused request leaves its key free' 201 "$(post /notes '{"name":"keyed3","text":"k"}' -H 'Idempotency-Key: key-2')"
refused 'no key' 400 'visible ASCII' "$(post /notes '{"name":"x","text":"k"}' -H 'Idempotency-Key: a b')"
refused 'a long key' 400 'visible ASCII' "$(post /notes '{"name":"x","text":"k"}' -H "Idempotency-Key: $(printf 'x%.0s' {1..256})")"
assert_eq 'an answer without a body, with a key' 204 "$(ask DELETE /notes/keyed3 -H 'Idempotency-Key: key-3')"
assert_eq 'and again' 204 "$(ask DELETE /notes/keyed3 -H 'Idempotency-Key: key-3')"
assert_eq 'and again: marked' true "$(answer_header Idempotency-Replayed)"
assert_eq 'a refusal with an effect' 401 "$(post /login '{}' -H 'Idempotency-Key: key-4')"
assert_eq 'a refusal is not stored' 401 "$(post /login '{}' -H 'Idempotency-Key: key-4')"
assert_eq 'attempts' 2 "$(pg 'SELECT count(*) FROM echo.attempt')"
assert_eq 'keys' 'key-1 key-2 key-3' "$(pg "SELECT string_agg(key, ' ' ORDER BY key) FROM echo.request_answer")"

# A stored answer that is removed for its age between two looks at its key: the key is free then, and the request is the first one. A trigger takes the key's place:
# it refuses as the index does, and nothing is there. One that goes on like that is told to come again; nothing was done.
pg 'CREATE SEQUENCE echo.vanished' 'GRANT USAGE ON SEQUENCE echo.vanished TO echo' "CREATE FUNCTION echo.vanish() RETURNS trigger LANGUAGE plpgsql AS \$\$
  BEGIN
    IF NEW.key = 'always' OR nextval('echo.vanished') = 1 THEN
      RAISE unique_violation USING CONSTRAINT = 'request_answer_pkey', SCHEMA = 'echo', TABLE = 'request_answer', MESSAGE = 'duplicate key';
    END IF;
    RETURN NEW;
  END \$\$" \
  "CREATE TRIGGER vanish BEFORE INSERT ON echo.request_answer FOR EACH ROW WHEN (NEW.key IN ('once', 'always')) EXECUTE FUNCTION echo.vanish()"
assert_eq 'an answer that went away' 201 "$(post /notes '{"name":"vanished","text":"v"}' -H 'Idempotency-Key: once')"
assert_eq 'an answer that went away is no replay' '' "$(answer_header Idempotency-Replayed)"
assert_eq 'again' 201 "$(post /notes '{"name":"vanished","text":"v"}' -H 'Idempotency-Key: once')"
assert_eq 'again: marked' true "$(answer_header Idempotency-Replayed)"
refused 'answers that go away again and again' 503 'with the same key' "$(post /notes '{"name":"never","text":"v"}' -H 'Idempotency-Key: always')"
assert_eq 'when to come again' 1 "$(answer_header Retry-After)"
assert_eq 'notes of both' vanished "$(pg "SELECT string_agg(name, ' ') FROM echo.note WHERE text = 'v'")"
pg 'DROP TRIGGER vanish ON echo.request_answer'

clients=()
for i in {1..20}; do
  curl -sS --max-time 20 -o "$RUN/same.$i" -w '%{http_code}\n' -H 'Content-Type: application/json' -H 'Idempotency-Key: key-many' \
    --data-binary '{"name":"many","text":"m"}' "http://127.0.0.1:$PORT/notes?seconds=0.2" >"$RUN/status.$i" &
  clients+=($!)
done
wait "${clients[@]}"
assert_eq 'twenty at once: statuses' 20 "$(cat "$RUN"/status.* | grep -cx 201)"
assert_eq 'twenty at once: different answers' 1 "$(sort -u "$RUN"/same.* | wc -l)"
assert_eq 'twenty at once: events' 1 "$(pg "SELECT count(*) FROM outbox WHERE payload->>'name' = 'many'")"
assert_eq 'replays counted' 22 "$(metric http_idempotent_replays_total)"

# Five hundred clients at once, each on a connection of its own that is open before the first one asks.
before=$(notes)
fds=()
for i in {1..500}; do
  exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
  fds+=("$fd")
done
connected() {
  [ "$(metric http_connections)" -ge 501 ]
}
await 'all are connected' 10 connected
for i in "${!fds[@]}"; do
  body="{\"name\":\"crowd $i\",\"text\":\"c\"}"
  printf 'POST /notes HTTP/1.1\r\nHost: crowd\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' ${#body} "$body" >&"${fds[i]}"
done
for fd in "${fds[@]}"; do
  IFS= read -r -t 20 line <&"$fd" || fail 'one of the crowd got no answer'
  assert_match 'answer to one of the crowd' '^HTTP/1.1 201 ' "$line"
  exec {fd}>&-
done
assert_eq 'notes of the crowd' 500 $(($(notes) - before))
assert_match 'requests counted' '^[0-9]+$' "$(metric 'http_requests_total{route="/notes",method="POST",status="201"}')"
assert_match 'durations counted' '^[0-9]+$' "$(metric 'http_request_duration_seconds_count{route="/notes",method="POST"}')"
assert_number 'unknown paths counted together' "$(metric 'http_requests_total{route="unmatched",method="GET",status="404"}')" '>=' 1
# One was removed above, from the table.
assert_eq 'events counted' $(($(pg 'SELECT count(*) FROM outbox') + 1)) "$(metric 'events_published_total{type="NoteWritten"}')"
assert_eq 'size of the pool' 8 "$(metric database_pool_size)"
all_rest() { # a worker gives back its connection when the answer is on its way
  [ "$(metric database_pool_in_use)" = 0 ]
}
await 'no connection lent' 5 all_rest
assert_eq 'requests that wait' 0 "$(metric http_queue_length)"

# The database goes away and comes back.
assert_eq 'ready' 200 "$(ask GET /readyz)"
process_stop own
assert_eq 'ready without a database' 503 "$(ask GET /readyz)"
assert_eq 'alive without a database' 200 "$(ask GET /livez)"
for i in {1..10}; do
  refused 'a note without a database' 503 'database is away, and nothing was done' "$(post /notes '{"name":"lost","text":"l"}')"
  assert_eq 'when to come again' 1 "$(answer_header Retry-After)"
done
# That key has an answer, and its note is there.
refused 'the same again without a database' 503 'database is away, and this attempt did nothing' "$(post /notes '{"name":"keyed","text":"k"}' -H 'Idempotency-Key: key-1')"
assert_number 'connections that are away' "$(metric database_pool_away)" '>=' 1
postgres_run own
ready() {
  [ "$(ask GET /readyz)" = 200 ]
}
await 'ready again' 10 ready
written() {
  [ "$(post /notes '{"name":"back","text":"b"}' -H 'Idempotency-Key: key-back')" = 201 ]
}
await 'a note again' 10 written
assert_eq 'notes that were refused' 0 "$(pg "SELECT count(*) FROM echo.note WHERE name = 'lost'")"
# A restart that no request met: what connections are left are dead, and nobody sees it.
process_stop own
postgres_run own
for i in {1..10}; do
  assert_eq 'after a restart' 201 "$(post /notes "{\"name\":\"restart $i\",\"text\":\"r\"}")"
done

# SIGTERM: who is being served gets the answer, nobody else comes in.
curl -sS --max-time 20 -o "$RUN/last.body" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary '{"name":"last","text":"l"}' \
  "http://127.0.0.1:$PORT/notes?seconds=2" >"$RUN/last.status" &
last=$!
sleeps() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND usename = 'echo' AND state = 'active'")" = 1 ]
}
await 'a request in hand' 10 sleeps
exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
printf 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 28\r\nExpect: 100-continue\r\n\r\n' >&"$fd"
IFS= read -r -t 10 line <&"$fd"
assert_match 'the head was seen' '^HTTP/1.1 100 ' "$line"
IFS= read -r -t 10 line <&"$fd"
kill -TERM "$PID"
await 'the answer to SIGTERM' 5 grep -q '"event":"http_stopping"' "$LOG"
wait "$last"
trap '' PIPE # so that what is wrong is said below
# shellcheck disable=SC2261
printf '{"name":"half",  "text":"h"}' >&"$fd" 2>/dev/null || true
trap - PIPE
IFS= read -r -t 10 line <&"$fd" || fail 'the request whose body came late got no answer'
assert_match 'the request whose body came late' '^HTTP/1.1 201 ' "$line"
exec {fd}>&-
code=0
wait "$PID" || code=$?
assert_eq 'exit code after SIGTERM' 0 $code
assert_eq 'the request that was in hand' 201 "$(cat "$RUN/last.status")"
assert_eq 'its note' 1 "$(pg "SELECT count(*) FROM echo.note WHERE name = 'last'")"
assert_eq 'drained' true "$(jq -rR 'fromjson? | select(.event == "http_stopped") | .drained' "$LOG")"
[ -z "$(raw 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n' 2>/dev/null)" ] || fail 'somebody answers still'

# The connection ends behind COMMIT. What may be asked again is another thing with a key than without one: who adds a key to his repetition has two effects.
service_start lost DATABASE_URL="postgresql://echo@127.0.0.1:$PG_PORT/$DB?options=-c%20synchronous_commit%3Don"
waits_for_standby="usename = 'echo' AND wait_event = 'SyncRep'"
is_committed() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE $waits_for_standby")" = 1 ]
}
# loses_its_answer NAME [CURL-ARGUMENT...]: the status is in $RUN/lost.status.
loses_its_answer() {
  local client
  post /notes "{\"name\":\"$1\",\"text\":\"l\"}" "${@:2}" >"$RUN/lost.status" &
  client=$!
  await "$1, committed and not answered" 10 is_committed
  pg "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE $waits_for_standby" >/dev/null
  wait "$client"
}
loses_its_answer 'without a key'
refused 'a lost COMMIT without a key' 503 'took effect; it had no Idempotency-Key, so that a repetition, also one with a key, may take effect a second time' \
  "$(cat "$RUN/lost.status")"
assert_eq 'without a key: who obeys would repeat it' '' "$(answer_header Retry-After)"
loses_its_answer 'with a key' -H 'Idempotency-Key: lost'
refused 'a lost COMMIT with a key' 503 'took effect; repeated with the same Idempotency-Key it takes effect once$' "$(cat "$RUN/lost.status")"
assert_eq 'with a key: come again' 1 "$(answer_header Retry-After)"
assert_eq 'the same again' 201 "$(post /notes '{"name":"with a key","text":"l"}' -H 'Idempotency-Key: lost')"
assert_eq 'the same again: marked' true "$(answer_header Idempotency-Replayed)"
assert_eq 'notes whose COMMIT was not answered' 2 "$(pg "SELECT count(*) FROM echo.note WHERE name IN ('with a key', 'without a key')")"
process_stop lost

# Old answers are removed, young ones are not; a second signal does not wait.
pg "UPDATE echo.request_answer SET created_at = now() - interval '1 hour'" \
  "INSERT INTO echo.request_answer SELECT 'old ' || i, 'r', '', 200, NULL, now() - interval '2 hours' FROM generate_series(1, 1500) i"
assert_number 'answers to remove' "$(pg 'SELECT count(*) FROM echo.request_answer')" '>' 1500
service_start sweeping IDEMPOTENCY_TTL_S=9 HTTP_WORKERS=1
post /notes '{"name":"young","text":"y"}' -H 'Idempotency-Key: young' >/dev/null
swept() {
  [ "$(pg "SELECT string_agg(key, ' ') FROM echo.request_answer")" = young ]
}
await 'the end of old answers' 8 swept
assert_number 'removed answers counted' "$(metric http_idempotent_answers_removed_total)" '>=' 1501
curl -sS --max-time 20 -o /dev/null -H 'Content-Type: application/json' --data-binary '{"name":"cut","text":"l"}' "http://127.0.0.1:$PORT/notes?seconds=8" 2>/dev/null &
await 'a request in hand' 10 sleeps
kill -TERM "$PID"
await 'the first signal' 5 grep -q '"event":"http_stopping"' "$LOG"
kill -TERM "$PID"
code=0
wait "$PID" || code=$?
assert_eq 'exit code after a second signal' 1 $code
