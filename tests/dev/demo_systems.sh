# shellcheck shell=bash
# demo_systems.sh - `./dev demo orders` and `./dev demo membership`: a whole system in front of your eyes: services that only write to PostgreSQL, the relay, consumers.
# The calls are those of the system's document; each record is shown as an independent reader finds it, and each effect as it stands in the consumer's tables.
#
#   curl --> service --INSERT--> PostgreSQL ==WAL==> cdc-relay --> broker --> consumer --INSERT--> PostgreSQL
#                                                                    |
#                                                                    +--> kcat
# shellcheck disable=SC2034,SC2153,SC2154

# What runs, and where it listens by default: NAME ROLE PORT.
demo_system_services() {
  case $1 in
    orders) printf '%s\n' 'order-service order_service 8081' 'product-service product_service 8083' ;;
    membership) printf '%s\n' 'auth-service auth_service 8081' ;;
  esac
}
demo_system_consumers() {
  case $1 in
    orders) printf '%s\n' 'notification-service notification_service 8082' ;;
    membership) printf '%s\n' 'd-day-service dday_service 8083' 'member-dead-letters member_dead_letters 8084' ;;
  esac
}

declare -A DEMO_PORT

# All ports of a system, or all of them shifted by the same offset.
demo_system_ports() {
  local name role port offset=0 taken
  while :; do
    taken=''
    while read -r name role port; do
      port_is_free $((port + offset)) || taken+=" $((port + offset))"
      DEMO_PORT[$name]=$((port + offset))
    done < <(demo_system_services "$1" && demo_system_consumers "$1")
    [ -n "$taken" ] || break
    offset=$((offset + 1000))
    [ $offset -le 40000 ] || demo_gives_up "no free ports for $1"
  done
  [ $offset = 0 ] || echo "  some of the system's ports are taken here: all are shifted by $offset"
}

# demo_system_start FOLDER NAME ROLE [VARIABLE=VALUE...]: with the rights that the system's script gives that role, and no others.
demo_system_start() {
  local folder=$1 name=$2 role=$3
  shift 3
  demo_psql -c "DO \$\$ BEGIN CREATE ROLE ${role}_1 LOGIN IN ROLE $role; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$"
  process_spawn "$name" TERM env -i PATH="$PATH" HOME="$RUN" DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=${role}_1 dbname=$DEMO_DATABASE" \
    HTTP_LISTEN="127.0.0.1:${DEMO_PORT[$name]}" "$@" "$ROOT/build/dev/$folder/$name"
  wait_until 30 demo_system_is_ready "$name" || demo_gives_up "$name was to become ready; it said: $(tail -n 3 "$RUN/$name.log")"
  echo "  $name  http://127.0.0.1:${DEMO_PORT[$name]}"
}

demo_system_is_ready() {
  curl -sf --max-time 5 -o /dev/null "http://127.0.0.1:${DEMO_PORT[$1]}/readyz"
}

demo_system_consumer() {
  local name=$1 role=$2
  shift 2
  demo_system_start consumers "$name" "$role" KAFKA_BOOTSTRAP_SERVERS="$KAFKA" "$@"
}

# demo_call STATUS SERVICE METHOD PATH [BODY]: shows it and makes it, and is answered so; the answer in ANSWER.
demo_call() {
  local status=$1
  shift
  local url="http://127.0.0.1:${DEMO_PORT[$1]}$3" arguments=(-sS --max-time 20 -X "$2")
  [ -z "${4:-}" ] || arguments+=(-H 'Content-Type: application/json' -d "$4")
  # shellcheck disable=SC2016
  echo "  ${DIM}curl -X $2 $url${4:+ -H 'Content-Type: application/json' -d '$4'}${PLAIN}"
  ANSWER=$(curl "${arguments[@]}" -w '\n%{http_code}' "$url") || demo_gives_up "$2 $url was to be answered"
  echo "  ${GREEN}${ANSWER##*$'\n'}${PLAIN} ${ANSWER%$'\n'*}"
  [ "${ANSWER##*$'\n'}" = "$status" ] || demo_gives_up "$2 $url was to be answered with $status"
  ANSWER=${ANSWER%$'\n'*}
}

