# shellcheck shell=bash
# consumers.sh - effects per second of a consumer on our runtime, beside pgbench with the same statements. A setting is "EVENTS per commit".
#
#   consumer             tests/services/counting_consumer.c with the inbox: one process, one connection, a row of table counted per event
#   consumer_redis       the same with IDEMPOTENCY=redis, which takes single events: a reservation instead of the inbox row
#   pgbench,             inbox row and effect per event, on one connection, committed as often as the consumer commits
#   pgbench_pipelined
#
# The topic is filled once, by outbox and relay, so that records have the keys, headers and sizes that events have. Each consumer is a group of its own and begins at the
# topic's beginning; it is ended after BENCH_LOAD_SECONDS, or when it has all. Its rate is the database's word: the rows of all transactions but the last one, between the
# beginnings of the first and of the last. Every row is of another event, or the run fails.
#
# The effect's key, type and sizes are the same in both; pgbench waits for nobody but the database, and reads nothing. CPU and round trips count from the first effect
# that was seen: a consumer's start is none of theirs.
# shellcheck disable=SC2034,SC2154

EFFECTS_TOPIC=effects

effects_prepare() {
  bench_sql -f "$ROOT/sql/inbox.sql" -c "SELECT inbox_create('public')" -c 'CREATE TABLE counted (event_id text, n bigint CHECK (n >= 0), topic text, partition integer,
    "offset" bigint, key text, attempt integer, at timestamptz NOT NULL DEFAULT now())' >>"$RUN/sql.log" 2>&1 || fail_bench "$(tail "$RUN/sql.log")"
  effects_fill
  effects_script 1 | pgbench_script effects_1
  effects_script 100 | pgbench_script effects_100
  # One that has Redis measures it, too.
  EFFECTS_REDIS=''
  if command -v redis-server >/dev/null; then
    redis_start redis
    EFFECTS_REDIS=$(process_pid_of redis)
  else
    say 'no redis-server: going on without consumer_redis'
  fi
}

# A topic of BENCH_EVENTS events of counting_consumer, 250 bytes each.
effects_fill() {
  local slot=effects_slot
  say "filling a topic with $BENCH_EVENTS events"
  topic_new $EFFECTS_TOPIC
  topic_tool create $EFFECTS_TOPIC.bytes 1 >>"$RUN/topic.log" 2>&1 || fail_bench "$(cat "$RUN/topic.log")"
  bench_sql -c 'TRUNCATE outbox' -c "SELECT pg_create_logical_replication_slot('$slot', 'pgoutput')" >/dev/null
  bench_sql -c "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, headers)
    SELECT 'effects', 'agg-' || n % 10000, 'Made', format('{\"n\": %s, \"pad\": \"%s\"}', n, repeat('x', 225))::json,
      jsonb_build_object('source', 'bench', 'timestamp', '2026-01-25T10:15:30.123456Z', 'version', '1.0', 'correlationId', gen_random_uuid(),
        'traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')
      FROM generate_series(1, $BENCH_EVENTS) n"
  relay_start pgoutput unix $slot $EFFECTS_TOPIC
  relay_await "$BENCH_EVENTS" 180
  process_stop relay || fail_bench 'the relay did not stop'
  slot_drop $slot
  bench_sql -c 'TRUNCATE outbox'
  [ "$(topic_tool total $EFFECTS_TOPIC)" = "$BENCH_EVENTS" ] || fail_bench "the topic does not hold the $BENCH_EVENTS events"
}

