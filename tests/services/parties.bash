# shellcheck shell=bash disable=SC2034,SC2154
# parties.bash - a whole system on servers of its own, of whose parties each is killed in turn under load, and the account that has to come out even. The scenario
# sets POSTGRES=own and OWN_POSTGRES=() and reads harness.sh, consumers.bash, http_load.bash and campaign.sh before.
#
#   parties_start membership                  servers, relay, service, consumer
#   clients_start ...
#   parties_are_killed 3                      rounds, each of them all five, in an order drawn from the seed
#   clients_stop
#   parties_account
#
# The account is made by what the database says, none of which the consumer wrote for us:
#
#   committed   what the service's outbox holds: event_id, topic, key, place in the key's order, correlation_id. Nothing ever deletes from it
#   effect      each change that the consumer made to its table, noted by a trigger in the consumer's own transaction: event_id and key, numbered as they came
#   handled     each transaction in which its handler wrote to that table, whether or not a row changed: an upsert that finds its row as it would make it hides a
#               repetition from `effect`, and not from this. event_id is that of the inbox row which the same transaction wrote; NULL: it wrote none
#
# And before it is made all that is in Kafka comes once more, to a group that begins anew.

# parties_of SYSTEM: who they are, and where to look.
parties_of() {
  case $1 in
    membership)
      SERVICE=auth-service CONSUMER=d-day-service INBOX=dday.inbox TOPICS=(member-events)
      COMMITTED="SELECT event_id, 'member-events' AS topic, aggregate_id::text AS key, id AS place, correlation_id FROM public.member_outbox_event"
      EFFECT_TABLE=dday.member_reference EFFECT_WHEN='INSERT OR UPDATE' EFFECT_COLUMNS="'last_event_id', 'member_id'"
      ;;
    orders)
      SERVICE=order-service CONSUMER=notification-service INBOX=notification.inbox TOPICS=(order.created.v1 order.shipped.v1)
      COMMITTED="SELECT id::text AS event_id, aggregatetype AS topic, aggregateid AS key, extract(epoch FROM created_at) AS place, headers ->> 'correlationId' AS correlation_id FROM public.outbox"
      EFFECT_TABLE=notification.notification EFFECT_WHEN=INSERT EFFECT_COLUMNS="'event_id', 'order_id'"
      ;;
  esac
}

parties_start() {
  parties_of "$1"
  kafka_is_installed || {
    echo 'needs a real Kafka, which could not be fetched'
    exit 77
  }
  KAFKA_HEAP=256m kafka_init broker
  KAFKA_HEAP=256m kafka_launch broker
  kafka_await broker || fail 'the broker did not start'
  EMBEDDED_INPUT=
  system_new "$1"
  pg "CREATE VIEW public.committed AS $COMMITTED" \
    "CREATE TABLE public.effect (number bigserial, event_id text, key text)" \
    "CREATE FUNCTION public.effect_is_noted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$
       BEGIN
         INSERT INTO public.effect (event_id, key) VALUES (to_jsonb(NEW) ->> TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1]);
         RETURN NULL;
       END \$\$" \
    "CREATE TRIGGER effect_is_noted AFTER $EFFECT_WHEN ON $EFFECT_TABLE FOR EACH ROW EXECUTE FUNCTION public.effect_is_noted($EFFECT_COLUMNS)" \
    "CREATE TABLE public.handled (transaction xid8 PRIMARY KEY, event_id text)" \
    "CREATE FUNCTION public.event_is_taken() RETURNS trigger LANGUAGE plpgsql AS \$\$
       BEGIN
         PERFORM set_config('handled.event_id', NEW.event_id, true);
         RETURN NULL;
       END \$\$" \
    "CREATE FUNCTION public.handling_is_noted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$
       BEGIN
         INSERT INTO public.handled VALUES (pg_current_xact_id(), nullif(current_setting('handled.event_id', true), '')) ON CONFLICT DO NOTHING;
         RETURN NULL;
       END \$\$" \
    "CREATE TRIGGER event_is_taken AFTER INSERT ON $INBOX FOR EACH ROW EXECUTE FUNCTION public.event_is_taken()" \
    "CREATE TRIGGER handling_is_noted AFTER INSERT OR UPDATE ON $EFFECT_TABLE FOR EACH STATEMENT EXECUTE FUNCTION public.handling_is_noted()"
  relay_init
  relay_start
  service_start "$SERVICE"
  consumer_goes
  await "$CONSUMER" 30 consumer_is_ready "$CONSUMER"
}

