# shellcheck shell=bash
# orders.sh - POST /api/orders of order-service, beside pgbench with the same inserts: what a service on our runtime costs, on top of its database. A setting is
# "CONNECTIONS connections", with "Idempotency-Key" behind it where each request has one.
#
#   order_service        HTTP_WORKERS=CONNECTIONS, and as many clients that keep their connections and send the next order when they have their answer
#   order_service_2n     the same with twice as many clients
#   pgbench,             the rows of customer_order and outbox, in one transaction, on as many connections; with a key a third row, request_answer, which the service
#   pgbench_pipelined    inserts and updates
#
# All work as the service's role, so that row policies count for all, over TCP. The values of pgbench are read from rows that the service wrote, so that both write the
# same bytes; ids are random in both. Each begins with empty tables and behind a checkpoint. That every request became its rows is counted.
#
# The service logs a line per request, as it does by default. What the clients cost is noted, since they share the processors: client_cpu_s_per_1000.
# shellcheck disable=SC2034,SC2154

ORDERS_BODY='{"customerId":"customer-000123","customerEmail":"customer-000123@example.com","totalAmount":1234.56,"currency":"EUR"}'
ORDERS_WARM_SECONDS=1

# orders_start WORKERS
orders_start() {
  local port
  port=$(port_new)
  rm -f "$RUN/order_service.log"
  process_spawn order_service TERM env -i PATH="$PATH" HOME="$RUN" DATABASE_URL="postgresql://order_1@127.0.0.1:$PG_PORT/bench" HTTP_LISTEN="127.0.0.1:$port" \
    HTTP_WORKERS="$1" "$ROOT/build/release/producers/order-service"
  ORDERS_PID=$process_pid
  ORDERS_PORT=$port
  wait_until 20 curl -sf --max-time 5 -o /dev/null "http://127.0.0.1:$port/readyz" || fail_bench "order-service is not ready: $(tail -n 5 "$RUN/order_service.log")"
}

orders_stop() {
  process_stop order_service || fail_bench 'order-service did not stop'
}

# orders_send CLIENTS SECONDS [ARGUMENT...]: into $RUN/load.out
orders_send() {
  local clients=$1 seconds=$2
  shift 2
  "$ROOT/build/release/tests/bench/bench_http_load" -c "$clients" -t "$seconds" "$@" 127.0.0.1 "$ORDERS_PORT" /api/orders "$ORDERS_BODY" >"$RUN/load.out" 2>"$RUN/load.err" ||
    fail_bench "$(head -n 20 "$RUN/load.err")"
}

orders_empty() {
  bench_sql -c 'TRUNCATE orders.customer_order, orders.request_answer, public.outbox' -c CHECKPOINT
}

orders_rows() {
  bench_sql -c "SELECT (SELECT count(*) FROM orders.customer_order) || ' ' || (SELECT count(*) FROM public.outbox) || ' ' || (SELECT count(*) FROM orders.request_answer)"
}

# Tables, role, and in ORDERS_VALUES what a row of the service holds.
orders_prepare() {
  local column
  bench_sql -f "$ROOT/sql/inbox.sql" -f "$ROOT/sql/orders.sql" -c 'CREATE ROLE order_1 LOGIN IN ROLE order_service' >>"$RUN/sql.log" 2>&1 || fail_bench "$(tail "$RUN/sql.log")"
  orders_start 1
  orders_empty
  orders_send 1 10 -n 1 -k
  orders_stop
  ORDERS_VALUES=()
  for column in customer_id customer_email total_amount currency status created_at; do
    ORDERS_VALUES+=("$column=$(bench_sql -c "SELECT $column FROM orders.customer_order")")
  done
  for column in aggregatetype type payload headers; do
    ORDERS_VALUES+=("$column=$(bench_sql -c "SELECT $column FROM public.outbox")")
  done
  for column in route digest status body; do
    ORDERS_VALUES+=("answer_$column=$(bench_sql -c "SELECT $column FROM orders.request_answer")")
  done
  orders_script '' | pgbench_script orders
  orders_script key | pgbench_script orders_key
}

# orders_script [key]: what order-service does for a request. A number of 16 digits twice is a uuid's 32.
orders_script() {
  local name
  local -a answer=()
  for name in order_1 order_2 event_1 event_2 ${1:+key_1 key_2}; do
    echo "\\set $name random(1000000000000000, 9999999999999999)"
  done
  [ -z "${1:-}" ] || answer=('INSERT INTO orders.request_answer (key, route, digest, status, body)'
    'VALUES (:key_1::text || :key_2::text, :answer_route, :answer_digest, :answer_status, :answer_body);')
  cat <<SQL
BEGIN;
${answer[*]}
INSERT INTO orders.customer_order (order_id, customer_id, customer_email, total_amount, currency, status, created_at, updated_at)
  VALUES ((:order_1::text || :order_2::text)::uuid, :customer_id, :customer_email, :total_amount, :currency, :status, :created_at, :created_at);
INSERT INTO public.outbox (id, aggregatetype, aggregateid, type, payload, headers)
  VALUES ((:event_1::text || :event_2::text)::uuid, :aggregatetype::text, (:order_1::text || :order_2::text)::uuid::text, :type::text, :payload::json, :headers::jsonb);
COMMIT;
SQL
}

