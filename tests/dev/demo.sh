# shellcheck shell=bash
# demo.sh - `./dev demo`: the relay's job in front of your eyes. Everything it starts is private and ends with it, but for `--keep`.
#
#   psql --INSERT--> PostgreSQL ==WAL==> cdc-relay --> broker --> kcat, an independent reader, which stamps each record as it arrives
#
# DEV_BROKERS=host:port uses that broker instead. Its topics are then cdc-relay-demo.order and cdc-relay-demo.customer: made when missing, and left there.

DEMO_SEEN=0
DEMO_DATABASE=shop
# shellcheck source=tests/dev/demo_systems.sh
. "$ROOT/tests/dev/demo_systems.sh"

demo_colours() {
  BOLD='' DIM='' GREEN='' PLAIN=''
  if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
  fi
}

# demo_step WORDS: what happens next.
demo_step() {
  printf '\n%s%s%s\n' "$BOLD" "$*" "$PLAIN"
}

demo_psql() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DEMO_DATABASE" "$@"
}

# demo_sql SQL: shows it and runs it, in one session, as psql would.
demo_sql() {
  # shellcheck disable=SC2001
  sed "s/^/  ${DIM}sql>${PLAIN} /" <<<"$1"
  demo_psql -f - <<<"$1" >"$RUN/psql.out"
}

demo_lag() {
  demo_psql -c "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) FROM pg_replication_slots WHERE slot_name = 'shop_outbox'"
}

demo_has_records() {
  [ "$(cat "$RUN"/*.records 2>/dev/null | wc -l)" -ge "$1" ]
}

