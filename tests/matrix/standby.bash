# shellcheck shell=bash disable=SC2154,SC2034
# standby.bash - a primary (the scenario's own server) with a standby, writers that go on through a failover, and the comparison of the table with the topic. Read
# after tests/e2e/harness.sh with POSTGRES=own; the file's name keeps it from being taken for a scenario.
#
# The writers take the number of each event from a row of its key, in the same transaction, so that a key's transactions exclude one another and its numbers rise by one
# from 1 in the order of their commits. A rollback gives its number back, and so does a commit that the failover took back. Rows are never deleted: the table of the server
# that was promoted is the truth.

WRITERS=3
KEYS=8

# standby_start [LINE...]: a copy of the primary that follows it by the physical slot standby_1, and keeps copies of the slots with failover. Its address is in
# STANDBY_PORT and STANDBY_SOCKET.
standby_start() {
  local socket port
  PRIMARY_PORT=$PG_PORT
  pg_in postgres "SELECT pg_create_physical_replication_slot('standby_1', true)" >/dev/null
  socket=$(folder_new standby)
  port=$(port_new)
  postgres_prefix
  [ "$(id -u)" != 0 ] || chown postgres: "$socket"
  chmod 0700 "$socket"
  "${PG_PREFIX[@]}" "$PG_BIN/pg_basebackup" -D "$socket/data" -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -c fast --no-sync >"$RUN/basebackup.log" 2>&1 ||
    fail "pg_basebackup: $(cat "$RUN/basebackup.log")"
  {
    cat "$PG_DATA/postgresql.conf"
    echo "
port = $port
unix_socket_directories = '$socket'
primary_conninfo = 'host=127.0.0.1 port=$PG_PORT user=postgres dbname=$DB application_name=standby_1'
primary_slot_name = 'standby_1'
hot_standby_feedback = on
sync_replication_slots = on
wal_retrieve_retry_interval = 200ms"
    printf '%s\n' "$@"
  } >"$RUN/standby.conf"
  cat "$RUN/standby.conf" >"$socket/data/postgresql.conf"
  "${PG_PREFIX[@]}" touch "$socket/data/standby.signal"
  printf 'PG_PORT=%s\nPG_SOCKET=%s\nPG_DATA=%s\n' "$port" "$socket" "$socket/data" >"$RUN/standby.env"
  (postgres_run standby) || fail 'the standby did not start'
  STANDBY_PORT=$port
  STANDBY_SOCKET=$socket
  await 'a standby that streams' 30 standby_streams
}

standby_streams() {
  [ "$(pg_in postgres "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'standby_1' AND state = 'streaming'")" = 1 ]
}

# standby_sql SQL...: as superuser on the standby, in database postgres.
standby_sql() {
  PG_SOCKET=$STANDBY_SOCKET PG_PORT=$STANDBY_PORT pg_in postgres "$@"
}

standby_has_the_slot() {
  [ "$(standby_sql "SELECT synced AND NOT temporary AND invalidation_reason IS NULL FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ]
}

# Both servers, as libpq takes them: whichever accepts writes.
both_servers() {
  echo "postgresql://$1@127.0.0.1:$PRIMARY_PORT,127.0.0.1:$STANDBY_PORT/$DB?target_session_attrs=read-write"
}

# primary_dies: the whole server at once, as if its machine were gone: postmaster and every process of it.
primary_dies() {
  local postmaster children
  postmaster=$(process_pid_of own)
  read -r children <"/proc/$postmaster/task/$postmaster/children" || true
  # shellcheck disable=SC2086
  kill -KILL "$postmaster" $children 2>/dev/null || true
  wait_until 10 port_is_free "$PRIMARY_PORT" || fail 'the primary lives on'
}

# standby_promote: from here on pg, insert and slot_confirmed speak to the promoted server.
standby_promote() {
  standby_sql "SELECT pg_promote(true, 60)" >/dev/null
  PG_SOCKET=$STANDBY_SOCKET PG_PORT=$STANDBY_PORT
  assert_eq 'in recovery after the promotion' f "$(pg_in postgres "SELECT pg_is_in_recovery()")"
}

writers_prepare() {
  pg "CREATE TABLE numbers (key text PRIMARY KEY, n bigint NOT NULL)" "INSERT INTO numbers SELECT 'k' || i, 0 FROM generate_series(1, $KEYS) i"
}