# connections_sent: messages that our processes have sent to the database over connections that are open, TCP's word for it. Empty without `ss` (iproute2).
connections_sent() {
  ! command -v ss >/dev/null || ss -tinOH state established "dst 127.0.0.1:$PG_PORT" | awk 'match($0, /data_segs_out:[0-9]+/) { sum += substr($0, RSTART + 14, RLENGTH - 14) } END { print sum + 0 }'
}

# note_orders SETTING SYSTEM ROUND REQUESTS RATE P50-MS P99-MS CPU-SECONDS DATABASE-TICKS
note_orders() {
  note orders "$1" "$2" requests_per_s "$3" "$5"
  note orders "$1" "$2" p50_ms "$3" "$6"
  note orders "$1" "$2" p99_ms "$3" "$7"
  note orders "$1" "$2" cpu_s_per_1000 "$3" "$(compute "$8 / $4 * 1000")"
  note orders "$1" "$2" database_cpu_s_per_1000 "$3" "$(compute "$9 / $BENCH_TICKS_PER_SECOND / $4 * 1000")"
  ORDERS_RATES[$2]=$5
}

# orders_of_service SETTING SYSTEM ROUND CLIENTS [key]
orders_of_service() {
  local setting=$1 system=$2 round=$3 clients=$4 requests database_ticks service_ticks sent warm answers=0
  local -a key=(${5:+-k})
  orders_empty
  orders_send "$clients" $ORDERS_WARM_SECONDS ${key[@]+"${key[@]}"}
  warm=$(read_value "$RUN/load.out" requests)
  sent=$(connections_sent)
  database_ticks=$(database_ticks)
  service_ticks=$(process_ticks "$ORDERS_PID")
  orders_send "$clients" "$BENCH_LOAD_SECONDS" ${key[@]+"${key[@]}"}
  service_ticks=$(($(process_ticks "$ORDERS_PID") - service_ticks))
  database_ticks=$(($(database_ticks) - database_ticks))
  requests=$(read_value "$RUN/load.out" requests)
  [ -z "$sent" ] || note orders "$setting" "$system" round_trips "$round" "$(compute "($(connections_sent) - $sent) / $requests")"
  [ -z "${5:-}" ] || answers=$((warm + requests))
  [ "$(orders_rows)" = "$((warm + requests)) $((warm + requests)) $answers" ] ||
    fail_bench "$((warm + requests)) orders were answered with 201, and there are rows of orders, events, answers: $(orders_rows)"
  note_orders "$setting" "$system" "$round" "$requests" "$(compute "$requests / $(read_value "$RUN/load.out" duration_us) * 1e6")" \
    "$(compute "$(read_value "$RUN/load.out" latency_p50_us) / 1000")" "$(compute "$(read_value "$RUN/load.out" latency_p99_us) / 1000")" \
    "$(compute "$service_ticks / $BENCH_TICKS_PER_SECOND")" "$database_ticks"
  note orders "$setting" "$system" client_cpu_s_per_1000 "$round" "$(compute "$(read_value "$RUN/load.out" cpu_us) / 1e6 / $requests * 1000")"
}

# orders_of_pgbench SETTING SYSTEM ROUND CONNECTIONS [key]
orders_of_pgbench() {
  local answers=0
  orders_empty
  pgbench_run "$2" "orders${5:+_key}" order_1 "$4" "${ORDERS_VALUES[@]}"
  [ -z "${5:-}" ] || answers=$PGBENCH_COUNT
  [ "$(orders_rows)" = "$PGBENCH_COUNT $PGBENCH_COUNT $answers" ] || fail_bench "pgbench made $PGBENCH_COUNT transactions, and there are rows: $(orders_rows)"
  note_orders "$1" "$2" "$3" "$PGBENCH_COUNT" "$PGBENCH_RATE" "$PGBENCH_P50_MS" "$PGBENCH_P99_MS" "$PGBENCH_CPU_S" "$PGBENCH_DATABASE_TICKS"
}

# orders_round ROUND CONNECTIONS [key]: each system in turn; who comes first changes from round to round.
orders_round() {
  local round=$1 connections=$2 system setting="$2 connections${3:+, Idempotency-Key}"
  local -a all=(pgbench pgbench_pipelined order_service) systems
  declare -gA ORDERS_RATES=()
  [ -n "${3:-}" ] || all+=(order_service_2n)
  mapfile -t systems < <(printf '%s\n' "${all[@]}" | if [ $((round % 2)) = 1 ]; then cat; else tac; fi)
  for system in "${systems[@]}"; do
    case $system in
      pgbench*) orders_of_pgbench "$setting" "$system" "$round" "$connections" "${3:-}" ;;
      order_service) orders_of_service "$setting" "$system" "$round" "$connections" "${3:-}" ;;
      order_service_2n) orders_of_service "$setting" "$system" "$round" $((2 * connections)) "${3:-}" ;;
    esac
  done
  pgbench_compare orders "$setting" "$round" requests/s ORDERS_RATES "${all[@]}"
}

measure_orders() {
  local connections round first=yes
  orders_prepare
  for connections in $BENCH_CONNECTIONS; do
    orders_start "$connections"
    for ((round = 1; round <= BENCH_ROUNDS; round++)); do
      orders_round "$round" "$connections"
      [ $first = no ] || orders_round "$round" "$connections" key
    done
    orders_stop
    first=no
  done
  bench_sql -c 'TRUNCATE public.outbox'
}
