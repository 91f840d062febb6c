# shellcheck shell=bash disable=SC2154
# proxy.sh - words for fault_proxy, and a real broker behind one; read after harness.sh.
#
#   proxy_start NAME kafka|plain HOST:PORT    a proxy; its address is in PROXY[NAME]
#   proxy_say NAME COMMAND...                 gives it a command, and prints what it says before its ok; an error fails the scenario
#   proxy_frames NAME API request|response    how many frames of that API (plain: pieces of API plain) it has seen
#   proxy_applied NAME RULE                   how many frames that rule has acted on
#   proxy_connections NAME                    how many there are now
#   proxy_has_applied NAME RULE LEAST, proxy_has_accepted NAME LEAST    for await
#   own_kafka [LINE...]                       a broker for this scenario alone, with these lines at the end of its properties, and proxy `kafka` in front of it:
#                                             KAFKA is the proxy's address, which the broker advertises to whoever comes that way; KAFKA_DIRECT is a way past
#                                             it for readers and tools, which no fault disturbs. The relay is set to KAFKA, the watch to KAFKA_DIRECT. A function
#                                             named by OWN_KAFKA_PREPARES is called before the broker starts.
#   kafka_failures                            how often the newest relay has begun anew for Kafka's sake
#   own_kafka_stop [SIGNAL] / own_kafka_run   takes that broker down, brings it back with its data
#   own_kafka_or_broker                       own_kafka, which kafka_goes kills and kafka_comes brings back; within `./dev test` the embedded broker, which is quicker
#
# Commands go one at a time: a proxy answers each before it gets the next.

declare -A PROXY PROXY_INPUT PROXY_LOG

proxy_start() {
  local name=$1 pid started deadline=$((SECONDS + 10))
  PROXY_INPUT[$name]=$RUN/proxy.$name.input
  PROXY_LOG[$name]=$RUN/proxy.$name.log
  [ -p "${PROXY_INPUT[$name]}" ] || mkfifo "${PROXY_INPUT[$name]}"
  PROCESS_INPUT=${PROXY_INPUT[$name]} process_spawn "proxy.$name" TERM "$ROOT/build/dev/tests/faults/fault_proxy" -s "${FAULTS_SEED:-1}" "${@:2}"
  pid=$process_pid
  started=$(process_started "$pid")
  until PROXY[$name]=$(sed -n 's/^listen=//p' "${PROXY_LOG[$name]}") && [ -n "${PROXY[$name]}" ]; do
    if ! process_is_alive "$pid" "$started" || [ $SECONDS -gt $deadline ]; then
      fail "proxy $name did not start: $(cat "${PROXY_LOG[$name]}")"
    fi
    sleep 0.02
  done
}

proxy_say() {
  local name=$1 before said='' deadline=$((SECONDS + 10))
  shift
  before=$(wc -l <"${PROXY_LOG[$name]}")
  echo "$*" >"${PROXY_INPUT[$name]}"
  until said=$(tail -n "+$((before + 1))" "${PROXY_LOG[$name]}") && [[ $'\n'$said =~ $'\n'(ok|error: [^$'\n']*)$ ]]; do
    [ $SECONDS -le $deadline ] || fail "proxy $name: $*: no answer within 10 s"
    sleep 0.01
  done
  [[ $'\n'$said != *$'\n'error:* ]] || fail "proxy $name: $*: $said"
  sed '$d' <<<"$said"
}

# Of what `count` says, the field of that number in the line that begins so; 0 when there is none.
proxy_counted() {
  proxy_say "$1" count | awk -v begin="$2 " -v field="$3" 'index($0 " ", begin) == 1 { found = $field } END { print found + 0 }'
}

proxy_frames() {
  if [ "$3" = request ]; then
    proxy_counted "$1" "frames $2" 4
  else
    proxy_counted "$1" "frames $2" 6
  fi
}

proxy_applied() {
  proxy_counted "$1" "rule $2" 6
}

proxy_connections() {
  proxy_counted "$1" connections 2
}

# proxy_has_applied NAME RULE LEAST, for await
proxy_has_applied() {
  [ "$(proxy_applied "$1" "$2")" -ge "$3" ]
}

# proxy_has_answered API [LEAST], of proxy kafka, for await
proxy_has_answered() {
  [ "$(proxy_frames kafka "$1" response)" -ge "${2:-1}" ]
}

proxy_accepted() {
  proxy_counted "$1" accepted 2
}

proxy_has_accepted() {
  [ "$(proxy_accepted "$1")" -ge "$2" ]
}

kafka_failures() {
  relay_log relay 'select(.event == "session_failed" and .side == "kafka") | .cause' | wc -l
}

# shellcheck disable=SC2120 # most want no line
own_kafka() {
  kafka_is_installed || {
    echo 'needs a real Kafka, which could not be fetched'
    exit 77
  }
  local port
  port=$(port_new)
  proxy_start kafka kafka "127.0.0.1:$port"
  KAFKA_PROXIED_PORT=$port KAFKA_PROXY=${PROXY[kafka]} kafka_init own-kafka "$@"
  "${OWN_KAFKA_PREPARES:-true}"
  own_kafka_run
}

own_kafka_run() {
  kafka_launch own-kafka
  kafka_await own-kafka || fail 'the broker did not start'
  KAFKA_DIRECT=$KAFKA
  EMBEDDED_INPUT=
  # shellcheck disable=SC2034 # campaign.sh reads it
  WATCH_KAFKA=$KAFKA_DIRECT
  KAFKA=${PROXY[kafka]}
  relay_set KAFKA_BOOTSTRAP_SERVERS "$KAFKA"
}

own_kafka_stop() {
  process_stop own-kafka "${1:-TERM}" 30 || fail 'the broker did not end when asked'
}

# shellcheck disable=SC2119,SC2317
own_kafka_or_broker() {
  if [ -n "${FAULTS_SHORT:-}" ]; then
    own_broker
    kafka_goes() { broker_is down; }
    kafka_comes() { broker_is up; }
  else
    own_kafka
    kafka_goes() { own_kafka_stop KILL; }
    kafka_comes() { own_kafka_run; }
  fi
}