# One writer, until the file goes. A session that breaks is opened anew; half of the time two events in one transaction, now and then a rollback.
write_on() {
  local i script=$RUN/writer.sql
  while [ -e "$RUN/write-on" ]; do
    for i in {1..20}; do
      echo "BEGIN; SELECT write_one(); SELECT write_one() WHERE random() < 0.5; SELECT pg_sleep(0.002);"
      [ $((i % 7)) = 0 ] && echo 'ROLLBACK;' || echo 'COMMIT;'
    done >"$script.$1"
    psql -X -q -A -t -v ON_ERROR_STOP=1 -f "$script.$1" "$(both_servers postgres)" >/dev/null 2>&1 || sleep 0.05
  done
}

writers_start() {
  local i
  writers_prepare
  pg "CREATE FUNCTION write_one() RETURNS void LANGUAGE sql BEGIN ATOMIC
        WITH taken AS (UPDATE numbers SET n = n + 1 WHERE key = (SELECT 'k' || (1 + floor(random() * $KEYS))::int) RETURNING key, n)
        INSERT INTO outbox (aggregatetype, aggregateid, type, payload) SELECT '$T', key, 'Made', to_json(n) FROM taken;
      END"
  touch "$RUN/write-on"
  WRITER_PIDS=()
  for ((i = 1; i <= WRITERS; i++)); do
    write_on "$i" &
    WRITER_PIDS+=($!)
  done
}

writers_stop() {
  rm -f "$RUN/write-on"
  wait "${WRITER_PIDS[@]}" || true
}

# rows_are_more_than COUNT
rows_are_more_than() {
  [ "$(pg "SELECT count(*) FROM outbox")" -gt "$1" ]
}

# topic_equals_table TOPIC FROM: what the table of the server in PG_SOCKET holds is in the topic and nothing else; each key in one partition, its numbers without a gap and
# rising where they come first; what is repeated has the same number, follows without a gap, and was committed behind FROM. Sets ROWS and REPEATED.
topic_equals_table() {
  local topic=$1 from=$2 findings
  pg "SELECT id, aggregateid, payload FROM outbox" | tr '|' ' ' | sort >"$RUN/table.txt"
  # value before the headers, which are the only field that may hold blanks
  KCAT_FORMAT='%p %k %s %h\n' kcat_read -e -t "$topic" | awk '
    function header(name, value) { value = " " $0; sub(".*[ ,]" name "=", "", value); sub(/,.*/, "", value); return value }
    { print $1, $2, $3, header("id"), header("lsn") }' >"$RUN/topic.txt" || fail "could not read topic $topic"
  ROWS=$(wc -l <"$RUN/table.txt")
  REPEATED=$(($(wc -l <"$RUN/topic.txt") - $(cut -d ' ' -f 4 "$RUN/topic.txt" | sort -u | wc -l)))
  [ "$ROWS" -gt 0 ] || fail 'nothing was written'
  awk '{ print $4, $2, $3 }' "$RUN/topic.txt" | sort -u >"$RUN/published.txt"
  assert_same_file 'rows of the table, and what the topic holds' "$RUN/table.txt" "$RUN/published.txt"
  findings=$(awk '
    ($2 in partition) && partition[$2] != $1 { print "key " $2 " is in partitions " partition[$2] " and " $1 }
    { partition[$2] = $1 }
    at[$2] < last[$2] && $3 > at[$2] + 1 { print "key " $2 ": number " $3 " behind " at[$2] " within a replay" }
    { at[$2] = $3 }
    !seen[$4]++ && $3 != ++last[$2] { print "key " $2 ": number " $3 " where " last[$2] " was to come"; last[$2] = $3 }' "$RUN/topic.txt")
  assert_eq 'order within the keys' '' "$findings"
  findings=$(awk 'seen[$4]++ { sub("/[0-9]+$", "", $5); print $5 }' "$RUN/topic.txt" | sort -u | paste -sd ,)
  assert_eq "positions of what was repeated that lie before $from" 0 "$(pg "SELECT count(*) FROM unnest('{$findings}'::pg_lsn[]) AS repeated (lsn) WHERE lsn < '$from'")"
}
