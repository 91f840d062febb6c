# shellcheck shell=bash
# debezium.sh - Debezium Server as a peer: fetched once from Maven Central, as its project distributes it, and run in three settings on the same log.
#
#   default   what its documentation says for an outbox: EventRouter, pgoutput, an existing publication, no snapshot, offsets in a file
#   tuned     polls every millisecond, large batches and queues, two ordered threads, a producer without linger and with large batches, a gigabyte of heap
#   lean      tuned, without the context headers that it puts on each record
#
# Needs a Java of 21 or newer: $BENCH_JAVA, or any that is installed. The relay needs none.

# shellcheck disable=SC2034,SC2154
DEBEZIUM_VERSION=3.6.0.Final
# A version of the plugin that fetches an archive without reading its parent's description, which the repository does not have.
DEBEZIUM_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:2.8
DEBEZIUM_JAVA_OLDEST=21

debezium_folder() {
  echo "${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/cdc-relay/debezium-server-$DEBEZIUM_VERSION"
}

# java_version PROGRAM: its first number.
java_version() {
  "$1" -version 2>&1 | sed -nE '1 s/.* version "([0-9]+).*/\1/p'
}

# Sets DEBEZIUM_JAVA to the oldest installed one that is new enough.
debezium_find_java() {
  local java version best=''
  DEBEZIUM_JAVA=''
  for java in ${BENCH_JAVA:+"$BENCH_JAVA"} "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [ -x "$java" ] || continue
    version=$(java_version "$java")
    if [ -n "$version" ] && [ "$version" -ge $DEBEZIUM_JAVA_OLDEST ] && { [ -z "$best" ] || [ "$version" -lt "$best" ]; }; then
      best=$version
      DEBEZIUM_JAVA=$java
    fi
  done
  [ -n "$DEBEZIUM_JAVA" ]
}

# The archive has 800 MB, most of it connectors of other databases; what is kept has about 420.
debezium_fetch() {
  local folder kept archive
  folder=$(debezium_folder)
  [ ! -d "$folder" ] || return 0
  say "fetching Debezium Server $DEBEZIUM_VERSION from Maven Central into $folder (780 MB, once)"
  mkdir -p "$(dirname "$folder")"
  kept=$(mktemp -d "$folder.XXXXXX")
  if timeout 900 mvn -q -B "-Dmaven.repo.local=$kept/repository" "$DEBEZIUM_PLUGIN:get" "-Dartifact=io.debezium:debezium-server-dist:$DEBEZIUM_VERSION:tar.gz" \
    -Dtransitive=false >"$RUN/maven.log" 2>&1 </dev/null; then
    archive=$kept/repository/io/debezium/debezium-server-dist/$DEBEZIUM_VERSION/debezium-server-dist-$DEBEZIUM_VERSION.tar.gz
    tar xzf "$archive" -C "$kept" --strip-components=1 debezium-server/lib "debezium-server/debezium-server-dist-$DEBEZIUM_VERSION-runner.jar"
    rm -rf "$kept/repository"
    chmod 755 "$kept"
    mv -T "$kept" "$folder" 2>/dev/null || rm -rf "$kept" # somebody was quicker
    return 0
  fi
  rm -rf "$kept"
  say "could not fetch Debezium Server: $(grep -m 1 ERROR "$RUN/maven.log" || tail -n 1 "$RUN/maven.log")"
  return 1
}

# Whether the peers can be run; says why not.
debezium_is_there() {
  debezium_find_java || {
    say "Debezium Server needs Java $DEBEZIUM_JAVA_OLDEST or newer, and none was found; name one in BENCH_JAVA"
    return 1
  }
  debezium_fetch
}

# debezium_properties KIND SLOT TOPIC FOLDER
debezium_properties() {
  cat <<PROPERTIES
quarkus.http.host=127.0.0.1
quarkus.http.port=0
quarkus.log.level=WARN
quarkus.banner.enabled=false
debezium.sink.type=kafka
debezium.sink.kafka.producer.bootstrap.servers=$KAFKA
debezium.sink.kafka.producer.key.serializer=org.apache.kafka.common.serialization.StringSerializer
debezium.sink.kafka.producer.value.serializer=org.apache.kafka.common.serialization.StringSerializer
debezium.format.key=simplestring
debezium.format.value=simplestring
debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector
debezium.source.offset.storage=org.apache.kafka.connect.storage.FileOffsetBackingStore
debezium.source.offset.storage.file.filename=$4/offsets
debezium.source.database.hostname=127.0.0.1
debezium.source.database.port=$PG_PORT
debezium.source.database.user=relay
debezium.source.database.password=none
debezium.source.database.dbname=bench
debezium.source.topic.prefix=bench
debezium.source.plugin.name=pgoutput
debezium.source.slot.name=$2
debezium.source.publication.name=bench_outbox
debezium.source.publication.autocreate.mode=disabled
debezium.source.table.include.list=public.outbox
debezium.source.snapshot.mode=no_data
debezium.transforms=outbox
debezium.transforms.outbox.type=io.debezium.transforms.outbox.EventRouter
debezium.transforms.outbox.route.topic.replacement=$3
PROPERTIES
  [ "$1" != default ] || return 0
  cat <<'PROPERTIES'
debezium.source.poll.interval.ms=1
debezium.source.max.batch.size=16384
debezium.source.max.queue.size=65536
debezium.source.record.processing.threads=2
debezium.source.record.processing.order=ORDERED
debezium.sink.kafka.producer.linger.ms=0
debezium.sink.kafka.producer.batch.size=262144
PROPERTIES
  [ "$1" != tuned ] || return 0
  cat <<'PROPERTIES'
debezium.source.extended.headers.enabled=false
debezium.format.header.schemas.enable=false
PROPERTIES
}

# debezium_start KIND SLOT TOPIC: sets BENCH_DEBEZIUM, its process id, and BENCH_STARTED_US.
debezium_start() {
  local folder=$RUN/debezium options=()
  rm -rf "$folder" "$RUN/debezium.log"
  mkdir -p "$folder/config"
  debezium_properties "$1" "$2" "$3" "$folder" >"$folder/config/application.properties"
  [ "$1" = default ] || options=(-Xmx1g -XX:+UseParallelGC)
  BENCH_STARTED_US=$(now_us)
  process_spawn debezium TERM env -C "$folder" "$DEBEZIUM_JAVA" "${options[@]}" --add-opens java.base/java.lang=ALL-UNNAMED \
    -cp "$(debezium_folder)/debezium-server-dist-$DEBEZIUM_VERSION-runner.jar:$(debezium_folder)/lib/*" io.debezium.server.Main
  BENCH_DEBEZIUM=$process_pid
}

debezium_stop() {
  process_stop debezium TERM 30 || say "Debezium Server was killed: it did not stop within 30 s"
}

topic_holds() {
  [ "$(topic_tool total "$1")" -ge "$2" ]
}

# debezium_await TOPIC RECORDS SECONDS
debezium_await() {
  local deadline=$((SECONDS + $3))
  until topic_holds "$1" "$2"; do
    [ $SECONDS -le $deadline ] || fail_bench "Debezium Server wrote $(topic_tool total "$1") of $2 records within $3 s: $(tail -n 3 "$RUN/debezium.log")"
    kill -0 "$BENCH_DEBEZIUM" 2>/dev/null || fail_bench "Debezium Server ended: $(tail -n 5 "$RUN/debezium.log")"
    sleep 0.3
  done
}
