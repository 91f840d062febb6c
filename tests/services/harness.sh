# shellcheck shell=bash disable=SC2154
# harness.sh - what every scenario in this folder begins with: all of tests/e2e/harness.sh, and one of the systems: its tables, its topics, its relay, its services.
#
#   system_new orders          sql/orders.sql, the topics of producers/orders/topics.json, a relay that reads producers/orders/relay.json (relay_init, relay_start)
#   service_start order-service [NAME=VALUE...]
#   call order-service POST /api/orders '{"customerId": ...}'
#   answered 201
#   event order.created.v1     the one event that this call published, as {topic, key, partition, headers: {...}, body: {...}, value}, in EVENT
#
# Topics have the names of the system's document, and scenarios share a broker: each begins with them empty, and what is ours is known by its correlation id, which begins
# with $MINE. Events are read back by kcat, and only what is in Kafka counts.
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

MINE=$T.$RANDOM$RANDOM
CALLS=0
UUID='^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
UTC_TIME='^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,6})?Z$'
LOCAL_TIME='^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}$'
declare -A SERVICE_PORT SERVICE_PID

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# The system

# system_new SYSTEM: its relay is the scenario's. A second system's tables may be there too: system_tables.
system_new() {
  SYSTEM=$1
  system_tables inbox
  system_tables "$1"
  system_topics_make
  RELAY_SETTINGS=()
  relay_set CONFIG "$ROOT/producers/$SYSTEM/relay.json"
  relay_set POSTGRES_URL "postgresql://relay@127.0.0.1:$PG_PORT/$DB"
  relay_set POSTGRES_PLUGIN "$PLUGIN"
  relay_set POSTGRES_SLOT "$SLOT"
  relay_set POSTGRES_PUBLICATION "$SLOT"
  relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA"
  relay_set ADMIN_LISTEN 127.0.0.1:0
  relay_set LOG_FORMAT json
}

# systems_start: all three services, the orders system with its relay, and the members' tables beside its own.
systems_start() {
  system_new orders
  system_tables membership
  relay_init
  relay_start
  service_start order-service
  service_start product-service
  service_start auth-service
}

# system_tables SCRIPT: sql/SCRIPT.sql
system_tables() {
  pg_read <"$ROOT/sql/$1.sql" >"$RUN/$1.sql.log" 2>&1 || fail "sql/$1.sql could not be applied: $(cat "$RUN/$1.sql.log")"
}

# system_topics: the names of its topics.
system_topics() {
  jq -r '.[].name' "$ROOT/producers/$SYSTEM/topics.json"
}

# system_topics_make: the topics of $SYSTEM. Those that a scenario before has left are made anew, since every reader and every consumer would have to go through what is
# in them; the embedded broker deletes none.
system_topics_make() {
  local topic
  if [ -z "${EMBEDDED_INPUT:-}" ]; then
    for topic in $(system_topics_there); do
      "$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA" delete "$topic" >>"$RUN/topics.log" 2>&1 || fail "topic $topic could not be deleted: $(tail -n 3 "$RUN/topics.log")"
    done
    await 'topics of before gone' 20 system_has_no_topics
  fi
  topics_make "$ROOT/producers/$SYSTEM/topics.json" >>"$RUN/topics.log" 2>&1 || fail "the topics of $SYSTEM could not be made: $(tail -n 3 "$RUN/topics.log")"
}

# system_topics_there: those of them that the broker has.
system_topics_there() {
  local there
  there=$(kcat -b "$KAFKA" -L -J | jq -r '.topics[].topic') || fail 'the broker does not tell its topics'
  system_topics | grep -xF -- "$there" || true
}

system_has_no_topics() {
  [ -z "$(system_topics_there)" ]
}

