# shellcheck shell=bash
# servers.sh - private servers for demos, tests and lint: PostgreSQL, Apache Kafka (one node, KRaft), the embedded broker and Redis.
#
# All listen on the loopback interface alone, on free ports, keep their data in folders of their own, and are ended by their own process id
# (processes.sh). PostgreSQL refuses to run as root, so root starts it as user postgres. What a server is reached by is written as NAME=VALUE lines into
# "$RUN/<name>.env", and set in this shell:
#
#   postgres_start NAME      PG_PORT PG_SOCKET PG_DATA PG_URL
#   kafka_start NAME         KAFKA (no authentication) KAFKA_SASL KAFKA_SSL KAFKA_SASL_SSL KAFKA_TLS (a folder with ca.crt, relay.crt, relay.key)
#   embedded_broker_start N  KAFKA EMBEDDED_INPUT (a named pipe for its commands) EMBEDDED_LOG (its answers)
#   redis_start NAME         REDIS_PORT
#
# Needs ROOT (the checkout), RUN, and processes.sh for process_pid and all that starts and ends.
# shellcheck disable=SC2154

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# PostgreSQL

# Sets PG_BIN to the newest installed server's programs, and puts them first in PATH: Debian's psql is a Perl program that looks for the real one, which takes longer than
# most of our statements.
postgres_find() {
  local folder
  PG_BIN=''
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -V); do
    if [ -x "$folder/initdb" ]; then
      PG_BIN=$folder
    fi
  done
  [ -n "$PG_BIN" ] || {
    echo "dev: no PostgreSQL server is installed; ./dev setup installs it" >&2
    return 1
  }
  PATH=$PG_BIN:$PATH
}

# Prints its major version.
postgres_version() {
  [ -n "${PG_BIN:-}" ] || postgres_find
  "$PG_BIN/postgres" --version | sed -nE 's/^[^0-9]*([0-9]+).*/\1/p'
}

# Sets PG_PREFIX to what a server's program is started with: as user postgres where we are root, else as ourselves, and in /, since that user may not be
# able to enter where we are. Nothing in it forks: the process id is the program's own. A scenario may have words of its own before them, in POSTGRES_PREFIX.
postgres_prefix() {
  PG_PREFIX=(env -C / HOME=/tmp)
  if [ "$(id -u)" = 0 ]; then
    PG_PREFIX=("${POSTGRES_PREFIX[@]}" setpriv --reuid=postgres --regid=postgres --init-groups "${PG_PREFIX[@]}")
  fi
}

# postgres_init NAME [LINE...]: a new cluster, and the lines at the end of its postgresql.conf. Under $RUN where the server's user can enter it.
#
# fsync is off: tests kill servers and never machines, and what the kernel was given outlives the process. Set POSTGRES_FSYNC=on where figures matter.
postgres_init() {
  local name=$1 data socket port
  shift
  postgres_find
  postgres_prefix
  port=$(port_new)
  socket=$(folder_new "$name")
  data=$RUN/$name.data
  mkdir -p "$data"
  if [ "$(id -u)" = 0 ]; then
    chown postgres: "$socket" "$data"
    if ! "${PG_PREFIX[@]}" test -w "$data" 2>/dev/null; then
      rmdir "$data"
      data=$socket/data
      "${PG_PREFIX[@]}" mkdir -m 0700 "$data"
    fi
  fi
  chmod 0700 "$data" "$socket"
  "${PG_PREFIX[@]}" "$PG_BIN/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$RUN/$name.initdb.log" 2>&1 || {
    cat "$RUN/$name.initdb.log" >&2
    return 1
  }
  {
    cat "$data/postgresql.conf"
    echo "
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$socket'
wal_level = logical
max_wal_senders = 50
max_replication_slots = 50
max_connections = 100
shared_buffers = 64MB
fsync = ${POSTGRES_FSYNC:-off}
log_line_prefix = '%m [%p] %q%d %a '
log_checkpoints = off
log_lock_waits = on"
    # Servers of late 2026 and newer load only the output plugins on this list, and naming it replaces its default.
    case $("$PG_BIN/postgres" --describe-config) in
      *output_plugin_libraries*) echo "output_plugin_libraries = 'pgoutput, test_decoding, wal2json'" ;;
    esac
    printf '%s\n' "$@"
  } >"$RUN/$name.conf"
  cat "$RUN/$name.conf" >"$data/postgresql.conf"
  printf 'PG_PORT=%s\nPG_SOCKET=%s\nPG_DATA=%s\nPG_URL=%s\n' "$port" "$socket" "$data" "postgresql://postgres@127.0.0.1:$port" >"$RUN/$name.env"
}

