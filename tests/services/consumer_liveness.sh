#!/usr/bin/env bash
# /livez of a consumer tells one that hangs from one that is at work or waits: 503 while a handler does nothing for longer than 30 s, and 200 again behind it; 200 all the
# while for a batch whose handlers take longer than that together, and while the database takes what is sent to it and never answers, a connection that is to be opened
# included. Four consumers, side by side.
# tags: real-kafka slow
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"
# shellcheck source=tests/faults/proxy.sh
. "$ROOT/tests/faults/proxy.sh"

LIVE=30 # PAGES_LIVE_S
CONSUMERS=(handlers frozen unconnected hangs)
declare -A TOPIC

counting_tables
base=$T
for name in "${CONSUMERS[@]}"; do
  T=$base.$name
  TOPIC[$name]=$T
  topics_new 1
done
proxy_start database plain "127.0.0.1:$PG_PORT"
proxy_start silent plain "127.0.0.1:$PG_PORT"
kill -STOP "$(process_pid_of proxy.silent)"

# starts NAME [VARIABLE=VALUE...]
starts() {
  local name=$1
  shift
  consumer_start "$name" COUNTING_TOPIC="${TOPIC[$name]}" GROUP_ID="$base.$name" KAFKA_SESSION_TIMEOUT_MS=45000 "$@"
}

# through PROXY: the address of the database that way.
through() {
  echo "host=${PROXY[$1]%:*} port=${PROXY[$1]##*:} user=postgres dbname=$DB application_name=$1"
}

# some_events NAME COUNT JSON-MEMBERS: to its topic.
some_events() {
  T=${TOPIC[$1]}
  awk -v name="$1" -v count="$2" -v members="$3" 'BEGIN { for (i = 1; i <= count; i++) printf "k|{\"eventId\":\"%s-%d\",\"eventType\":\"Made\",\"n\":%d,%s}\n", name, i, i, members }' | produce
}

# is_in_its_hands NAME: an event, and its transaction is open.
is_in_its_hands() {
  [ "$(pg "SELECT count(*) FROM pg_stat_activity WHERE datname = '$DB' AND application_name = '$1' AND state = 'idle in transaction'")" = 1 ]
}

# In a transaction that waits for its handlers without end.
starts handlers COUNTING_BATCH=40 COUNTING_WAIT_MS=3000 \
  DATABASE_URL="host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB options='-c idle_in_transaction_session_timeout=0'"
starts frozen DATABASE_URL="$(through database)"
# It has its partitions only behind the connection: the first turn opens one.
consumer_launch unconnected COUNTING_TOPIC="${TOPIC[unconnected]}" GROUP_ID="$base.unconnected" DATABASE_URL="$(through silent) connect_timeout=60"
starts hangs
some_events handlers 40 '"do":"sleep","ms":1000'
some_events frozen 1 '"do":"sleep","ms":4000'
await 'the event that the database freezes under' 20 is_in_its_hands database
kill -STOP "$(process_pid_of proxy.database)"
printf 'wait %s/goes-on' "$RUN" | kcat -P -b "$KAFKA" -t "${TOPIC[hangs]}.bytes" || fail 'could not produce'
await 'the handler that hangs' 20 test -e "$RUN/goes-on.waits"

await 'the page of the one that connects' 20 consumer_has_logged unconnected '.event == "http_listening"'
CONSUMER_PORT[unconnected]=$(consumer_log unconnected 'select(.event == "http_listening") | .port')

# What each page says, from now on until all turns have been longer than the limit.
until=$((SECONDS + LIVE + 12))
while [ $SECONDS -lt $until ]; do
  for name in "${CONSUMERS[@]}"; do
    echo "$name $(consumer_get_status "$name" /livez)" >>"$RUN/pages"
  done
  sleep 0.5
done
said_of() {
  sed -n "s/^$1 //p" "$RUN/pages" | uniq | paste -sd ' '
}
assert_eq 'a batch of many handlers' 200 "$(said_of handlers)"
assert_eq 'a database that is frozen' 200 "$(said_of frozen)"
assert_eq 'a connection that does not open' 200 "$(said_of unconnected)"
assert_eq 'a handler that hangs' '200 503' "$(said_of hangs)"
assert_match 'why' '^the loop has not moved for [0-9]+ s$' "$(consumer_get hangs /livez)"
assert_eq 'readyz of a frozen database' 503 "$(consumer_get_status frozen /readyz)"

kill -CONT "$(process_pid_of proxy.database)" "$(process_pid_of proxy.silent)"
touch "$RUN/goes-on"
await 'the handler that hung' 20 consumer_status_is hangs /livez 200
await_counted 42 60
assert_eq 'failures of the batch' '' "$(consumer_log handlers 'select(.event == "attempt_failed" or .event == "batch_split") | .event')"
for name in "${CONSUMERS[@]}"; do
  consumer_stop "$name"
done
