#!/usr/bin/env bash
# The wall clock that the relay's process sees jumps by seconds, by hours, a day forward and a day back, under load, while it has to reconnect to PostgreSQL, and while
# it is without Kafka or without PostgreSQL. Nothing waits for a time of day: no storm of retries, none that come a day late, no loop that spins. And no record says the
# relay's time: each keeps the commit's, or its row's, to the millisecond. (Ages that it shows, of events against its own clock, are off by as much as the clock is.)
# row: R-11 the wall clock jumps by a day and back
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: real-kafka
POSTGRES=own
OWN_POSTGRES=("track_commit_timestamp = on")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

# jump_to SECONDS: the clock's distance from the true one, from now on. Written in place, in one piece.
jump_to() {
  printf '%-32s' "$1" | dd of="$RUN/clock" conv=notrunc status=none
}
printf '%-32s' 0 >"$RUN/clock"
own_kafka
proxy_start postgres plain "127.0.0.1:$PG_PORT"
relay_set POSTGRES_URL "postgresql://relay@${PROXY[postgres]}/$DB"

# Records with a time of the database's, in topics that keep it: the commit's, and that of a column. The load's topics have the broker's.
pg "CREATE TABLE dated (LIKE outbox INCLUDING ALL)" "ALTER PUBLICATION \"$SLOT\" ADD TABLE dated"
relay_set OUTBOX_1_TABLE public.dated
relay_set OUTBOX_1_TABLE_FIELD_EVENT_TIMESTAMP created_at
for kind in committed dated; do
  topic_create "outbox.event.$T-$kind" 1 message.timestamp.type=CreateTime retention.ms=-1
done
watch_start "outbox.event.$T-committed"
relay_init
RELAY_SETTINGS+=("LD_PRELOAD=$ROOT/build/dev/tests/faults/wall_clock.so" "WALL_CLOCK_FILE=$RUN/clock")
relay_start
load_start --rate 200 --connections 4
await 'the first transactions' 30 load_has_committed 50

# To be called while the clock is off, with a recovery behind it: what is written here is published by that clock. The column's time is not the commit's, and not that of
# any clock here.
insert_dated() {
  local row="INTO %s (aggregatetype, aggregateid, type, payload, created_at) VALUES ('$T-%s', 'k', 'E', '1', clock_timestamp() - interval '30 days')"
  # shellcheck disable=SC2059
  pg "INSERT $(printf "$row" outbox committed)" "INSERT $(printf "$row" dated dated)" "INSERT $(printf "$row" outbox committed)"
}
# times_of KIND: lines ID MILLISECONDS of the records of that topic; a repetition has the same.
times_of() {
  KAFKA=$KAFKA_DIRECT KCAT_FORMAT='%T %h\n' read_topic "outbox.event.$T-$1" | sed -E 's/^([0-9]+) .*\bid=([-0-9a-f]{36}).*/\2 \1/' | sort -u
}
# Lines MILLISECONDS-ANNOUNCED MILLISECONDS-WAITED of waits behind which the relay streamed again, out of its log. All jumps are whole minutes: what is left is what passed.
waits() {
  jq -nrR '
    def ms: (.ts | sub("\\.[0-9]+Z$"; "Z") | fromdate) * 1000 + (.ts | capture("\\.(?<f>[0-9]{3})").f | tonumber);
    foreach (inputs | fromjson? | select(.event == "session_failed" or .event == "streaming_started")) as $line ({};
      if $line.event == "session_failed" then {failed: $line} else {failed: null, before: .failed, after: $line} end;
      select(.before != null) | "\(.before.retry_in_ms) \(((.after | ms) - (.before | ms)) % 60000 | if . > 30000 then . - 60000 elif . < -30000 then . + 60000 else . end)")' \
    "${RELAY_LOG[relay]}"
}
# failures: of the relay for the database's sake, so far, also those that are not worth a line.
failures() {
  relay_get /metrics | awk '/^cdc_relay_reconnects_total\{side="postgres"/ { sum += $2 } END { print sum + 0 }'
}
has_failed_since() {
  [ "$(failures)" -gt "$1" ]
}
relay_cpu_ms() {
  local fields
  read -r -a fields <"/proc/${RELAY_PID[relay]}/stat"
  echo $(((fields[13] + fields[14]) * 1000 / $(getconf CLK_TCK)))
}
# An ended walsender makes the relay wait and connect: its backoff is under way while the clock jumps.
cut_connection() {
  pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active" >/dev/null
}
reconnects() {
  relay_log relay 'select(.event == "streaming_started") | .event' | wc -l
}

