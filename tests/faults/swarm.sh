#!/usr/bin/env bash
# Random faults together under load. Each phase draws a subset of the kinds below from the seed, each round one to three of the subset, which begin one after the other, last
# for a moment together, and end in another order; the next round follows at once. From time to time the relay must catch up with what was written, which is measured.
# First of all come some pairs that hurt only together, and that chance seldom draws. In the middle of the time and at its end all is healed and the history judged. In the
# first half there is a single relay, so that it is judged by what was repeated as well; in the second half another one beside it, and then nothing bounds that.
#
#   the relay        killed, restarted, frozen, its wall clock put back or forward (back costs it its producer); in the second half another relay beside it
#   PostgreSQL       walsender or all connections ended, postmaster killed, restarted; its line cut, reset in a message, closed by half, frozen (both ways or one), sliced,
#                    slow, refused; tables locked, transactions that stay open and are rolled back, a column added, load at full speed
#   Kafka            killed, restarted (not within `./dev test`); its line cut, frozen, sliced, slow, narrow, refused; requests swallowed, acknowledgements lost
#
# row: E-01 random faults together, drawn from a seed
# expects: O1 O2 O3 O4 O7 O8 O9 O10
# tags: short slow real-kafka
# seconds: 14400
POSTGRES=own
# A connection of which nothing comes, since its line is frozen, keeps a server from stopping for as long as authentication_timeout.
OWN_POSTGRES=("wal_sender_timeout = '5s'" "authentication_timeout = '5s'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

seconds=$(times 8 $((${FAULTS_MINUTES:-30} * 60)))
own_kafka
proxy_start postgres plain "127.0.0.1:$PG_PORT"
relay_set POSTGRES_URL "postgresql://relay@${PROXY[postgres]}/$DB"
# What nobody answers is given up soon, so that more faults fit in a minute.
relay_set KAFKA_SOCKET_TIMEOUT_MS 2000
relay_set DELIVERY_DRAIN_TIMEOUT_MS 2000
relays=(first)
clock() {
  printf '%-32s' "$1" | dd of="$RUN/clock" conv=notrunc status=none
}
printf '%-32s' 0 >"$RUN/clock"

a_relay() {
  echo "${relays[$(random ${#relays[@]})]}"
}
# in_background KIND SQL SECONDS END: a transaction, held open for so long by a client of its own, which is ended with the scenario. Whether it got so far is told by a file.
backgrounds=0
declare -A holds
in_background() {
  backgrounds=$((backgrounds + 1))
  holds[$1]=$RUN/client.$backgrounds.holds
  process_spawn "client.$backgrounds" TERM psql -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" \
    -c BEGIN -c "$2" -c "\\! : >'${holds[$1]}'" -c "SELECT pg_sleep($3)" -c "$4"
}
background_ends() {
  hits[$1]=0
  [ ! -e "${holds[$1]}" ] || hits[$1]=1
}
are_gone() {
  local pid
  for pid in "$@"; do
    [ -z "$(process_started "$pid")" ] || return 1
  done
}

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# The kinds: begin_KIND, and end_KIND where it lasts. A name stands twice where it is to come more often.
#
# What they hit, of whatever they hit, is in `hits` by the end of a round, for all that may hit nothing: a line without a connection, a rule that no frame came under, a
# walsender that was gone. Then the fault was going on, and did not happen. Who is refused is not known here: there it is the connections that were cut.
declare -A hits

# rule_ends PROXY RULE KIND
rule_ends() {
  hits[$3]=$(proxy_applied "$1" "$2")
  proxy_say "$1" clear "$2"
}
# cuts PROXY KIND
cuts() {
  hits[$2]=$(proxy_say "$1" cut | sed -n 's/^cut //p')
}
# freezes PROXY KIND [DIRECTION]; thaws PROXY KIND. What connects meanwhile is frozen, too.
freezes() {
  proxy_say "$1" freeze "${@:3}"
  hits[$2]=$(proxy_connections "$1")
}
thaws() {
  hits[$2]=$((${hits[$2]} + $(proxy_connections "$1")))
  proxy_say "$1" thaw
}
# ends_backends KIND SQL: SQL's rows say whether there was one to be ended
ends_backends() {
  hits[$1]=$(pg_in postgres "SELECT count(*) FILTER (WHERE ended) FROM ($2) AS backends (ended)")
}

kinds=(relay_killed relay_killed relay_restarted relay_frozen clock_back clock_forward
  walsender_ended walsender_ended connections_ended postgres_killed postgres_restarted
  postgres_cut postgres_cut postgres_reset postgres_half_closed postgres_frozen postgres_deaf postgres_mute postgres_sliced postgres_slow postgres_refused
  outbox_locked transaction_open column_added spike
  kafka_cut kafka_cut kafka_frozen kafka_sliced kafka_slow kafka_narrow kafka_refused kafka_request_lost kafka_ack_lost kafka_ack_lost)
[ -n "${FAULTS_SHORT:-}" ] || kinds+=(broker_restarted)

# What is in flight, and will never arrive, when a relay ends or takes a new producer; and a table that looks different to a session that is not the process's first.
pairs=('kafka_request_lost clock_back' 'kafka_request_lost relay_restarted' 'walsender_ended column_added')

# What a producer has on its way when it ends, or is replaced, arrives late on a line that is sliced or narrow: maybe behind what its successor has had confirmed, which no
# relay can prevent. Where that would be a finding its line is free.
slowed=()
kafka_passes() {
  local rule
  for rule in "${slowed[@]}"; do
    rule_ends kafka "$rule" "kafka_$rule"
  done
  slowed=()
}
producer_ends() {
  [ ${#relays[@]} != 1 ] || kafka_passes
}

begin_relay_killed() {
  local name
  name=$(a_relay)
  producer_ends
  end_relay_frozen
  relay_kill "$name" 2>/dev/null
  assert_eq "exit code of $name, killed" 137 "${RELAY_EXIT[$name]}"
  relay_launch "$name"
}
begin_relay_restarted() {
  local name
  name=$(a_relay)
  producer_ends
  end_relay_frozen
  relay_stop "$name"
  relay_launch "$name"
}
begin_relay_frozen() {
  frozen=$(a_relay)
  kill -STOP "${RELAY_PID[$frozen]}"
}
end_relay_frozen() {
  [ -z "${frozen:-}" ] || kill -CONT "${RELAY_PID[$frozen]}"
  frozen=''
}

begin_clock_back() {
  producer_ends
  clock "-$((10 + $(random 86400)))"
}
end_clock_back() { clock 0; }
begin_clock_forward() { clock "$((10 + $(random 86400)))"; }
end_clock_forward() { # and so back
  producer_ends
  clock 0
}

begin_walsender_ended() {
  ends_backends walsender_ended "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active"
}
begin_connections_ended() {
  ends_backends connections_ended "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DB' AND pid <> pg_backend_pid()"
}
begin_postgres_killed() {
  local server children
  server=$(process_pid_of own)
  read -ra children <"/proc/$server/task/$server/children" || true
  process_stop own KILL
  await "the end of the killed server's children" 30 are_gone "${children[@]}"
  postgres_run own
}
# A relay that says its status and hears nothing keeps the walsender alive, and a server that stops waits for that: no fault of either, so the line is not mute meanwhile.
begin_postgres_restarted() {
  proxy_say postgres thaw
  process_stop own INT 60 || fail 'PostgreSQL did not stop when asked to, fast'
  postgres_run own
}
begin_postgres_cut() { cuts postgres postgres_cut; }
begin_postgres_reset() { proxy_say postgres rule reset direction=response "skip=$(random 20)" count=1 reset; }
end_postgres_reset() { rule_ends postgres reset postgres_reset; }
begin_postgres_half_closed() {
  proxy_say postgres rule half "direction=$([ "$(random 2)" = 0 ] && echo request || echo response)" "skip=$(random 20)" count=1 half-close
}
end_postgres_half_closed() { rule_ends postgres half postgres_half_closed; }
begin_postgres_frozen() { freezes postgres postgres_frozen; }
end_postgres_frozen() { thaws postgres postgres_frozen; }
begin_postgres_deaf() { freezes postgres postgres_deaf request; }
end_postgres_deaf() { thaws postgres postgres_deaf; }
begin_postgres_mute() { freezes postgres postgres_mute response; }
end_postgres_mute() { thaws postgres postgres_mute; }
begin_postgres_sliced() { proxy_say postgres rule sliced direction=both "slice=$((1 + $(random 9)))"; }
end_postgres_sliced() { rule_ends postgres sliced postgres_sliced; }
begin_postgres_slow() { proxy_say postgres rule slow direction=both delay=20+-20; }
end_postgres_slow() { rule_ends postgres slow postgres_slow; }
begin_postgres_refused() {
  proxy_say postgres refuse
  cuts postgres postgres_refused
}
end_postgres_refused() { proxy_say postgres accept; }
begin_outbox_locked() { in_background outbox_locked 'LOCK TABLE outbox IN SHARE MODE' 0.5 COMMIT; }
end_outbox_locked() { background_ends outbox_locked; }
begin_transaction_open() {
  in_background transaction_open "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'rolled-back', 'E', '0')" 2 ROLLBACK
}
end_transaction_open() { background_ends transaction_open; }
columns=0
begin_column_added() {
  local change
  columns=$((columns + 1))
  change="ADD COLUMN extra_$columns text DEFAULT 'a column that was not there'"
  [ $((columns % 8)) != 0 ] || change="DROP COLUMN extra_$((columns - 1))"
  # Not at any price: it waits behind whoever holds the table, and others behind it.
  hits[column_added]=1
  pg "SET lock_timeout = '2s'; ALTER TABLE outbox $change" 2>/dev/null || hits[column_added]=0
}
begin_spike() { load_start --rate 0 --seconds 0.5 --connections 8; }

broker_restarted=-60
begin_broker_restarted() {
  broker_restarted=$SECONDS
  own_kafka_stop "$([ "$(random 2)" = 0 ] && echo TERM || echo KILL)" 2>/dev/null
  own_kafka_run
}
begin_kafka_cut() { cuts kafka kafka_cut; }
begin_kafka_frozen() { freezes kafka kafka_frozen; }
end_kafka_frozen() { thaws kafka kafka_frozen; }
begin_kafka_sliced() {
  proxy_say kafka rule sliced direction=both "slice=$((1 + $(random 9)))"
  slowed+=(sliced)
}
end_kafka_sliced() { kafka_passes; }
begin_kafka_slow() { proxy_say kafka rule slow direction=both delay=40+-40; }
end_kafka_slow() { rule_ends kafka slow kafka_slow; }
begin_kafka_narrow() {
  proxy_say kafka rule narrow direction=request bandwidth=50000
  slowed+=(narrow)
}
end_kafka_narrow() { kafka_passes; }
begin_kafka_refused() {
  proxy_say kafka refuse
  cuts kafka kafka_refused
}
end_kafka_refused() { proxy_say kafka accept; }
begin_kafka_request_lost() { proxy_say kafka rule gone api=Produce direction=request "count=$((1 + $(random 3)))" drop; }
end_kafka_request_lost() { rule_ends kafka gone kafka_request_lost; }
begin_kafka_ack_lost() { proxy_say kafka rule lost api=Produce "skip=$(random 3)" "count=$((1 + $(random 3)))" lose; }
end_kafka_ack_lost() { rule_ends kafka lost kafka_ack_lost; }

# ---------------------------------------------------------------------------------------------------------------------------------------------------- #
# A round, and what must hold behind it

faults=0
misses=0
# one_round KIND...
one_round() {
  local kind
  hits=()
  for kind in "$@"; do
    fault_begins "${kind//_/ }"
    "begin_$kind"
    [ $# = 1 ] || some_time 50 250
  done
  some_time 50 900
  for kind in "$@"; do
    [ "$(type -t "end_$kind")" != function ] || "end_$kind"
    fault_ends "${kind//_/ }" "${hits[$kind]-1}"
    if [ "${hits[$kind]-1}" = 0 ]; then
      misses=$((misses + 1))
      echo "met nothing: $kind"
    else
      faults=$((faults + 1))
    fi
  done
}

# No relay may have ended but by our hand. Its memory and descriptors: lines NAME SECONDS RSS-KB FDS THREADS.
look_at_relays() {
  local name pid
  for name in "${relays[@]}"; do
    pid=${RELAY_PID[$name]}
    if ! kill -0 "$pid" 2>/dev/null; then
      relay_ends "$name"
      fail "$name ended by itself with ${RELAY_EXIT[$name]}: $(tail -n 2 "${RELAY_LOG[$name]}" | cut -c 1-500)"
    fi
    awk -v name="$name" -v seconds=$SECONDS -v fds="$(find "/proc/$pid/fd" -mindepth 1 | wc -l)" '
      /^VmRSS/ { rss = $2 } /^Threads/ { threads = $2 } END { print name, seconds, rss, fds, threads }' "/proc/$pid/status" >>"$RUN/sizes"
  done
}

# What was committed until now is confirmed within the time, without our doing.
catches_up() {
  local began=$EPOCHREALTIME lsn
  lsn=$(wal_mark)
  wait_until 90 slot_has_confirmed "$lsn" 2>/dev/null ||
    fail "what was committed 90 s ago is not confirmed; states: $(for name in "${relays[@]}"; do relay_state "$name"; done | paste -sd ' ')"
  awk "BEGIN { printf \"%.3f\\n\", $EPOCHREALTIME - $began }" >>"$RUN/recoveries"
  # PostgreSQL keeps what was confirmed at a checkpoint; after a crash all behind it comes again.
  pg_in postgres CHECKPOINT
  look_at_relays
}

# draw_subset: about three of five, and one at least
draw_subset() {
  local kind
  subset=()
  for kind in "${kinds[@]}"; do
    [ "$(random 5)" -ge 3 ] || subset+=("$kind")
  done
  [ ${#subset[@]} != 0 ] || subset=("${kinds[@]}")
}

# draw_round: one to three of the subset, none twice. A restarted broker takes as long as many others together, so at most one a minute, and else only its line is cut.
draw_round() {
  local wanted kind
  round=()
  for ((wanted = 1 + $(random 3); wanted > 0; wanted--)); do
    kind=${subset[$(random ${#subset[@]})]}
    [ "$kind" != broker_restarted ] || [ $SECONDS -ge $((broker_restarted + 60)) ] || kind=kafka_cut
    [[ " ${round[*]} " == *" $kind "* ]] || round+=("$kind")
  done
}

rounds=0
# live SECONDS: rounds under load; then all is healed, since each kind ends with its round, confirmed and read.
live() {
  local until=$((SECONDS + $1))
  while [ $SECONDS -lt $until ]; do
    [ $((rounds % 24)) != 0 ] || draw_subset
    draw_round
    one_round "${round[@]}"
    loads_reap
    rounds=$((rounds + 1))
    if [ $((rounds % 8)) = 0 ]; then
      catches_up
    else
      look_at_relays
    fi
  done
  catches_up
  settle 120
}

watch_start
relay_init
RELAY_SETTINGS+=("LD_PRELOAD=$ROOT/build/dev/tests/faults/wall_clock.so" "WALL_CLOCK_FILE=$RUN/clock")
relay_launch first
load_start --rate 100 --connections 6 --keys 60 --pause 0.05
await 'the first transactions' 30 load_has_committed 20
catches_up
for pair in "${pairs[@]}"; do
  read -ra round <<<"$pair"
  one_round "${round[@]}"
  # What one has lost must not be sent again for the sake of the next.
  catches_up
done
began=$SECONDS
live $((seconds / 2))
# A single relay publishes alone: nothing comes again of which PostgreSQL had been told, but for what it forgot, killed or restarted.
verdict --only-unconfirmed --forgets 'postgres killed' --forgets 'postgres restarted'
figure 'faults with one relay' "$faults"
figure 'repeated with one relay, all of it unconfirmed' "$(jq .duplicates "$RUN/verdict.json")" records

watch_start
relays=(first second)
relay_launch second
load_start --rate 100 --connections 6 --keys 60 --pause 0.05
live $((seconds - seconds / 2))
elapsed=$((SECONDS - began))
for name in "${relays[@]}"; do
  relay_stop "$name"
done
# What a frozen relay had handed to its producer is written when it wakes, beside what its successor writes, and has had confirmed.
verdict --may-interleave
figure 'faults injected' "$faults"
figure 'faults begun that met nothing' "$misses"
figure 'faults a minute' $((faults * 60 / elapsed))
sort -n "$RUN/recoveries" >"$RUN/recoveries.sorted"
figure 'times that it had to catch up' "$(wc -l <"$RUN/recoveries.sorted")"
figure 'time to catch up p50' "$(awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' "$RUN/recoveries.sorted")" s
figure 'time to catch up max' "$(tail -n 1 "$RUN/recoveries.sorted")" s
# median_kb FIRST LAST: of the relays' memory, in that part of the samples, in percent
median_kb() {
  awk -v first="$1" -v last="$2" '{ v[NR] = $3 } END { for (i = int(NR * first / 100) + 1; i <= NR * last / 100; i++) print v[i] }' "$RUN/sizes" |
    sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
figure 'memory, median of the first half' "$(median_kb 0 50)" kB
figure 'memory, median of the second half' "$(median_kb 50 100)" kB
figure 'memory at most' "$(sort -k 3 -n "$RUN/sizes" | tail -n 1 | cut -d ' ' -f 3)" kB
figure 'descriptors at most' "$(sort -k 4 -n "$RUN/sizes" | tail -n 1 | cut -d ' ' -f 4)"
threads=$(sort -k 5 -n "$RUN/sizes" | tail -n 1 | cut -d ' ' -f 5)
figure 'threads at most' "$threads"
# Five, and those of a producer that is being ended beside its successor.
assert_number 'threads at most' "$threads" '<=' 16
assert_number 'threads at the end' "$(tail -n 1 "$RUN/sizes" | cut -d ' ' -f 5)" '<=' 8
assert_number 'kB of memory in the second half' "$(median_kb 50 100)" '<=' $(($(median_kb 0 50) + 12000))
assert_number 'kB of memory at most' "$(sort -k 3 -n "$RUN/sizes" | tail -n 1 | cut -d ' ' -f 3)" '<=' 96000
assert_number 'descriptors at most' "$(sort -k 4 -n "$RUN/sizes" | tail -n 1 | cut -d ' ' -f 4)" '<=' 40
