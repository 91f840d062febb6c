#!/usr/bin/env bash
# The way between relay and PostgreSQL stands still: a proxy hands nothing on, first in either direction, then only what the relay says does not arrive while the server's
# words do. Connections stay open and nothing fails at once. No packet is lost: the proxy's kernel acknowledges what it has, and in the end the server's FIN is handed on as
# well (packets_lost_for_good.sh is about those that never come). The server gives the relay up after wal_sender_timeout; what it is told no longer, it does not
# take as confirmed; when the line is back the relay reconnects, and everything follows.
# row: P-06 network partition between relay and PostgreSQL
# row: P-07 one-way partition, relay to PostgreSQL dropped
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
POSTGRES=own
OWN_POSTGRES=("wal_sender_timeout = '5s'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

proxy_start line plain "127.0.0.1:$PG_PORT"
relay_set POSTGRES_URL "postgresql://relay@${PROXY[line]}/$DB"
watch_start
relay_init
relay_start
load_start --rate 100 --connections 4 --keys 40
await 'the first transactions' 30 load_has_committed 50

slot_is_free() {
  ! slot_is_active
}
# cut_off KIND FIGURE SECONDS FREEZE...: the slot becomes free because the server gives up; the line stays as it is for so long all in all.
cut_off() {
  local kind=$1 figure=$2 seconds=$3 began
  shift 3
  fault_begins "$kind"
  proxy_say line "$@"
  began=$EPOCHREALTIME
  await 'the server to give the relay up' 40 slot_is_free
  figure "${figure}_given_up_by_the_server_after" "$(seconds_since "$began")" s
  until awk -v began="$began" -v now="$EPOCHREALTIME" -v least="$seconds" 'BEGIN { exit now - began < least }'; do
    sleep 0.2
  done
  proxy_say line thaw
  fault_ends "$kind"
  recovery_begins
  await 'another session' 90 slot_is_active
  recovery_ends "${figure}_recovery"
}

cut_off 'cut off' both_ways "$(times 8 60)" freeze
some_time 500 1500
cut_off 'cut off one way' one_way "$(times 8 20)" freeze request
settle
verdict --only-unconfirmed --window $WINDOW_MS
relay_stop