# effects_script EVENTS: a transaction of pgbench, with the statements of consumers/runtime/inbox.c: several events have one for the inbox. Two numbers of 18 digits are as
# long as a uuid.
effects_script() {
  local i ids=''
  for ((i = 1; i <= $1; i++)); do
    printf '\\set id_%d_%d random(100000000000000000, 999999999999999999)\n' $i 1 $i 2
    ids+="${ids:+, }:id_${i}_1::text || :id_${i}_2::text"
  done
  echo 'BEGIN;'
  if [ "$1" = 1 ]; then
    cat <<SQL
INSERT INTO inbox (consumer, event_id, topic, partition, "offset") VALUES (:consumer::text, $ids, :topic::text, :partition::integer, :offset::bigint) ON CONFLICT DO NOTHING RETURNING event_id;
SQL
  else
    cat <<SQL
INSERT INTO inbox (consumer, event_id, topic, partition, "offset") SELECT :consumer::text, e.event_id, e.topic, e.partition, e.position FROM unnest(ARRAY[$ids], array_fill(:topic::text, ARRAY[$1]), array_fill(:partition::integer, ARRAY[$1]), array_fill(:offset::bigint, ARRAY[$1])) WITH ORDINALITY AS e (event_id, topic, partition, position, number) ORDER BY e.event_id COLLATE "C", e.number ON CONFLICT DO NOTHING RETURNING event_id;
SQL
  fi
  for ((i = 1; i <= $1; i++)); do
    cat <<SQL
INSERT INTO counted (event_id, n, topic, partition, "offset", key, attempt) VALUES (:id_${i}_1::text || :id_${i}_2::text, :n::bigint, :topic, :partition::integer, :offset::bigint, :key, :attempt::integer);
SQL
  done
  echo 'COMMIT;'
}

effects_empty() {
  bench_sql -c 'TRUNCATE inbox, counted' -c CHECKPOINT
  [ -z "$EFFECTS_REDIS" ] || redis-cli -h 127.0.0.1 -p "$REDIS_PORT" FLUSHALL >/dev/null
}

effects_taken() {
  curl -sS --max-time 5 "http://127.0.0.1:$EFFECTS_PORT/metrics" | awk '/^events_consumed_total\{.*outcome="handled"/ { sum += $2 } END { printf "%d", sum }'
}

effects_begin() {
  EFFECTS_PORT=$(log_field http_listening port consumer)
  [ -n "$EFFECTS_PORT" ] || return 1
  EFFECTS_BEFORE=$(effects_taken)
  [ "$EFFECTS_BEFORE" -gt 0 ]
}