postgres_answers() {
  "$PG_BIN/pg_isready" -q -h "$1" -p "$2" -U postgres -d postgres
}

# postgres_run NAME: starts the cluster that postgres_init made, and waits for it.
postgres_run() {
  local name=$1
  postgres_find
  postgres_prefix
  # shellcheck disable=SC1090
  . "$RUN/$name.env"
  local pid started
  process_spawn "$name" INT "${PG_PREFIX[@]}" "$PG_BIN/postgres" -D "$PG_DATA"
  pid=$process_pid
  started=$(process_started "$pid")
  local deadline=$((SECONDS + 30))
  until postgres_answers "$PG_SOCKET" "$PG_PORT"; do
    if ! process_is_alive "$pid" "$started" || [ $SECONDS -gt $deadline ]; then
      echo "dev: PostgreSQL ($name) did not start:" >&2
      tail -n 20 "$RUN/$name.log" >&2
      return 1
    fi
    sleep 0.05
  done
}

# postgres_children_are_gone PID...
postgres_children_are_gone() {
  local pid
  for pid in "$@"; do
    [ -z "$(process_started "$pid")" ] || return 1
  done
}

# postgres_kill NAME: SIGKILL to its postmaster. Its children end when they notice, and only then can postgres_run start it again.
postgres_kill() {
  local server children
  server=$(process_pid_of "$1")
  read -ra children <"/proc/$server/task/$server/children" || true # it ends without a newline
  process_stop "$1" KILL
  wait_until 30 postgres_children_are_gone "${children[@]}"
}