# consumer_goes [VARIABLE=VALUE...]: a static member gets its partitions back at once. d-day-service may have to ask the other service.
consumer_goes() {
  local settings=(GROUP_INSTANCE_ID=one "$@")
  [ "$CONSUMER" != d-day-service ] || settings+=(AUTH_SERVICE_URL="http://127.0.0.1:${SERVICE_PORT[$SERVICE]}")
  consumer_launch "$CONSUMER" "${settings[@]}"
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# How each is killed, and comes back

kill_service() {
  service_kill "$SERVICE"
  some_time 0 1000
  service_start "$SERVICE"
}
kill_relay() {
  relay_kill
  some_time 0 1000
  relay_launch
}
kill_broker() {
  BROKER_KILLS=$((BROKER_KILLS + 1))
  process_stop broker KILL || true
  some_time 0 1000
  KAFKA_HEAP=256m kafka_launch broker
  kafka_await broker || fail 'the broker did not start again'
}
kill_database() {
  postgres_kill own || fail "the killed server's children did not end"
  some_time 0 1000
  postgres_run own || fail 'PostgreSQL did not start again'
}
# With an event in its hands, every second time.
kill_consumer() {
  CONSUMER_KILLS=$((${CONSUMER_KILLS:-0} + 1))
  if [ $((CONSUMER_KILLS % 2)) = 1 ]; then
    kill_consumer_in_the_act
  else
    consumer_kill "$CONSUMER"
  fi
  some_time 0 1000
  consumer_goes
}

# It waits to write its inbox row when it is killed, and what it had begun is undone. Whether it did is asked when it is dead: its session at the server waits on, and a kill
# that met it between two attempts is made again. A new event: what the relay has repeated behind another kill is to be through.
kill_consumer_in_the_act() {
  local holder try is_met
  for try in {1..5}; do
    wait_until 20 effects_are_close 2>/dev/null || true
    pg "SET application_name = 'holder'" "BEGIN; LOCK TABLE $INBOX IN SHARE MODE; SELECT pg_sleep(60)" >"$RUN/holder.log" 2>&1 &
    holder=$!
    wait_until 30 consumer_waits 2>/dev/null || echo "$CONSUMER took no event into its hands"
    consumer_kill "$CONSUMER"
    is_met=''
    ! consumer_waits || is_met=yes
    pg "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holder'" >/dev/null
    wait "$holder" || true
    if [ -n "$is_met" ]; then
      KILLED_IN_THE_ACT=$((${KILLED_IN_THE_ACT:-0} + 1))
      return 0
    fi
    consumer_goes
  done
  fail "$CONSUMER could not be killed with an event in its hands in $try tries"
}

consumer_waits() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$CONSUMER' AND wait_event_type = 'Lock'")" -ge 1 ]
}

# A static member that joined again while the broker died may go on with an id that the broker has replaced: then it is fenced and ends, and whoever runs it starts it anew, as
# a container is. One that ends for another reason stays away, and the scenario fails.
consumer_is_up() {
  if ! process_pid_of "$CONSUMER" >/dev/null; then
    tail -n 3 "$RUN/$CONSUMER.log" | grep -q FENCED_INSTANCE_ID || return 1
    CONSUMER_FENCED=$((${CONSUMER_FENCED:-0} + 1))
    consumer_goes
  fi
}

has_effects() {
  consumer_is_up && [ "$(pg 'SELECT count(*) FROM public.effect' 2>/dev/null)" -ge "$1" ]
}

