#!/usr/bin/env bash
# A table that an old program polled is taken over, under load. That program is killed between sending and marking; then the command is killed, or its database, at any
# moment, and run again until it is through; then it dies, or its database under it, between any two of its steps (the crash points of takeover in
# cdc-relay/lib/fault_point.h), and the next one says what it found; then the relay streams on, and is killed too. Afterwards every row is in Kafka, none that the old
# program had marked came from us, each member's events are in their order, and what came twice from the command is what a kill can have had in flight. Where the
# server knows failover of slots, the relay's slot has it in the end, wherever the command was cut off.
# row: C-07 take-over of a polled table cut off at each of its steps, and its database
# tags: real-kafka slow
# build: faults
# shellcheck disable=SC2034
POSTGRES=own OWN_POSTGRES=()
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

kills=$(times 3 10)
batch=5
system_new membership
relay_set POSTGRES_ADMIN_URL "host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB"
has_failover=''
if [ "$(postgres_version)" -ge 17 ]; then
  relay_set POSTGRES_FAILOVER true
  has_failover=true
fi
table=public.member_outbox_event
# Members of this run alone: the topic has other scenarios' records too.
first_member=$((RANDOM * 32768 * 1000 + RANDOM * 1000))

# event_sql WRITER N: one row. A writer has four members of its own and writes one row after the other, so that n counts each member's events.
event_sql() {
  echo "INSERT INTO $table (event_id, aggregate_type, aggregate_id, event_type, payload) VALUES (gen_random_uuid(), 'MEMBER', $((first_member + $1 * 4 + $2 % 4)), 'UPDATED', '{\"n\": $2}');"
}

# writer W: inserts as long as $RUN/load is there, also while the database goes away and comes back. What goes away with a connection is a gap: the next life counts on
# from where the life before cannot have been.
writer() {
  local life=0 n
  while [ -e "$RUN/load" ]; do
    life=$((life + 1))
    n=$((life * 1000000))
    while [ -e "$RUN/load" ]; do
      n=$((n + 1))
      event_sql "$1" $n || break
      sleep 0.01
    done 2>/dev/null | psql -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" >>"$RUN/writer.$1.log" 2>&1 || true
    sleep 0.05
  done
}

# It has no crash points, and is not in build/faults.
OLD_POLLER=$ROOT/build/dev/tests/services/old_poller
poller_start() { # NAME [ARGUMENT]
  process_spawn "$1" KILL "$OLD_POLLER" "host=$PG_SOCKET port=$PG_PORT user=postgres dbname=$DB" "$KAFKA" "${@:2}"
  poller_pid=$process_pid
}

poller_kill() {
  kill -s KILL "$poller_pid"
  wait "$poller_pid" 2>/dev/null || true
  await 'the end of its session' 20 sql_is 0 "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%NOT published%LIMIT%' AND pid <> pg_backend_pid()"
}

sql_is() {
  [ "$(pg "$2")" = "$1" ]
}

marked_are() { # at least
  [ "$(pg "SELECT count(*) >= $1 FROM $table WHERE published")" = t ]
}

has_said_sent() {
  grep -qx sent "$RUN/poller.killed.log"
}

slots() {
  pg "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots"
}

# takeover_spawn NAME [VARIABLE=VALUE]: in the background, as process $pid.
takeover_spawn() {
  process_spawn "$1" KILL env -i PATH="$PATH" HOME="$RUN" "${@:2}" "${RELAY_SETTINGS[@]}" "$BUILD/cdc-relay/cdc-relay" takeover --table $table --order-by created_at --batch $batch --poller-is-stopped
  pid=$process_pid
}

# takeover_ends: its exit code in $code
takeover_ends() {
  code=0
  wait "$pid" || code=$?
}

takeover() { # LOG ARGUMENT...
  local log=$1
  shift
  relay_command "$log" takeover --table $table --order-by created_at --batch $batch "$@"
}