postgres_start() {
  postgres_init "$@"
  postgres_run "$1"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Apache Kafka

KAFKA_USER=relay
KAFKA_PASSWORD=relay-secret-of-tests

kafka_version() {
  sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$ROOT/tests/kafka/pom.xml"
}

# Where the jars are kept between runs and clones.
kafka_libs() {
  echo "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/cdc-relay/kafka-$(kafka_version)"
}

kafka_is_installed() {
  [ -d "$(kafka_libs)" ] && [ -n "$(compgen -G "$(kafka_libs)/kafka_*.jar")" ]
}

# kafka_java CLASS ARGUMENT...: a program of the broker's jars. Small and quick to start; not for the broker itself.
kafka_java() {
  java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "-Dlog4j.configuration=file:$ROOT/tests/kafka/log4j.properties" \
    -cp "$(kafka_libs)/*" "$@"
}

# tls_make FOLDER: an authority, and certificates of it for the server (localhost, 127.0.0.1) and for the relay as a client.
tls_make() {
  (
    mkdir -p "$1"
    cd "$1" || exit 1
    openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=test-authority -keyout ca.key -out ca.crt
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' >server.ext
    local name
    for name in server relay; do
      openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout $name.key -out $name.csr
      if [ $name = server ]; then
        openssl x509 -req -days 3 -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile server.ext -out $name.crt
      else
        openssl x509 -req -days 3 -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $name.crt
      fi
      cat $name.key $name.crt >$name.pem
    done
  ) >"$RUN/openssl.log" 2>&1 || {
    cat "$RUN/openssl.log" >&2
    return 1
  }
}

# kafka_init NAME [LINE...]: one node, broker and controller in one process, with a listener of each kind, and the lines at the end of its properties. The
# listener without authentication is the tests' own door (its user is a super user); the three others are under ACLs. SCRAM user: $KAFKA_USER with
# $KAFKA_PASSWORD. With KAFKA_PROXIED_PORT there is one more without authentication, on that port, which is advertised as KAFKA_PROXY: whoever comes by way of
# that proxy stays with it.
kafka_init() {
  local name=$1 plain controller sasl ssl sasl_ssl data=$RUN/$1.data tls=$RUN/$1.tls module proxied='' advertised=''
  shift
  if [ -n "${KAFKA_PROXIED_PORT:-}" ]; then
    proxied=,PROXIED://127.0.0.1:$KAFKA_PROXIED_PORT
    advertised=,PROXIED://$KAFKA_PROXY
  fi
  module=org.apache.kafka.common.security.scram.ScramLoginModule
  plain=$(port_new) controller=$(port_new) sasl=$(port_new) ssl=$(port_new) sasl_ssl=$(port_new)
  tls_make "$tls"
  cat >"$RUN/$name.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$plain,CONTROLLER://127.0.0.1:$controller,SASL_PLAINTEXT://127.0.0.1:$sasl,SSL://127.0.0.1:$ssl,SASL_SSL://127.0.0.1:$sasl_ssl$proxied
advertised.listeners=PLAINTEXT://127.0.0.1:$plain,SASL_PLAINTEXT://127.0.0.1:$sasl,SSL://127.0.0.1:$ssl,SASL_SSL://127.0.0.1:$sasl_ssl$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$data
num.partitions=3
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=4194304
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=$module required;
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=$module required;
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=$module required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=$module required;
ssl.keystore.type=PEM
ssl.keystore.location=$tls/server.pem
ssl.truststore.type=PEM
ssl.truststore.location=$tls/ca.crt
ssl.client.auth=required
listener.name.sasl_ssl.ssl.client.auth=none
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false
PROPERTIES
  printf '%s\n' "$@" >>"$RUN/$name.properties"
  # Any 22 characters of base64 serve as cluster id.
  kafka_java kafka.tools.StorageTool format -t cdcRelayTestsCluster1w -c "$RUN/$name.properties" \
    --add-scram "SCRAM-SHA-256=[name=$KAFKA_USER,password=$KAFKA_PASSWORD]" --add-scram "SCRAM-SHA-512=[name=$KAFKA_USER,password=$KAFKA_PASSWORD]" \
    >"$RUN/$name.format.log" 2>&1 || {
    cat "$RUN/$name.format.log" >&2
    return 1
  }
  printf 'KAFKA=%s\nKAFKA_SASL=%s\nKAFKA_SSL=%s\nKAFKA_SASL_SSL=%s\nKAFKA_TLS=%s\n' \
    "127.0.0.1:$plain" "127.0.0.1:$sasl" "127.0.0.1:$ssl" "127.0.0.1:$sasl_ssl" "$tls" >"$RUN/$name.env"
}

kafka_answers() {
  timeout 5 kcat -b "$1" -L -m 1 >/dev/null 2>&1
}

# kafka_launch NAME / kafka_await NAME: in two steps, since the 4 seconds are enough to start all the rest meanwhile.
kafka_launch() {
  # shellcheck disable=SC1090
  . "$RUN/$1.env"
  process_spawn "$1" TERM java "-Xms${KAFKA_HEAP:-384m}" "-Xmx${KAFKA_HEAP:-384m}" -XX:-UsePerfData "-Dlog4j.configuration=file:$ROOT/tests/kafka/log4j.properties" \
    -cp "$(kafka_libs)/*" kafka.Kafka "$RUN/$1.properties"
}

kafka_await() {
  local pid started deadline=$((SECONDS + 120))
  # shellcheck disable=SC1090
  . "$RUN/$1.env"
  pid=$(process_pid_of "$1") || pid=0
  started=$(process_started "$pid")
  until kafka_answers "$KAFKA"; do
    if ! process_is_alive "$pid" "$started" || [ $SECONDS -gt $deadline ]; then
      echo "dev: Kafka did not start; the first errors of its log:" >&2
      grep -m 5 -E 'ERROR|Exception' "$RUN/$1.log" >&2 || tail "$RUN/$1.log" >&2
      return 1
    fi
    sleep 0.1
  done
}

# The first idempotent producer of a fresh broker waits half a second for a coordinator; so that no scenario is the first.
kafka_warm_up() {
  {
    topic_make warm-up 1
    echo warm | timeout 30 kcat -P -b "$KAFKA" -t warm-up -X enable.idempotence=true
  } >"$RUN/warm-up.log" 2>&1 || echo "dev: the broker could not be warmed up: $(tail -n 1 "$RUN/warm-up.log")"
}

kafka_start() {
  kafka_init "$1"
  kafka_launch "$1"
  kafka_await "$1"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# The embedded broker: librdkafka's mock cluster in a program of ours. It chooses its port itself, and is taken down and up by lines on its input.

embedded_broker_start() {
  local name=$1 pid started deadline=$((SECONDS + 10))
  shift
  EMBEDDED_INPUT=$RUN/$name.input
  [ -p "$EMBEDDED_INPUT" ] || mkfifo "$EMBEDDED_INPUT"
  PROCESS_INPUT=$EMBEDDED_INPUT process_spawn "$name" TERM "$ROOT/build/dev/tests/tools/embedded_broker" "$@"
  pid=$process_pid
  started=$(process_started "$pid")
  until KAFKA=$(sed -n 's/^bootstrap=//p' "$RUN/$name.log" | tail -n 1) && [ -n "$KAFKA" ]; do
    if ! process_is_alive "$pid" "$started" || [ $SECONDS -gt $deadline ]; then
      echo "dev: the embedded broker did not start:" >&2
      tail "$RUN/$name.log" >&2
      return 1
    fi
    sleep 0.02
  done
  EMBEDDED_LOG=$RUN/$name.log
  printf 'KAFKA=%s\nEMBEDDED_INPUT=%s\nEMBEDDED_LOG=%s\n' "$KAFKA" "$EMBEDDED_INPUT" "$EMBEDDED_LOG" >"$RUN/$name.env"
}

# embedded_broker_say COMMAND...: gives one of its commands and waits for the answer.
embedded_broker_say() {
  local before answer deadline=$((SECONDS + 10))
  before=$(grep -cE '^(ok|error: .*)$' "$EMBEDDED_LOG") || true
  echo "$*" >"$EMBEDDED_INPUT"
  until answer=$(grep -E '^(ok|error: .*)$' "$EMBEDDED_LOG" | sed -n "$((before + 1))p") && [ -n "$answer" ]; do
    [ $SECONDS -le $deadline ] || answer='error: no answer within 10 s'
    [ -z "$answer" ] || break
    sleep 0.01
  done
  [ "$answer" = ok ] || {
    echo "dev: embedded broker: $*: $answer" >&2
    return 1
  }
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Redis, in memory alone: what it held is gone with it.

# Any answer will do: one that wants a password answers, too.
redis_answers() {
  [ -n "$(timeout 5 redis-cli -h 127.0.0.1 -p "$1" PING 2>/dev/null)" ]
}

# redis_start NAME [ARGUMENT...]: with more arguments of redis-server. A second start under the same name takes the same port.
redis_start() {
  local name=$1 pid started deadline=$((SECONDS + 10))
  shift
  if [ -e "$RUN/$name.env" ]; then
    # shellcheck disable=SC1090
    . "$RUN/$name.env"
  else
    REDIS_PORT=$(port_new)
  fi
  process_spawn "$name" TERM redis-server --bind 127.0.0.1 --port "$REDIS_PORT" --save '' --appendonly no --daemonize no --dir "$RUN" "$@"
  pid=$process_pid
  started=$(process_started "$pid")
  until redis_answers "$REDIS_PORT"; do
    if ! process_is_alive "$pid" "$started" || [ $SECONDS -gt $deadline ]; then
      echo "dev: Redis ($name) did not start:" >&2
      tail "$RUN/$name.log" >&2
      return 1
    fi
    sleep 0.02
  done
  printf 'REDIS_PORT=%s\n' "$REDIS_PORT" >"$RUN/$name.env"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #

# topic_make TOPIC PARTITIONS [NAME=VALUE...]: on the broker that KAFKA names. Of the embedded one EMBEDDED_INPUT is known, and it knows no properties.
topic_make() {
  if [ -n "${EMBEDDED_INPUT:-}" ]; then
    embedded_broker_say topic "$1" "$2"
  else
    "$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA" create "$@"
  fi
}

# topics_make FILE: those topics of a system's topics.json that are not there yet, as for development.
topics_make() {
  local there name partitions settings
  there=$(kcat -b "$KAFKA" -L -J | jq -r '.topics[].topic') || return 1
  while read -r name partitions settings; do
    if ! grep -qxF -- "$name" <<<"$there"; then
      # shellcheck disable=SC2086
      topic_make "$name" "$partitions" $settings || return 1
    fi
  done < <(jq -r '.[] | "\(.name) \(.partitions) retention.ms=\(.retention_ms) cleanup.policy=\(.cleanup)"' "$1")
}
