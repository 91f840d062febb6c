#!/usr/bin/env bash
# The line to PostgreSQL breaks while a message is half across: by a reset, and by an end of one direction alone that looks like an orderly one. Rows of up to 300 kB come
# through a narrow line, so that at nearly any moment one of them is in the middle of its way. What had come of it is thrown away with its connection: no record is
# cut short, the row comes again whole.
# row: P-09 reset in mid CopyData, half-close
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
POSTGRES=own
OWN_POSTGRES=()
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

proxy_start line plain "127.0.0.1:$PG_PORT"
relay_set POSTGRES_URL "postgresql://relay@${PROXY[line]}/$DB"
watch_start
relay_init
relay_start
load_start --rate 30 --connections 4 --keys 40 --events 1-3 --payload 60-300000
await 'the first transactions' 30 load_has_committed 20

slot_is_with_another() {
  [ "$(pg_in postgres "SELECT active_pid <> $1 FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ]
}

rounds=$(times 3 9)
back=()
for ((i = 0; i < rounds; i++)); do
  pid=$(pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'")
  proxy_say line rule narrow direction=response bandwidth=150000
  some_time 300 900
  began=$EPOCHREALTIME
  case $((i % 3)) in
    0)
      fault_begins reset
      proxy_say line cut
      fault_ends reset
      ;;
    1)
      fault_begins 'half-close towards the relay'
      proxy_say line rule broken direction=response count=1 half-close
      await 'the half-close' 30 proxy_has_applied line broken 1
      fault_ends 'half-close towards the relay'
      ;;
    2)
      fault_begins 'half-close towards the server'
      proxy_say line rule broken direction=request count=1 half-close
      await 'the half-close' 30 proxy_has_applied line broken 1
      fault_ends 'half-close towards the server'
      ;;
  esac
  proxy_say line clear
  await 'another session' 60 slot_is_with_another "$pid"
  back+=("$(seconds_since "$began")")
done
figure back_after_median "$(printf '%s\n' "${back[@]}" | sort -n | sed -n "$(((rounds + 1) / 2))p")" s
figure back_after_most "$(printf '%s\n' "${back[@]}" | sort -n | tail -n 1)" s
recovery_begins
recovery_ends recovery_after_the_last
settle
verdict --only-unconfirmed --window $WINDOW_MS
relay_stop