# effects_of_consumer SETTING SYSTEM ROUND EVENTS-PER-COMMIT [NAME=VALUE...]
effects_of_consumer() {
  local setting=$1 system=$2 round=$3 batch=$4 consumer ticks database_ticks redis_ticks=0 sent until_us taken rows events inbox
  shift 4
  effects_empty
  rm -f "$RUN/consumer.log"
  process_spawn consumer TERM env -i PATH="$PATH" HOME="$RUN" DATABASE_URL="postgresql://postgres@127.0.0.1:$PG_PORT/bench" KAFKA_BOOTSTRAP_SERVERS="$KAFKA" \
    GROUP_ID="$system.$batch.$round" HTTP_LISTEN=127.0.0.1:0 COUNTING_TOPIC=$EFFECTS_TOPIC COUNTING_BATCH="$batch" COUNTING_WAIT_MS=200 "$@" \
    "$ROOT/build/release/tests/services/counting_consumer"
  consumer=$process_pid
  wait_until 60 effects_begin || fail_bench "the consumer took nothing: $(tail -n 5 "$RUN/consumer.log")"
  ticks=$(process_ticks "$consumer")
  database_ticks=$(database_ticks)
  [ -z "$EFFECTS_REDIS" ] || redis_ticks=$(process_ticks "$EFFECTS_REDIS")
  sent=$(connections_sent)
  until_us=$(($(now_us) + BENCH_LOAD_SECONDS * 1000000))
  until [ "$(now_us)" -ge $until_us ] || [ "$(effects_taken)" -ge "$BENCH_EVENTS" ]; do
    sleep 0.5
  done
  taken=$(($(effects_taken) - EFFECTS_BEFORE))
  ticks=$(($(process_ticks "$consumer") - ticks))
  database_ticks=$(($(database_ticks) - database_ticks))
  [ -z "$EFFECTS_REDIS" ] || redis_ticks=$(($(process_ticks "$EFFECTS_REDIS") - redis_ticks))
  [ -z "$sent" ] || sent=$(($(connections_sent) - sent))
  process_stop consumer || fail_bench 'the consumer did not stop'
  read -r rows events inbox EFFECTS_RATE < <(bench_sql -F ' ' -c "SELECT count(*), count(DISTINCT event_id), (SELECT count(*) FROM inbox),
    round(count(*) FILTER (WHERE at < last) / nullif(extract(epoch FROM last - first), 0)) FROM counted, (SELECT min(at) AS first, max(at) AS last FROM counted) AS ends GROUP BY first, last")
  if [ "$rows" != "$events" ] || [ "$taken" -le 0 ] || [ -z "$EFFECTS_RATE" ]; then
    fail_bench "the consumer made $rows rows of $events events, $taken of them behind the first look"
  fi
  [ "$system" != consumer ] || [ "$rows" = "$inbox" ] || fail_bench "the consumer made $rows rows, and its inbox has $inbox"
  note_effects "$setting" "$system" "$round" "$taken" "$EFFECTS_RATE" "$(compute "$ticks / $BENCH_TICKS_PER_SECOND")" "$database_ticks"
  [ -z "$sent" ] || note consumers "$setting" "$system" round_trips "$round" "$(compute "$sent / $taken")"
  [ "$system" != consumer_redis ] || note consumers "$setting" "$system" redis_cpu_s_per_million "$round" "$(ticks_per_million "$redis_ticks" "$taken")"
}

# note_effects SETTING SYSTEM ROUND EVENTS RATE CPU-SECONDS DATABASE-TICKS
note_effects() {
  note consumers "$1" "$2" events_per_s "$3" "$5"
  note consumers "$1" "$2" cpu_s_per_million "$3" "$(compute "$6 / $4 * 1e6")"
  note consumers "$1" "$2" database_cpu_s_per_million "$3" "$(ticks_per_million "$7" "$4")"
  EFFECTS_RATES[$2]=$5
}

# effects_of_pgbench SETTING SYSTEM ROUND EVENTS-PER-COMMIT
effects_of_pgbench() {
  local batch=$4 rows
  effects_empty
  pgbench_run "$2" "effects_$batch" postgres 1 consumer=counting-consumer topic=$EFFECTS_TOPIC partition=7 offset=12345 n=123456 key=agg-1234 attempt=1
  rows=$(bench_sql -c 'SELECT count(*) FROM counted')
  [ "$rows" = $((PGBENCH_COUNT * batch)) ] || fail_bench "pgbench made $PGBENCH_COUNT transactions, and there are $rows rows"
  note_effects "$1" "$2" "$3" "$rows" "$(compute "$PGBENCH_RATE * $batch")" "$PGBENCH_CPU_S" "$PGBENCH_DATABASE_TICKS"
}

# effects_round ROUND EVENTS-PER-COMMIT
effects_round() {
  local round=$1 batch=$2 setting="$2 per commit" system
  local -a all=(pgbench pgbench_pipelined consumer) systems
  declare -gA EFFECTS_RATES=()
  if [ "$batch" = 1 ] && [ -n "$EFFECTS_REDIS" ]; then
    all+=(consumer_redis)
  fi
  mapfile -t systems < <(printf '%s\n' "${all[@]}" | if [ $((round % 2)) = 1 ]; then cat; else tac; fi)
  for system in "${systems[@]}"; do
    case $system in
      pgbench*) effects_of_pgbench "$setting" "$system" "$round" "$batch" ;;
      consumer) effects_of_consumer "$setting" "$system" "$round" "$batch" ;;
      consumer_redis) effects_of_consumer "$setting" "$system" "$round" "$batch" IDEMPOTENCY=redis REDIS_URL="redis://127.0.0.1:$REDIS_PORT" ;;
    esac
  done
  pgbench_compare consumers "$setting" "$round" events/s EFFECTS_RATES "${all[@]}"
}

measure_consumers() {
  local round batch NOTE_EVENTS=$BENCH_EVENTS
  effects_prepare
  for ((round = 1; round <= BENCH_ROUNDS; round++)); do
    for batch in 1 100; do
      effects_round "$round" "$batch"
    done
  done
  bench_sql -c 'DROP TABLE counted, inbox'
  topic_tool delete $EFFECTS_TOPIC >/dev/null 2>&1 || true
  topic_tool delete $EFFECTS_TOPIC.bytes >/dev/null 2>&1 || true
  if [ -n "$EFFECTS_REDIS" ]; then
    process_stop redis || fail_bench 'Redis did not stop'
  fi
}