# demo_system_records COUNT: waits for so many new records and shows them in the order of their arrival, with those headers that say something to a person.
demo_system_records() {
  local total=$((DEMO_SEEN + $1))
  wait_until 40 demo_has_records $total || demo_gives_up "$1 records were to arrive"
  cat "$RUN"/*.records | jq -s -r --argjson seen "$DEMO_SEEN" --arg green "$GREEN" --arg dim "$DIM" --arg plain "$PLAIN" '
    def shown: [range(0; length; 2) as $i | select(.[$i] | test("^(id|eventType|correlationId|causationId|dlt\\.(attempts|error\\.message))$")) | "\(.[$i])=\(.[$i + 1])"] | join("  ");
    sort_by(.arrived)[$seen:][] |
    "  \($green)record\($plain) \(.topic) partition \(.partition) offset \(.offset)  \($dim)key\($plain) \(.key)",
    "         \($dim)headers\($plain) \(.headers // [] | shown)",
    "         \($dim)value\($plain)   \(.payload)"'
  DEMO_SEEN=$total
}

# demo_effect WORDS SQL: waits until the query gives rows, and shows them.
demo_effect() {
  wait_until 40 demo_system_has_rows "$2" || demo_gives_up "$1 was to be there: $2"
  demo_psql -F '  ' -c "$2" | sed "s/^/  ${GREEN}effect${PLAIN} ($1)  /"
}

demo_system_has_rows() {
  [ -n "$(demo_psql -c "$1")" ]
}

demo_system_servers() {
  local system=$1 broker=$2 plugin=$3 script topic topics=$ROOT/producers/$1/topics.json
  demo_step "A private PostgreSQL, $(if [ "$broker" = kafka ]; then echo 'an Apache Kafka'; else echo 'the embedded broker'; fi), the tables and the topics of $system"
  case $broker in
    kafka)
      kafka_init kafka
      kafka_launch kafka
      ;;
    *) embedded_broker_start kafka ;;
  esac
  postgres_start postgres
  [ "$broker" != kafka ] || kafka_await kafka
  DEMO_DATABASE=$system
  psql -X -q -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d postgres -c "CREATE DATABASE $system"
  for script in outbox roles inbox "$system"; do
    demo_psql -f "$ROOT/sql/$script.sql" >>"$RUN/sql.log" 2>&1 || demo_gives_up "sql/$script.sql was to be applied: $(tail -n 3 "$RUN/sql.log")"
    echo "  sql/$script.sql"
  done
  demo_psql -c 'CREATE ROLE relay LOGIN REPLICATION' -c 'GRANT outbox_relay, outbox_monitor TO relay'
  topics_make "$topics" >>"$RUN/topic.log" 2>&1 || demo_gives_up "the topics of $system were to be made: $(tail -n 2 "$RUN/topic.log")"
  jq -r '.[] | "  topic \(.name), \(.partitions) partitions"' "$topics"
  DEMO_RELAY=(
    "CDC_RELAY_CONFIG=$ROOT/producers/$system/relay.json"
    "CDC_RELAY_POSTGRES_URL=postgresql://relay@127.0.0.1:$PG_PORT/$system"
    "CDC_RELAY_POSTGRES_PLUGIN=$plugin"
    "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=$KAFKA"
    "CDC_RELAY_ADMIN_LISTEN=127.0.0.1:0"
    "CDC_RELAY_LOG_FORMAT=json"
  )
  demo_relay --set postgres.admin_url="$PG_URL/$system" init 2>&1 | sed 's/^/  /'
  process_spawn relay TERM env -i PATH="$PATH" HOME="$RUN" "${DEMO_RELAY[@]}" "$ROOT/build/dev/cdc-relay/cdc-relay" run
  wait_until 20 grep -q '"event":"streaming_started"' "$RUN/relay.log" || demo_gives_up "the relay was to stream"
  echo "  cdc-relay ($plugin) streams"
  while read -r topic; do
    demo_reader "$topic" beginning
  done < <(jq -r '.[].name' "$topics")
}

demo_orders() {
  local order
  demo_step "An order is placed: the order and its event in one transaction"
  demo_call 201 order-service POST /api/orders '{"customerId": "user-1001", "customerEmail": "user1001@example.com", "totalAmount": 12900, "currency": "KRW"}'
  order=$(jq -r .orderId <<<"$ANSWER")
  demo_system_records 1
  demo_effect notification.notification "SELECT kind, recipient, status FROM notification.notification WHERE order_id = '$order' AND kind = 'ORDER_CREATED' AND status = 'SENT'"

  demo_step "It is shipped: 20 -> 25"
  demo_call 200 order-service POST "/api/orders/$order/status" '{"customerId": "user-1001", "customerEmail": "user1001@example.com", "previousStatus": 20, "currentStatus": 25}'
  demo_system_records 1
  demo_effect notification.notification "SELECT kind, recipient, status FROM notification.notification WHERE order_id = '$order' AND kind = 'ORDER_SHIPPED' AND status = 'SENT'"

  demo_step "The same step again is refused, and nothing is published"
  demo_call 409 order-service POST "/api/orders/$order/status" '{"customerId": "user-1001", "customerEmail": "user1001@example.com", "previousStatus": 20, "currentStatus": 25}'

  demo_step "It arrives: 25 -> 80"
  demo_call 200 order-service POST "/api/orders/$order/status" '{"customerId": "user-1001", "customerEmail": "user1001@example.com", "previousStatus": 25, "currentStatus": 80}'
  demo_system_records 1
  demo_effect notification.notification "SELECT kind, recipient, status FROM notification.notification WHERE order_id = '$order' AND kind = 'ORDER_SHIPPED' AND status = 'SENT' OFFSET 1"

  demo_step "A product"
  demo_call 201 product-service POST /api/products '{"productName": "wireless-keyboard", "price": 59900, "currency": "KRW", "stockQuantity": 120}'
  demo_system_records 1

  demo_step "A customer to whom nothing can be sent: one try, three more two seconds apart, then the dead-letter topic"
  demo_call 201 order-service POST /api/orders '{"customerId": "fail-user-1", "customerEmail": "fail@example.com", "totalAmount": 5000, "currency": "KRW"}'
  order=$(jq -r .orderId <<<"$ANSWER")
  demo_system_records 2

  demo_step "The sender is repaired, and the dead letter goes back to its topic: dlq redrive"
  process_stop notification-service || demo_gives_up "notification-service was to stop"
  demo_system_consumer notification-service notification_service NOTIFICATION_FAIL_PREFIX=-
  env -i PATH="$PATH" HOME="$RUN" KAFKA_BOOTSTRAP_SERVERS="$KAFKA" "$ROOT/build/dev/consumers/dlq" redrive order.created.v1.dlq 2>&1 | sed 's/^/  /'
  demo_system_records 1
  demo_effect notification.notification "SELECT kind, recipient, status FROM notification.notification WHERE order_id = '$order' AND status = 'SENT'"
}

demo_membership() {
  local member
  demo_step "Somebody logs in for the first time: a member is made"
  demo_call 201 auth-service POST /api/auth/oauth/login '{"provider": "kakao", "code": "code-1"}'
  member=$(jq -r .memberId <<<"$ANSWER")
  demo_system_records 1
  demo_effect dday.member_reference "SELECT member_id, nickname, status FROM dday.member_reference WHERE member_id = $member AND status = 'ACTIVE'"

  demo_step "The second login finds the member, and publishes nothing"
  demo_call 200 auth-service POST /api/auth/oauth/login '{"provider": "kakao", "code": "code-1"}'
  [ "$(jq -r .memberId <<<"$ANSWER")" = "$member" ] || demo_gives_up "member $member was to be found"

  demo_step "The member changes the nickname"
  demo_call 200 auth-service PUT "/api/members/$member" '{"nickname": "sunny"}'
  demo_call 200 auth-service GET "/api/members/$member"
  [ "$(jq -r .nickname <<<"$ANSWER")" = sunny ] || demo_gives_up "member $member was to be called sunny"
  demo_system_records 1
  demo_effect dday.member_reference "SELECT member_id, nickname, status FROM dday.member_reference WHERE member_id = $member AND nickname = 'sunny'"

  demo_step "The member leaves, and the days that were counted for them go, too"
  demo_psql -c "INSERT INTO dday.d_day (member_id, title, target_date) VALUES ($member, 'holiday', '2030-01-01')"
  demo_call 204 auth-service DELETE "/api/members/$member"
  demo_system_records 1
  demo_effect dday.member_reference "SELECT member_id, status, (SELECT count(*) FROM dday.d_day d WHERE d.member_id = m.member_id) || ' d-days' FROM dday.member_reference m WHERE member_id = $member AND status = 'DELETED'"

  demo_step "A record that is no event: it goes to the dead-letter topic, and from there into a table and to whoever is on duty"
  printf '%s' '{"eventType": "CREATED", "memberId": "not a number"}' >"$RUN/bad.value"
  kcat -P -b "$KAFKA" -t member-events -k 1 "$RUN/bad.value"
  demo_system_records 2
  demo_effect dday.failed_event "SELECT event_type, status, error_class, error_message FROM dday.failed_event"
}

# demo_system SYSTEM BROKER PLUGIN
demo_system() {
  local system=$1 name role port
  demo_system_servers "$@"
  demo_step "The services, which know PostgreSQL alone, and the consumers"
  demo_system_ports "$system"
  while read -r name role port; do
    demo_system_start producers "$name" "$role"
  done < <(demo_system_services "$system")
  while read -r name role port; do
    if [ "$name" = d-day-service ]; then
      demo_system_consumer "$name" "$role" AUTH_SERVICE_URL="http://127.0.0.1:${DEMO_PORT[auth-service]}"
    else
      demo_system_consumer "$name" "$role"
    fi
  done < <(demo_system_consumers "$system")
  "demo_$system"
  # Nothing was published but what the steps have shown.
  [ "$(cat "$RUN"/*.records | wc -l)" = "$DEMO_SEEN" ] || demo_gives_up "$DEMO_SEEN records were to arrive, and no more"
  if [ "$DEMO_KEEP" = 1 ]; then
    demo_step "All of it goes on; ./dev down ends it"
    echo "postgres=$PG_URL/$system"
    echo "kafka=$KAFKA"
    echo "relay=http://127.0.0.1:$(jq -rR 'fromjson? | select(.event == "admin_listening") | .port' "$RUN/relay.log" | tail -n 1)"
    while read -r name role port; do
      echo "$name=http://127.0.0.1:${DEMO_PORT[$name]}"
    done < <(demo_system_services "$system" && demo_system_consumers "$system")
    echo "logs=$RUN"
  else
    demo_step "Done; everything is being stopped"
  fi
}