# relay_has_all: the relay has published, and PostgreSQL has been told, what was committed until now.
relay_has_all() {
  local end
  end=$(wal_end)
  await 'confirmation of all that was committed' 30 slot_has_confirmed "$end"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Services

# service_launch NAME [VARIABLE=VALUE...]: on the port that it had before, or a free one; waits for nothing. In PostgreSQL it is a member of its own role, with the
# rights that its system's script gives that role, and no others.
service_launch() {
  local name=$1 role=${1//-/_}
  shift
  pg "DO \$\$ BEGIN CREATE ROLE ${role}_1 LOGIN IN ROLE $role; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END \$\$"
  SERVICE_PORT[$name]=${SERVICE_PORT[$name]:-$(port_new)}
  process_spawn "$name" TERM env -i PATH="$PATH" HOME="$RUN" ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer" \
    TSAN_OPTIONS="atexit_sleep_ms=0 log_path=$RUN/sanitizer suppressions=$ROOT/tests/tsan/suppressions" \
    DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=${role}_1 dbname=$DB" HTTP_LISTEN="127.0.0.1:${SERVICE_PORT[$name]}" "$@" "$BUILD/producers/$name"
  SERVICE_PID[$name]=$process_pid
}

# service_start NAME [VARIABLE=VALUE...]: waits until it is ready.
service_start() {
  service_launch "$@"
  await "$1" 20 service_is_ready "$1"
}

service_is_ready() {
  curl -sf --max-time 5 -o /dev/null "http://127.0.0.1:${SERVICE_PORT[$1]}/readyz"
}

# service_kill NAME: at once, as the kernel does it when memory is short.
service_kill() {
  kill -s KILL "${SERVICE_PID[$1]}"
  wait "${SERVICE_PID[$1]}" 2>/dev/null || true
}

# service_lives NAME: the process that was started last.
service_lives() {
  kill -0 "${SERVICE_PID[$1]}" 2>/dev/null
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Calls

# call SERVICE METHOD PATH [BODY [CURL-ARGUMENT...]]: the answer's status in STATUS, its body in ANSWER, its headers in $RUN/call.headers; the call's correlation id, which ends
# with CORRELATION_END, in CORRELATION. A body is sent as application/json.
CORRELATION_END=''
call() {
  local service=$1 method=$2 path=$3 body=${4-} arguments
  shift 3
  [ $# = 0 ] || shift
  CALLS=$((CALLS + 1))
  CORRELATION=$MINE.$CALLS$CORRELATION_END
  arguments=(-sS --path-as-is --max-time 30 -X "$method" -H "X-Correlation-Id: $CORRELATION" -D "$RUN/call.headers" -o "$RUN/call.answer" -w '%{http_code}')
  if [ -n "$body" ]; then
    printf '%s' "$body" >"$RUN/call.body"
    arguments+=(-H 'Content-Type: application/json' --data-binary "@$RUN/call.body")
  fi
  : >"$RUN/call.answer"
  STATUS=$(curl "${arguments[@]}" "$@" "http://127.0.0.1:${SERVICE_PORT[$service]}$path") || fail "$method $path: no answer of $service"
  ANSWER=$(cat "$RUN/call.answer")
  CALL="$method $path ${body:0:300}"
}

# answered STATUS: of the last call; a problem is one in form, and has the correlation id too.
answered() {
  [ "$STATUS" = "$1" ] || fail "$CALL"$'\n'"  expected: $1"$'\n'"  actual:   $STATUS $ANSWER"
  grep -qixF "x-correlation-id: $CORRELATION"$'\r' "$RUN/call.headers" || fail "$CALL: the answer has not the request's correlation id: $(cat "$RUN/call.headers")"
  if [ "$1" -ge 400 ]; then
    grep -qi '^content-type: application/problem+json' "$RUN/call.headers" || fail "$CALL: $STATUS is no application/problem+json: $(cat "$RUN/call.headers")"
    jq -e --argjson status "$1" '.status == $status and (.title | type) == "string"' "$RUN/call.answer" >/dev/null || fail "$CALL: no problem in form: $ANSWER"
  fi
}

# refused STATUS FIELD SERVICE METHOD PATH BODY...: the call is answered so, and the answer names the field; - for none.
refused() {
  local status=$1 field=$2
  shift 2
  call "$@"
  answered "$status"
  [ "$field" = - ] || [[ $ANSWER == *"$field"* ]] || fail "$CALL: the answer does not name $field: $ANSWER"
}

# call_behind TABLE OTHER SERVICE METHOD PATH BODY: a call, answered with 200, whose transaction begins before that of OTHER, a command that makes a call, and is committed behind
# it. It waits in between, by the key that it claims in the table of answers first of all: somebody else has it, and does not come to his end. The service must have been started
# with a lock_timeout that is longer than that may take: PGOPTIONS='-c lock_timeout=60s'.
call_behind() {
  local table=$1 other=$2 key=$MINE.behind holder waiting
  shift 2
  pg "BEGIN; INSERT INTO $table (key, route, digest) VALUES ('$key', '', ''); SELECT pg_sleep(60)" >"$RUN/behind.holder" 2>&1 &
  holder=$!
  await 'somebody who has the key' 20 sessions_are 1 "query LIKE '%$key%' AND wait_event = 'PgSleep'"
  curl -sS --max-time 60 -o /dev/null -w '%{http_code}' -X "$2" -H "X-Correlation-Id: $MINE.behind" -H "Idempotency-Key: $key" -H 'Content-Type: application/json' --data "$4" \
    "http://127.0.0.1:${SERVICE_PORT[$1]}$3" >"$RUN/behind" &
  waiting=$!
  await 'a call that waits for the key' 20 sessions_are 1 "wait_event_type = 'Lock'"
  $other
  answered 200
  pg "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'" >/dev/null
  wait $holder || true
  wait $waiting || true
  assert_eq 'the answer to the call that waited' 200 "$(cat "$RUN/behind")"
}

sessions_are() { # COUNT CONDITION
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND $2")" = "$1" ]
}

# of_answer JQ-PROGRAM
of_answer() {
  jq -r "$1" <<<"$ANSWER"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Events, as kcat finds them

# records TOPIC [CORRELATION-ID]: those of this scenario, or of one call, as `kcat -J` prints them.
records() {
  timeout 60 kcat -C -b "$KAFKA" -q -e -J -o beginning -X fetch.wait.max.ms=10 -t "$1" | jq -c --arg mine "$MINE." --arg call "${2:-}" '
    . as $record | (.headers // []) | .[(index("correlationId") // length) + 1] // "" | select(startswith($mine)) | select($call == "" or . == $call) | $record'
}

# events TOPIC [CORRELATION-ID]: the same, as {topic, key, partition, offset, headers: {...}, body: {...}, value}.
events() {
  records "$@" | jq -c '(.headers as $h | [range(0; $h | length; 2) | {key: $h[.], value: $h[. + 1]}] | from_entries) as $headers
    | {topic, key, partition, offset, $headers, value: .payload, body: (.payload | fromjson)}'
}

# event TOPIC: the one event of the last call, in EVENT. Every other number is a failure; that no second one follows is for the scenario's end to see.
event() {
  await "the event of: $CALL" 20 event_is_there "$1"
  assert_eq "events of: $CALL" 1 "$(wc -l <<<"$EVENT")"
}

event_is_there() {
  EVENT=$(events "$1" "$CORRELATION")
  [ -n "$EVENT" ]
}

# of_event JQ-PROGRAM
of_event() {
  jq -r "$1" <<<"$EVENT"
}

# event_is KEY TYPE SOURCE BODY: key, headers and body of EVENT. BODY is JSON without the members that only the service can know: eventId and times, which are looked at
# by their form. TIMES: the names of the members that are times, and the form.
event_is() {
  local name
  assert_eq "key of: $CALL" "$1" "$(of_event .key)"
  assert_eq "header eventType of: $CALL" "$2" "$(of_event .headers.eventType)"
  assert_eq "header source of: $CALL" "$3" "$(of_event .headers.source)"
  assert_eq "header version of: $CALL" 1.0 "$(of_event .headers.version)"
  assert_match "header id of: $CALL" "$UUID" "$(of_event .headers.id)"
  assert_eq "eventId and header id of: $CALL" "$(of_event .headers.id)" "$(of_event .body.eventId)"
  assert_match "header timestamp of: $CALL" "$UTC_TIME" "$(of_event .headers.timestamp)"
  assert_match "header traceparent of: $CALL" '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' "$(of_event .headers.traceparent)"
  assert_eq "header causationId of: $CALL, which no event caused" null "$(of_event .headers.causationId)"
  for name in $EVENT_TIMES; do
    assert_match "$name of: $CALL" "$EVENT_TIME_FORM" "$(of_event ".body.$name")"
  done
  assert_eq "body of: $CALL" "$(jq -cS . <<<"$4")" \
    "$(jq -cS --arg known "eventId $EVENT_TIMES" '.body | with_entries(select(.key as $k | $known | split(" ") | index($k) | not))' <<<"$EVENT")"
}

# events_are COUNT: of this scenario, in all topics of the system, when all that was committed has been published; and all of them are what docs/events/ says.
events_are() {
  local topic
  relay_has_all
  : >"$RUN/all.records"
  while read -r topic; do
    records "$topic" >>"$RUN/all.records"
  done < <(system_topics)
  assert_eq 'events in all topics' "$1" "$(wc -l <"$RUN/all.records")"
  "$ROOT/tests/tools/check_events" <"$RUN/all.records" >"$RUN/check_events" || fail "events are not as they are documented: $(cat "$RUN/check_events")"
}

# rows_are COUNT TABLE
rows_are() {
  assert_eq "rows of $2" "$1" "$(pg "SELECT count(*) FROM $2")"
}
