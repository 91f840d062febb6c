# shellcheck shell=bash disable=SC2154
# echo.bash - what scenarios of the HTTP runtime have in common, behind tests/e2e/harness.sh: echo_service.c, started and asked. The server must be the
# scenario's own (POSTGRES=own), since a role is made in it.

PROGRAM=$BUILD/tests/services/echo_service

# service_start NAME [VARIABLE=VALUE...]: starts it and waits until it listens; sets PORT, PID and LOG.
service_start() {
  local name=$1
  shift
  process_spawn "$name" TERM env -i PATH="$PATH" ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer" \
    DATABASE_URL="postgresql://echo@127.0.0.1:$PG_PORT/$DB" HTTP_LISTEN=127.0.0.1:0 "$@" "$PROGRAM"
  PID=$process_pid
  LOG=$RUN/$name.log
  await "$name listens" 10 grep -q '"event":"http_listening"' "$LOG"
  PORT=$(jq -rR 'fromjson? | select(.event == "http_listening") | .port' "$LOG")
}

# ask METHOD PATH [CURL-ARGUMENT...]: prints the status; head and body of the answer are in $RUN/head and $RUN/body.
ask() {
  local method=$1 path=$2
  shift 2
  [ "$method" != HEAD ] || set -- --head "$@"
  curl -sS --max-time 20 -X "$method" -D "$RUN/head" -o "$RUN/body" -w '%{http_code}' "http://127.0.0.1:$PORT$path" "$@"
}

# post PATH BODY [CURL-ARGUMENT...]
post() {
  local path=$1 body=$2
  shift 2
  ask POST "$path" -H 'Content-Type: application/json' --data-binary "$body" "$@"
}

answer_header() {
  sed -nE "s/^$1: *(.*)\r$/\1/Ip" "$RUN/head"
}

# refused WHAT STATUS REGEX ACTUAL-STATUS: the answer is a problem document whose detail says it.
refused() {
  assert_eq "$1: status" "$2" "$4"
  assert_eq "$1: type" application/problem+json "$(answer_header Content-Type)"
  assert_eq "$1: status in the document" "$2" "$(jq .status "$RUN/body")"
  assert_match "$1: detail" "$3" "$(jq -r .detail "$RUN/body")"
  assert_eq "$1: whose it is" "$(answer_header X-Correlation-Id)" "$(jq -r .correlationId "$RUN/body")"
}

# raw TEXT: sends these bytes (as printf has them) and prints the first line of what comes back.
raw() {
  local line=''
  exec 9<>"/dev/tcp/127.0.0.1/$PORT"
  # In one piece: printf would send line by line, and what comes behind a refusal takes the answer away.
  # shellcheck disable=SC2059
  printf "$1" | dd bs=1M iflag=fullblock status=none >&9
  IFS= read -r -t 20 line <&9 || true
  exec 9>&-
  echo "${line%$'\r'}"
}

seconds_since() {
  awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}

# What this machine itself was late is not counted where something is to take no longer than so long: from metronome_start on somebody rests for a tenth of a second, again and
# again, and notes when he was woken, and by how much too late, if by as much again.
metronome() {
  local began
  while [ -e "$RUN/metronome" ] && kill -0 $$ 2>/dev/null; do
    began=$EPOCHREALTIME
    sleep 0.1
    awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print b, b - a > 0.2 ? b - a - 0.1 : 0 }' >>"$RUN/beats"
  done
}
metronome_start() {
  : >"$RUN/beats"
  : >"$RUN/metronome"
  metronome &
  METRONOME=$!
}
metronome_stop() {
  rm "$RUN/metronome"
  wait "$METRONOME"
}
has_beaten_since() { # TIME
  awk -v since="$1" '$1 > since { found = 1 } END { exit !found }' "$RUN/beats"
}

# beat_is_awaited SECONDS LIMIT: for what took longer. The metronome, too, may have been late until now, and has not said so yet.
beat_is_awaited() {
  if awk -v a="$1" -v b="$2" 'BEGIN { exit a <= b }'; then
    await 'the metronome' 20 has_beaten_since "$EPOCHREALTIME"
  fi
}

# no_longer WHAT SECONDS LIMIT BEGAN: of something that began then, and took so long.
no_longer() {
  beat_is_awaited "$2" "$3"
  assert_number "$1" "$2" '<=' "$(awk -v began="$4" -v limit="$3" '$1 >= began { limit += $2 } END { print limit }' "$RUN/beats")"
}

# each_no_longer WHAT SECONDS LIMIT BEGAN: of the slowest of many calls since then, each of which may have met one lateness and not all of them.
each_no_longer() {
  beat_is_awaited "$2" "$3"
  assert_number "$1" "$2" '<=' "$(awk -v began="$4" -v limit="$3" '$1 >= began && $2 > late { late = $2 } END { print limit + late }' "$RUN/beats")"
}

metric() {
  curl -sS --max-time 5 "http://127.0.0.1:$PORT/metrics" | awk -v series="$1" 'index($0, series " ") == 1 { print substr($0, length(series) + 2) }'
}

notes() {
  pg 'SELECT count(*) FROM echo.note'
}

# The tables of echo_service.c, and its role with no more rights than it needs.
echo_tables() {
  pg 'CREATE SCHEMA echo' \
    "CREATE TABLE echo.note (id uuid PRIMARY KEY, name text NOT NULL UNIQUE, text text NOT NULL CONSTRAINT text_is_polite CHECK (text <> 'rude')
    CONSTRAINT text_is_not_secret CHECK (text <> 'secret'))" \
    'CREATE TABLE echo.attempt (at timestamptz DEFAULT now())' \
    'CREATE TABLE echo.request_answer (key text PRIMARY KEY, route text NOT NULL, digest bytea NOT NULL, status integer, body text, created_at timestamptz NOT NULL DEFAULT now())' \
    'CREATE ROLE echo LOGIN' 'GRANT USAGE ON SCHEMA echo TO echo' 'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA echo TO echo' \
    'GRANT outbox_writer TO echo' "INSERT INTO public.outbox_writer_aggregate VALUES ('echo', 'echo')"
}