# records_of_run: PARTITION OFFSET KEY N ID SOURCE, of rows of this database's table, each partition in its order.
records_of_run() {
  pg "SELECT event_id FROM $table" >"$RUN/ids"
  timeout 60 kcat -C -b "$KAFKA" -q -e -J -o beginning -X fetch.wait.max.ms=10 -t member-events | jq -rR 'fromjson? | . as $r
    | ([range(0; (.headers // []) | length; 2) | {key: $r.headers[.], value: $r.headers[. + 1]}] | from_entries) as $h
    | [.partition, .offset, .key, ((.payload // "") | fromjson? | objects | .n // 0), $h.id, $h.source] | map(tostring) | join(" ")' |
    awk 'NR == FNR { is_ours[$1] = 1; next } $5 in is_ours' "$RUN/ids" - | LC_ALL=C sort -n -k 1,1 -k 2,2
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# The old program, and its end

: >"$RUN/load"
for w in 0 1 2; do
  writer $w &
  writers[w]=$!
done
poller_start poller
await 'rows that the poller has marked' 30 marked_are 100
poller_kill
poller_start poller.killed stop-behind-send
await 'rows that are sent and not marked' 30 has_said_sent
poller_kill
pg "SELECT event_id FROM $table WHERE published" | LC_ALL=C sort >"$RUN/marked.by.poller"

# backlog ROWS: for members of their own, with n counted on.
backlog_rows=0
backlog() {
  pg "INSERT INTO $table (event_id, aggregate_type, aggregate_id, event_type, payload)
    SELECT gen_random_uuid(), 'MEMBER', $first_member + 100 + i % 50, 'UPDATED', format('{\"n\": %s}', i) FROM generate_series($backlog_rows + 1, $backlog_rows + $1) AS i ORDER BY i"
  backlog_rows=$((backlog_rows + $1))
}
# A member of whom an old instance and a new one write in turn: the old one brings small ids along, the new one takes those of the sequence, from 2^62.
for n in {1..6}; do
  pg "INSERT INTO $table (id, event_id, aggregate_type, aggregate_id, event_type, payload)
    VALUES (CASE WHEN $n % 2 = 0 THEN $n ELSE nextval('public.member_outbox_event_id') END, gen_random_uuid(), 'MEMBER', $((first_member + 200)), 'UPDATED', '{\"n\": $n}')"
done
backlog 4000 # takes some seconds

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Taken over, cut off at any moment

takeover refused && fail 'took over without being told that the poller is stopped'
grep -q -- --poller-is-stopped "$RUN/refused.err" || fail "no word of --poller-is-stopped: $(cat "$RUN/refused.err")"
takeover dry --dry-run || fail "dry run: $(cat "$RUN/dry.err")"
assert_number 'rows of the dry run' "$(grep -o '^[0-9]*' "$RUN/dry.out")" '>' 4000
assert_eq 'slots after a dry run' 0 "$(pg 'SELECT count(*) FROM pg_replication_slots')"

cut=0
for ((i = 1; i <= kills; i++)); do
  backlog 1000
  takeover_spawn "takeover.$i"
  some_time 20 320
  fault_begins 'cut off at any moment'
  if [ $((i % 2)) = 1 ]; then
    kill -s KILL "$pid" 2>/dev/null || true
    takeover_ends
    [ $code != 137 ] || cut=$((cut + 1))
  else
    process_stop own QUIT
    takeover_ends
    postgres_run own
    [ $code = 0 ] || cut=$((cut + 1))
    [ $code = 0 ] || assert_eq "exit code of a take-over whose database went away: $(tail -n 3 "$RUN/takeover.$i.log")" 1 $code
  fi
  echo "cut $i: code $code, $(pg "SELECT count(*) FROM $table WHERE published") marked, slots: $(slots)"
  fault_ends 'cut off at any moment'
  [ $code != 0 ] || fail 'a take-over was through before it could be cut off: it needs more rows'
done
assert_number 'take-overs that were cut off' $cut '>=' $((kills / 2))
in_flight=$((cut * batch)) # at most

# The poller is not stopped after all: somebody marks rows that are still to come. The command has published them too, and says so.
disturbed() {
  code=0
  takeover disturbed --poller-is-stopped || code=$?
  echo $code >"$RUN/disturbed.code"
}
has_begun() {
  grep -q '^replication slot begins' "$RUN/disturbed.out" 2>/dev/null
}
disturbed &
command=$!
await 'a take-over that has begun' 30 has_begun
pg "UPDATE $table SET published = true WHERE aggregate_id = $first_member + 100 + $backlog_rows % 50 AND payload = '{\"n\": $backlog_rows}'"
wait $command
assert_eq "exit code where somebody else marks: $(cat "$RUN/disturbed.err")" 3 "$(cat "$RUN/disturbed.code")"
assert_match 'words where somebody else marks' 'the old poller is not stopped' "$(cat "$RUN/disturbed.err")"

takeover last --poller-is-stopped || fail "the last take-over: exit code $?: $(cat "$RUN/last.out" "$RUN/last.err")"
cat "$RUN/last.out"
assert_eq 'slots' "$SLOT" "$(slots)"

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Cut off between any two steps: now there is little enough to do for the last ones to be reached, and by larger batches, since the writers go on.
batch=50

stands_still() {
  grep -q '^State:.T' "/proc/$pid/status"
}

# dies_at POINT WAY: the command, or the database while the command stands still there; that comes back before the command goes on, or behind.
dies_at() {
  local point=$1 way=$2 passage=1
  [[ $point != *_MARK ]] || passage=$((1 + $(random 3)))
  backlog 200
  fault_begins "$way at $point"
  case $way in
    killed)
      takeover_spawn "takeover.$point.$way" "CDC_CRASH_POINT=$point:$passage"
      takeover_ends
      ;;
    'database restarted')
      takeover_spawn "takeover.$point.$way" "CDC_PAUSE_POINT=$point:$passage"
      await "a take-over that stands still at $point" 30 stands_still
      process_stop own QUIT
      postgres_run own
      kill -s CONT "$pid"
      takeover_ends
      ;;
    'database away')
      takeover_spawn "takeover.$point.$way" "CDC_PAUSE_POINT=$point:$passage"
      await "a take-over that stands still at $point" 30 stands_still
      process_stop own QUIT
      kill -s CONT "$pid"
      takeover_ends
      postgres_run own
      ;;
  esac
  fault_ends "$way at $point"
}

# what_is_left POINT WAY: the slots, and the exit code and words of the next take-over.
what_is_left() {
  local left="${SLOT}_takeover" next=0 says='created, starting at'
  case $1 in
    AFTER_COPY) left="$SLOT ${SLOT}_takeover" says='exists, and the backlog is published' ;;
    AFTER_DROP) left=$SLOT next=4 says='a finished take-over made it' ;;
  esac
  # Behind the copy each step has a connection of its own: where the database is back it goes through. Before, the lock went with its session.
  if [[ $2 = 'database restarted' && $1 = AFTER_COPY ]]; then
    left=$SLOT next=4 says='a finished take-over made it'
  fi
  printf '%s|%s|%s\n' "$left" $next "$says"
}

# exit_code POINT WAY
exit_code() {
  case $2 in
    killed) echo 137 ;;
    'database restarted') [[ $1 = AFTER_COPY || $1 = AFTER_DROP ]] && echo 0 || echo 1 ;;
    *) [ "$1" = AFTER_DROP ] && echo 0 || echo 1 ;;
  esac
}