# parties_are_killed ROUNDS: after each kill new events have to take effect before the next.
parties_are_killed() {
  local round party began
  BROKER_KILLS=0
  await 'the first effects' 60 has_effects 50
  for ((round = 1; round <= $1; round++)); do
    for party in $(shuffled service relay broker database consumer); do
      some_time 0 1000
      fault_begins "$party killed"
      "kill_$party"
      fault_ends "$party killed"
      began=$EPOCHREALTIME
      await "effects after the $party was killed" 90 has_effects $(($(pg 'SELECT count(*) FROM public.effect') + 50))
      figure "50 more effects after the $party was killed" "$(seconds_since "$began")" s
    done
  done
  assert_number 'times that the consumer was fenced, once per kill of the broker at most' "${CONSUMER_FENCED:-0}" '<=' "$BROKER_KILLS"
  figure 'consumer fenced and started anew' "${CONSUMER_FENCED:-0}" times
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# The account

# nothing_in WHAT SQL: the first lines of what should not be there.
nothing_in() {
  assert_eq "$1" '' "$(pg "$2 LIMIT 5")"
}

effects_are_close() {
  sql_is t 'SELECT (SELECT count(*) FROM public.committed) - (SELECT count(*) FROM public.effect) < 10'
}

effects_are_complete() {
  sql_is t 'SELECT count(*) >= (SELECT count(*) FROM public.committed) FROM public.effect'
}

# ids_in_kafka: the id of each record of the topics.
ids_in_kafka() {
  local topic
  for topic in "${TOPICS[@]}"; do
    KCAT_FORMAT='%h\n' read_topic "$topic"
  done | LC_ALL=C sed -nE 's/^(.*,)?id=([^,]*).*/\2/p'
}

# Every record once more, to the same consumer in a group that begins anew: none may take effect.
all_comes_again() {
  local records
  records=$(ids_in_kafka | wc -l)
  consumer_stop "$CONSUMER"
  consumer_goes GROUP_ID="$MINE-again"
  await "$records records, once more" "$(times 60 300)" has_consumed "$records"
  figure 'records that came once more' "$records"
}

has_consumed() {
  [ "$(curl -sS --max-time 5 "http://127.0.0.1:${CONSUMER_PORT[$CONSUMER]}/metrics" | awk '/^events_consumed_total\{/ { sum += $2 } END { print sum + 0 }')" -ge "$1" ]
}

parties_account() {
  local topic events
  relay_has_all
  wait_until "$(times 60 120)" effects_are_complete 2>/dev/null || echo 'effects are missing'
  events=$(pg 'SELECT count(*) FROM public.committed')
  assert_number 'events' "$events" '>' 100
  assert_number 'kills of the consumer with an event in its hands' "${KILLED_IN_THE_ACT:-0}" '>=' 1
  all_comes_again

  # Each committed event, its effect once; no other; in the order of its key, which is kept within a topic.
  nothing_in 'committed events without effect' 'SELECT event_id, key FROM public.committed EXCEPT SELECT event_id, key FROM public.effect'
  nothing_in 'effects of nothing' 'SELECT event_id, key FROM public.effect EXCEPT SELECT event_id, key FROM public.committed'
  nothing_in 'repeated effects' 'SELECT event_id, count(*) FROM public.effect GROUP BY event_id HAVING count(*) > 1'
  nothing_in 'transactions of the handler without an inbox row' 'SELECT transaction FROM public.handled WHERE event_id IS NULL'
  nothing_in 'events that were handled in two transactions' 'SELECT event_id, count(*) FROM public.handled GROUP BY event_id HAVING count(*) > 1'
  nothing_in 'committed events that no handler has written for' 'SELECT event_id FROM public.committed EXCEPT SELECT event_id FROM public.handled'
  nothing_in 'effects behind those of later events of their key' 'SELECT event_id, key FROM (SELECT event_id, key, place, lag(place) OVER (PARTITION BY topic, key ORDER BY number) AS before
    FROM public.effect JOIN public.committed USING (event_id, key)) e WHERE before >= place'
  nothing_in 'committed events that the inbox does not know' "SELECT event_id FROM public.committed EXCEPT SELECT event_id FROM $INBOX"
  nothing_in 'what the inbox knows and nobody committed' "SELECT event_id FROM $INBOX EXCEPT SELECT event_id FROM public.committed"
  nothing_in 'dead letters' 'SELECT aggregatetype, event_id FROM public.outbox_binary'
  "account_of_$SYSTEM"

  # Kafka has them all and nothing else; nothing was given up.
  pg 'SELECT event_id FROM public.committed' | LC_ALL=C sort >"$RUN/committed.ids"
  ids_in_kafka | LC_ALL=C sort -u >"$RUN/kafka.ids"
  assert_same_file 'events of the outbox and of Kafka' "$RUN/committed.ids" "$RUN/kafka.ids"
  while read -r topic; do
    case $topic in
      *.dlq | *.DLT) assert_eq "records in $topic" '' "$(read_topic "$topic")" ;;
    esac
  done < <(system_topics)

  # What was answered is there; what was not is decided by the database, and either will do.
  pg 'SELECT correlation_id FROM public.committed' | LC_ALL=C sort -u >"$RUN/committed.calls"
  answered_calls | LC_ALL=C sort -u >"$RUN/answered.calls"
  ids_with '000|503' "$RUN"/answers.* | LC_ALL=C sort -u >"$RUN/unanswered.calls"
  assert_eq 'calls that were answered and have no event' '' "$(LC_ALL=C comm -23 "$RUN/answered.calls" "$RUN/committed.calls" | head -n 5)"
  assert_eq 'answers that should not be' '' "$(statuses_but '200|201|204|403|404|409|503|000' "$RUN"/answers.*)"
  consumer_stop "$CONSUMER"
  figure 'events committed, each with its effect once' "$events"
  figure 'kills of the consumer with an event in its hands' "$KILLED_IN_THE_ACT"
  figure 'calls that were answered with success' "$(wc -l <"$RUN/answered.calls")"
  figure 'calls without an answer, or 503' "$(wc -l <"$RUN/unanswered.calls")"
  figure 'calls without an answer that the database had committed' "$(LC_ALL=C comm -12 "$RUN/unanswered.calls" "$RUN/committed.calls" | wc -l)"
}

# answered_calls: the correlation ids of those that must have an event. A login that finds its member has none.
answered_calls() {
  ids_with 201 "$RUN"/answers.*
  case $SYSTEM in
    membership) ids_with '200|204' "$RUN/answers.renames" "$RUN/answers.leaves" ;;
    orders) ids_with 200 "$RUN/answers.25" "$RUN/answers.80" ;;
  esac
}

account_of_membership() {
  nothing_in 'members whose copy is another' "SELECT coalesce(m.member_id, r.member_id) FROM auth.member m FULL JOIN dday.member_reference r ON r.member_id = m.member_id
    WHERE (m.nickname, m.email, m.status) IS DISTINCT FROM (r.nickname, r.email, r.status)"
}

account_of_orders() {
  nothing_in 'orders whose notifications are others' "SELECT o.order_id FROM orders.customer_order o LEFT JOIN notification.notification n ON n.order_id = o.order_id::text AND n.status = 'SENT'
    GROUP BY o.order_id, o.status HAVING count(n.event_id) <> CASE o.status WHEN 20 THEN 1 WHEN 25 THEN 2 ELSE 3 END"
}