# demo_records COUNT: waits for so many new records and prints them in the order of their arrival.
demo_records() {
  local total=$((DEMO_SEEN + $1))
  wait_until 20 demo_has_records $total || demo_gives_up "$1 records were to arrive"
  cat "$RUN"/*.records | jq -s -r --argjson seen $DEMO_SEEN --arg green "$GREEN" --arg dim "$DIM" --arg plain "$PLAIN" '
    def pairs: [range(0; length; 2) as $i | "\(.[$i])=\(.[$i + 1] // "null")"] | join("  ");
    sort_by(.arrived)[$seen:][] |
    "  \($green)record\($plain) \(.topic) partition \(.partition) offset \(.offset) \($green)\(((.arrived * 1000 - .ts) | if . < 0 then 0 else . end | floor)) ms after the commit\($plain)",
    "         \($dim)key\($plain)     \(.key)",
    "         \($dim)headers\($plain) \(.headers // [] | pairs)",
    "         \($dim)value\($plain)   \(.payload)"'
  DEMO_SEEN=$total
}

demo_gives_up() {
  echo "dev: $*; the relay said:" >&2
  tail -n 20 "$RUN/relay.log" >&2
  exit 1
}

# One reader per topic, in a process of its own: kcat is the process, jq ends with its input.
demo_reader() {
  local topic=$1 from=$2
  : >"$RUN/$topic.records"
  DEMO_READERS+=("reader-$topic")
  # shellcheck disable=SC2016
  process_spawn "reader-$topic" TERM bash -c 'file=$1; shift; exec kcat "$@" > >(exec jq --unbuffered -c ". + {arrived: now}" >>"$file")' \
    reader "$RUN/$topic.records" -C -b "$KAFKA" -t "$topic" -J -u -q -o "$from" -X fetch.wait.max.ms=10
}

demo_latency() {
  curl -sS --max-time 5 "http://127.0.0.1:$1/metrics" | awk '
    /^cdc_relay_commit_to_ack_seconds_sum/ { sum = $2 }
    /^cdc_relay_commit_to_ack_seconds_count/ { count = $2 }
    END { if (count > 0) printf "%s %s\n", sum, count }'
}

demo_relay() {
  env -i PATH="$PATH" HOME="$RUN" "${DEMO_RELAY[@]}" "$ROOT/build/dev/cdc-relay/cdc-relay" "$@"
}

demo_lag_is_small() {
  [ "$(demo_lag)" -le 256 ]
}

demo_ends() {
  local code=$? reader
  trap - EXIT INT TERM
  if [ $code = 0 ] && [ "$DEMO_KEEP" = 1 ]; then
    # What shows records is not needed any more.
    for reader in "${DEMO_READERS[@]}"; do
      process_stop "$reader" || true
    done
    exit 0
  fi
  processes_stop_all
  [ $code != 0 ] || rm -rf "$RUN"
  [ $code = 0 ] || echo "dev: the logs are in $RUN$([ "$DEMO_KEEP" = 0 ] || echo '; ./dev down clears them')" >&2
  exit $code
}

dev_demo() {
  local plugin=pgoutput broker=embedded from=beginning system='' topic port before after
  DEMO_READERS=()
  DEMO_KEEP=0
  DEMO_PREFIX=outbox.event.
  while [ $# != 0 ]; do
    case $1 in
      --kafka) broker=kafka ;;
      --plugin)
        [ $# -gt 1 ] || usage_error "--plugin needs a name, pgoutput or wal2json"
        plugin=$2
        shift
        ;;
      --plugin=*) plugin=${1#*=} ;;
      --keep) DEMO_KEEP=1 ;;
      orders | membership) system=$1 ;;
      *) usage_error "demo knows no $1" ;;
    esac
    shift
  done
  case $plugin in
    pgoutput | wal2json) ;;
    *) usage_error "there is no plugin $plugin, only pgoutput and wal2json" ;;
  esac
  if [ -n "$system" ] && [ -n "${DEV_BROKERS:-}" ]; then
    usage_error "the systems' demos make topics of their own and need a broker of their own: leave DEV_BROKERS out"
  fi
  if [ -n "${DEV_BROKERS:-}" ]; then
    broker=yours
    DEMO_PREFIX=cdc-relay-demo.
    from=s@$(($(date +%s) * 1000))
  fi
  demo_colours
  dev_setup quiet
  if [ $broker = kafka ] && ! kafka_is_installed; then
    say "--kafka needs the jars of Apache Kafka, which could not be fetched; without it the demo uses the embedded broker"
    exit 1
  fi
  build_variant dev

  mkdir -p "$ROOT/build/run"
  if [ $DEMO_KEEP = 1 ]; then
    RUN=$ROOT/build/run/kept
    if [ -e "$RUN" ]; then
      say "an earlier demo was kept, or has left its logs; end and clear it first: ./dev down"
      exit 1
    fi
    mkdir "$RUN"
  else
    run_new demo
  fi
  trap demo_ends EXIT
  trap 'exit 130' INT TERM
  if [ -n "$system" ]; then
    # Groups of consumers that come and go are more than the embedded broker is good for.
    ! kafka_is_installed || broker=kafka
    demo_system "$system" "$broker" "$plugin"
    return
  fi

  demo_step "1. A private PostgreSQL and $(case $broker in embedded) echo 'the embedded broker' ;; kafka) echo 'an Apache Kafka' ;; *) echo 'your broker' ;; esac)"
  case $broker in
    kafka)
      kafka_init kafka
      kafka_launch kafka
      ;;
    embedded) embedded_broker_start kafka ;;
    yours) KAFKA=$DEV_BROKERS ;;
  esac
  postgres_start postgres
  [ $broker != kafka ] || kafka_await kafka
  echo "  PostgreSQL $PG_URL"
  echo "  broker     $KAFKA"

  demo_step "2. The outbox: sql/outbox.sql makes the table, its publication and a few functions; sql/roles.sql who may do what"
  psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d postgres -c 'CREATE DATABASE shop'
  demo_psql -f "$ROOT/sql/outbox.sql" -f "$ROOT/sql/roles.sql" -c 'CREATE ROLE relay LOGIN REPLICATION' -c 'GRANT outbox_relay, outbox_monitor TO relay' >"$RUN/sql.log" 2>&1 || {
    cat "$RUN/sql.log"
    exit 1
  }
  for topic in order customer; do
    topic_make "$DEMO_PREFIX$topic" 3 >"$RUN/topic.log" 2>&1 || grep -qi 'already exists' "$RUN/topic.log" || {
      cat "$RUN/topic.log"
      exit 1
    }
    echo "  topic $DEMO_PREFIX$topic, 3 partitions"
  done

  demo_step "3. cdc-relay init: the replication slot, from which on nothing is lost"
  DEMO_RELAY=(
    "CDC_RELAY_POSTGRES_URL=postgresql://relay@127.0.0.1:$PG_PORT/shop"
    "CDC_RELAY_POSTGRES_PLUGIN=$plugin"
    "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=$KAFKA"
    "CDC_RELAY_OUTBOX_0_TABLE=public.outbox"
    "CDC_RELAY_OUTBOX_0_TABLE_FIELD_EVENT_HEADERS=headers"
    "CDC_RELAY_OUTBOX_1_MESSAGE_PREFIX=outbox"
    "CDC_RELAY_ADMIN_LISTEN=127.0.0.1:0"
    "CDC_RELAY_LOG_FORMAT=json"
  )
  if [ $broker = yours ]; then
    # shellcheck disable=SC2016
    for topic in 0 1; do
      DEMO_RELAY+=("CDC_RELAY_OUTBOX_${topic}_ROUTE_TOPIC_REPLACEMENT=${DEMO_PREFIX}"'${routedByValue}')
    done
  fi
  printf "  ${DIM}%s${PLAIN}\n" "${DEMO_RELAY[@]:0:6}"
  # The relay's own role may not read the table; whoever sets it up may, and so init can count what is in it already.
  demo_relay --set postgres.admin_url="$PG_URL/shop" init 2>&1 | sed 's/^/  /'

  demo_step "4. An order is placed while no relay runs: it waits in PostgreSQL's log"
  demo_sql "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', 'order-1', 'OrderPlaced', '{\"total\": 12.50}');"
  before=$(demo_lag)
  echo "  the slot is $before bytes behind"

  demo_step "5. cdc-relay run ($plugin): it comes up and publishes what waited"
  demo_reader "${DEMO_PREFIX}order" "$from"
  demo_reader "${DEMO_PREFIX}customer" "$from"
  process_spawn relay TERM env -i PATH="$PATH" HOME="$RUN" "${DEMO_RELAY[@]}" "$ROOT/build/dev/cdc-relay/cdc-relay" run
  demo_records 1
  port=$(jq -rR 'fromjson? | select(.event == "admin_listening") | .port' "$RUN/relay.log" | tail -n 1)
  local first=''
  first=$(demo_latency "$port")

  demo_step "6. Single rows, each in its own transaction"
  demo_sql "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('customer', 'anna', 'CustomerRegistered', '{\"name\": \"Anna Šimková\"}');"
  demo_records 1
  demo_sql "SELECT outbox_publish('order', 'order-1', 'OrderPaid', '{\"by\": \"card\"}', '{\"traceparent\": \"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}');"
  demo_records 1

  demo_step "7. One transaction with several events: all of them or none, in order; the header lsn names transaction and place"
  demo_sql "BEGIN;
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', 'order-2', 'OrderPlaced', '{\"total\": 99}');
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', 'order-2', 'OrderPaid', '{\"by\": \"invoice\"}');
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('customer', 'anna', 'CustomerUpgraded', '{\"level\": \"gold\"}');
COMMIT;"
  demo_records 3

  demo_step "8. A transaction that is rolled back: no record; then one without a table, by a logical message"
  demo_sql "BEGIN;
INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('order', 'order-3', 'NeverHappened', '{}');
ROLLBACK;
SELECT outbox_emit('order', 'order-4', 'OrderPlaced', '{\"total\": 7}');"
  demo_records 1

  demo_step "9. What PostgreSQL was told"
  wait_until 20 demo_lag_is_small || demo_gives_up "the slot was to be confirmed"
  after=$(demo_lag)
  echo "  the slot: $before bytes behind before, $after now"
  if [ -n "$port" ]; then
    demo_latency "$port" | awk -v first="$first" '{
      split(first, f, " ")
      if ($2 > f[2]) printf "  from commit to acknowledgement by the broker: %.1f ms on average over the %d events since step 6\n", ($1 - f[1]) / ($2 - f[2]) * 1000, $2 - f[2]
    }'
  fi
  ! grep -q NeverHappened "$RUN"/*.records || demo_gives_up "a record of the rolled back transaction arrived"

  if [ $DEMO_KEEP = 1 ]; then
    demo_step "All of it goes on; ./dev down ends it"
    echo "postgres=$PG_URL/shop"
    echo "kafka=$KAFKA"
    echo "relay=http://127.0.0.1:$port"
    echo "logs=$RUN"
  else
    demo_step "Done; everything is being stopped"
  fi
}