mapfile -t points < <(sed -n '/^#define FAULT_TAKEOVER_CRASH_POINTS/,/^$/s/^ *X(\([A-Z_]*\),.*/\1/p' "$ROOT/cdc-relay/lib/fault_point.h")
assert_number 'crash points' ${#points[@]} '>=' 6
ways=(killed 'database restarted' 'database away')
for point in $(shuffled "${points[@]}"); do
  some=("${ways[@]}")
  [ -z "${FAULTS_SHORT:-}" ] || some=("${ways[$(random 3)]}")
  for way in "${some[@]}"; do
    # Nobody has streamed: what is not marked is in the next snapshot, as if there had been no take-over.
    pg "SELECT pg_drop_replication_slot('$SLOT')" >/dev/null
    dies_at "$point" "$way"
    assert_eq "exit code, $way at $point" "$(exit_code "$point" "$way")" "$code"
    [ "$code" = 0 ] || cut=$((cut + 1)) in_flight=$((in_flight + batch))
    IFS='|' read -r left next says < <(what_is_left "$point" "$way")
    assert_eq "slots, $way at $point" "$left" "$(slots)"
    code=0
    takeover behind --poller-is-stopped || code=$?
    assert_eq "exit code of the take-over behind: $way at $point" "$next" $code
    assert_match "its words behind: $way at $point" "$says" "$(cat "$RUN/behind.out" "$RUN/behind.err")"
    assert_eq "slots behind that, $way at $point" "$SLOT" "$(slots)"
    assert_eq "failover of the slot, $way at $point" "$has_failover" "$(pg "SELECT to_jsonb(s) ->> 'failover' FROM pg_replication_slots s")"
  done
done
figure 'take-overs cut off' "$cut"

code=0
takeover again --poller-is-stopped || code=$?
assert_eq 'exit code of a take-over behind a take-over' 4 $code

records_of_run >"$RUN/taken"
awk '$6 == "auth-service"' "$RUN/taken" >"$RUN/taken.by.us"
assert_number 'records of the command' "$(wc -l <"$RUN/taken.by.us")" '>' 4000
twice=$(($(wc -l <"$RUN/taken.by.us") - $(cut -d ' ' -f 5 "$RUN/taken.by.us" | sort -u | wc -l)))
echo "records of the command: $(wc -l <"$RUN/taken.by.us"), of them again after $cut kills: $twice"
figure 'records that came twice from the command' "$twice"
assert_number 'records that came twice from the command' "$twice" '<=' $in_flight
pg "SELECT event_id FROM $table WHERE published" | LC_ALL=C sort >"$RUN/marked"
cut -d ' ' -f 5 "$RUN/taken" | LC_ALL=C sort -u >"$RUN/in.kafka"
assert_eq 'rows that are marked and not in Kafka' '' "$(LC_ALL=C comm -23 "$RUN/marked" "$RUN/in.kafka")"

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# Streamed

relay_start
relay_stop relay KILL
relay_start
rm "$RUN/load"
wait "${writers[@]}"
relay_has_all
records_of_run >"$RUN/all"
assert_number 'rows' "$(wc -l <"$RUN/ids")" '>' 4200
cut -d ' ' -f 5 "$RUN/all" | LC_ALL=C sort -u >"$RUN/in.kafka"
LC_ALL=C sort "$RUN/ids" >"$RUN/rows"
assert_same_file 'rows and events' "$RUN/rows" "$RUN/in.kafka"
awk '$6 == "auth-service" { print $5 }' "$RUN/all" | LC_ALL=C sort -u >"$RUN/by.us"
assert_eq 'rows that the poller had marked, published by us' '' "$(LC_ALL=C comm -12 "$RUN/marked.by.poller" "$RUN/by.us")"
assert_number 'rows that the poller had marked' "$(wc -l <"$RUN/marked.by.poller")" '>=' 100
assert_eq 'events out of their order' '' "$(awk '!seen[$5]++ { if ($4 <= last[$3] && ++bad <= 10) print; last[$3] = $4 }' "$RUN/all")"
assert_eq 'members in two partitions' '' "$(awk '{ if (($3 in at) && at[$3] != $1) print $3; at[$3] = $1 }' "$RUN/all" | sort -u)"
cut -d ' ' -f 5 "$RUN/taken.by.us" | LC_ALL=C sort -u >"$RUN/taken.ids"
assert_eq 'rows of the backlog that were streamed too' '' "$(awk 'NR == FNR { is_taken[$1] = 1; next } $6 == "auth-service" && $5 in is_taken' "$RUN/taken.ids" "$RUN/all" |
  LC_ALL=C sort >"$RUN/of.taken"; LC_ALL=C sort "$RUN/taken.by.us" | LC_ALL=C comm -13 - "$RUN/of.taken" | awk 'NR <= 5')"
# A row of the backlog has the headers of a streamed one.
headers() { # ID: names, and what has the same value for all
  kcat -C -b "$KAFKA" -q -e -J -o beginning -t member-events | jq -cR --arg id "$1" 'fromjson? | . as $r | select((.headers // []) | index($id)) | select(.headers | index("auth-service"))
    | [range(0; .headers | length; 2) | {name: $r.headers[.], value: (if $r.headers[.] | IN("eventType", "source", "version") then $r.headers[. + 1] else null end)}]' | awk 'NR == 1'
}
streamed=$(LC_ALL=C comm -23 "$RUN/by.us" <(cut -d ' ' -f 5 "$RUN/taken" | LC_ALL=C sort -u) | awk 'NR == 1')
[ -n "$streamed" ] || fail 'nothing was streamed'
assert_eq 'headers of a row of the backlog' "$(headers "$streamed")" "$(headers "$(head -n 1 "$RUN/taken.by.us" | cut -d ' ' -f 5)")"
relay_stop