jumps=(60 0 3600 -3600 0 86400 0 -86400 0 86400 -86400 0)
[ -z "${FAULTS_SHORT:-}" ] || jumps=(86400 -86400 0)
cuts=0
began=${EPOCHREALTIME//[.,]/}
cpu=$(relay_cpu_ms)
for jump in "${jumps[@]}"; do
  kind="the clock jumps to $jump s"
  fault_begins "$kind"
  some_time 300 900
  cut_connection
  jump_to "$jump"
  insert_dated
  cuts=$((cuts + 1))
  fault_ends "$kind"
  recovery_begins
  recovery_ends "recovery at $jump s" 45
  # A line of the log says that the clock did jump for the relay.
  newest=$(relay_log relay '.ts' | tail -n 1)
  seen=$(($(date -d "$newest" +%s) - $(date +%s)))
  assert_number "seconds by which the relay's log is off" "$seen" '>' $((jump - 120))
  assert_number "seconds by which the relay's log is off" "$seen" '<' $((jump + 120))
done
# Without Kafka, its client waits to try again; by the time of day, if it were for librdkafka alone.
for jump in "${jumps[@]}"; do
  proxy_say kafka refuse
  proxy_say kafka cut
  some_time 300 600
  kind="the clock jumps to $jump s without Kafka"
  fault_begins "$kind"
  jump_to "$jump"
  insert_dated
  some_time 300 600
  proxy_say kafka accept
  fault_ends "$kind"
  recovery_begins
  recovery_ends "recovery without Kafka at $jump s" 45
done
# Without PostgreSQL, the relay itself waits: between a half and the whole of a cap that doubles from 100 ms on. More failures than that allows are waits that ended early.
early=0
for jump in "${jumps[@]}"; do
  before=$(failures)
  gone=$EPOCHREALTIME
  proxy_say postgres refuse
  proxy_say postgres cut
  await 'a relay that waits' 20 has_failed_since "$before"
  kind="the clock jumps to $jump s without PostgreSQL"
  fault_begins "$kind"
  jump_to "$jump"
  insert_dated
  some_time 1500 2500
  failed=$(($(failures) - before))
  early=$((early + $(awk -v failed="$failed" -v s="$(seconds_since "$gone")" 'BEGIN { most = 1 + int(log(s / 0.05 + 1) / log(2)); print (failed > most ? failed - most : 0) }')))
  proxy_say postgres accept
  fault_ends "$kind"
  recovery_begins
  recovery_ends "recovery without PostgreSQL at $jump s" 45
done
elapsed_ms=$(((${EPOCHREALTIME//[.,]/} - began) / 1000))
cpu=$(($(relay_cpu_ms) - cpu))
figure 'CPU meanwhile' $((cpu * 100 / elapsed_ms)) '% of a core'
assert_number 'CPU in percent of a core' $((cpu * 100 / elapsed_ms)) '<=' 60
figure 'jumps' $((${#jumps[@]} * 3))
figure 'streams begun' "$(reconnects)"
# Nobody retries in a storm: each cut makes one new stream, each jump back another one, and little more.
assert_number 'streams begun' "$(reconnects)" '<=' $((cuts * 4 + 4))
# A wait that ended too early by the machine's true clock. One that a jump had put off, by a minute at least, would have been no recovery above; what is less late may have
# had a second failure behind it, which is no line.
waits >"$RUN/waits"
misfired=$(awk '$2 < $1 - 2' "$RUN/waits")
figure 'waits measured' "$(wc -l <"$RUN/waits")"
figure 'timers misfired' $(($(grep -c . <<<"$misfired") + early))
assert_number 'waits measured' "$(wc -l <"$RUN/waits")" '>=' ${#jumps[@]}
assert_eq 'waits that ended before their time (announced, waited, ms)' '' "$misfired"
assert_eq 'failures beyond what the waits between them allow' 0 "$early"
settle
relay_stop

pg "SELECT id || ' ' || floor(extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::bigint FROM outbox WHERE aggregatetype = '$T-committed'" | sort >"$RUN/committed.rows"
pg "SELECT id || ' ' || floor(extract(epoch FROM created_at) * 1000)::bigint FROM dated" | sort >"$RUN/dated.rows"
for kind in committed dated; do
  times_of $kind >"$RUN/$kind.records"
  assert_same_file "times of records, of the kind $kind" "$RUN/$kind.rows" "$RUN/$kind.records"
done
assert_number 'records with a time of the database' "$(cat "$RUN"/{committed,dated}.records | wc -l)" '>=' $((${#jumps[@]} * 9))
figure 'records with the time of the database' "$(cat "$RUN"/{committed,dated}.records | wc -l)"
verdict --only-unconfirmed
