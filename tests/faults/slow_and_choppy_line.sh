#!/usr/bin/env bash
# The line to PostgreSQL is bad without being broken: 50 and 200 ms of latency with jitter, 64 kbit/s, and every byte of both directions in a segment of its own. It costs
# speed and latency, which are the figures; no byte differs, no event is lost or repeated. Each line stays bad, under load, for more than twice wal_sender_timeout, and the
# relay's status is on time throughout: a third of that timeout, the line's latency, and half a second for two busy cores. So the connection stays the same one.
# row: P-08 latency 50 and 200 ms with jitter, 64 kbit/s, slices of one byte
# expects: O1 O2 O3 O4 O7 O8
# tags:
# plugins: both
POSTGRES=own
OWN_POSTGRES=("wal_sender_timeout = '3s'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

bad_seconds=8 # for which a line stays bad under load
status_seconds=1.8

proxy_start line plain "127.0.0.1:$PG_PORT"
relay_set POSTGRES_URL "postgresql://relay@${PROXY[line]}/$DB"
watch_start
relay_init

# The bound of commit_to_ack's bucket below which 99 of 100 events lie.
p99() {
  relay_get /metrics | awk '
    /^cdc_relay_commit_to_ack_seconds_bucket/ { split($0, q, "\""); bound[++n] = q[2]; count[n] = $NF }
    END { for (i = 1; i <= n; i++) if (count[i] >= count[n] * 0.99) { print bound[i]; exit } }'
}

# How old the relay's last word is that the server has read, in seconds, asked twenty times a second by one session: lines of ages.log.
cat >"$RUN/ages.sql" <<'SQL'
SELECT extract(epoch FROM clock_timestamp() - reply_time) FROM pg_stat_replication WHERE application_name = 'cdc-relay' AND reply_time IS NOT NULL \watch 0.05
SQL
watch_status() {
  rm -f "$RUN/ages.log"
  process_spawn ages TERM psql -X -q -A -t -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$DB" -f "$RUN/ages.sql"
}

# on_a_line NAME TRANSACTIONS LOAD-OPTIONS RULE...: a relay on a line of these rules works off a load as fast as it
# comes, and then one that goes on for a while; its figures are named by NAME.
on_a_line() {
  local name=$1 transactions=$2 options=$3 rule number=0 began pid events age
  shift 3
  relay_start # on the good line, so that what is measured is streaming
  for rule in "$@"; do
    number=$((number + 1))
    # shellcheck disable=SC2086
    proxy_say line rule "bad$number" $rule
  done
  pid=$(pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'")
  [ $# = 0 ] || fault_begins "line: $name"
  watch_status
  began=$EPOCHREALTIME
  # shellcheck disable=SC2086
  load_start --rate 0 --transactions "$transactions" --connections 4 --keys 40 --rollbacks 0 $options
  load_ends 60
  await "confirmation on a line with $name" 120 slot_has_confirmed "$(wal_end)"
  events=$(relay_get /metrics | awk '/^cdc_relay_events_total\{.*outcome="published"/ { print $NF }')
  figure "${name// /_}_throughput" "$(awk -v n="$events" -v s="$(seconds_since "$began")" 'BEGIN { printf "%.0f", n / s }')" events/s
  figure "${name// /_}_p99" "$(p99)" s
  # shellcheck disable=SC2086
  load_start --rate 10 --seconds "$bad_seconds" --connections 2 --keys 40 --rollbacks 0 $options
  load_ends 60
  process_stop ages
  await "confirmation on a line with $name" 120 slot_has_confirmed "$(wal_end)"
  [ $# = 0 ] || fault_ends "line: $name"
  assert_number "times that the age of the relay's status was asked for, on a line with $name" "$(wc -l <"$RUN/ages.log")" '>=' 20
  age=$(sort -g "$RUN/ages.log" | tail -n 1)
  figure "${name// /_}_oldest_status" "$(printf '%.2f' "$age")" s
  assert_number "seconds since the relay's last status, on a line with $name" "$age" '<=' "$status_seconds"
  for ((; number > 0; number--)); do
    assert_number "pieces that rule $number of a line with $name was applied to" "$(proxy_applied line "bad$number")" '>' 0
  done
  assert_eq "walsender after a line with $name" "$pid" "$(pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'")"
  proxy_say line clear
  relay_stop
}

on_a_line 'nothing wrong' 600 ''
on_a_line '50 ms' 600 '' 'delay=50+-20'
on_a_line '200 ms' 600 '' 'delay=200+-80'
on_a_line '64 kbit per s' 30 '--payload 60-200 --events 1-2' 'direction=response bandwidth=8000' 'direction=request bandwidth=8000'
on_a_line 'single bytes' 100 '' 'slice=1'
relay_start
settle
verdict
assert_eq 'repeated events' 0 "$(jq .duplicates "$RUN/verdict.json")"
figure duplicates "$(jq .duplicates "$RUN/verdict.json")" events
relay_stop
