#!/usr/bin/env bash
# Packets between relay and PostgreSQL are lost, first in both directions, then only the relay's, then only the server's, and those of the connections that were open then are
# lost for good: neither a FIN nor a RST ever tells the relay. This is what a machine that vanished looks like, and the worst case: silence is no sign of a dead server, so
# only the kernel can notice, by what nobody acknowledges (tcp_user_timeout, which the relay asks for). Meanwhile the server still believes in the old session, so the relay
# stands by at a slot that its own dead connection holds, until wal_sender_timeout. That is longer here than the relay takes to notice.
#
# All of it, servers, load and relay, lives in a network namespace without a name, where nftables drops what comes in on the loopback device. It goes with its last process,
# and the rules with it. Root may make one, and others in a user namespace, where that is allowed.
# row: P-05 slot held by a dead peer
# row: P-06 network partition between relay and PostgreSQL
# row: P-07 one-way partition, relay to PostgreSQL dropped
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
if [ -z "${OWN_NETWORK:-}" ]; then
  PATH=$PATH:/usr/sbin
  own_network=(unshare --net)
  [ "$(id -u)" = 0 ] || own_network+=(--map-current-user --keep-caps)
  "${own_network[@]}" nft list ruleset >/dev/null 2>&1 || {
    echo 'needs a network namespace with nftables, which is not installed, or not allowed to this user or in this container'
    exit 77
  }
  OWN_NETWORK=yes exec "${own_network[@]}" bash "$0"
fi
ip link set lo up
# A socket that was closed, and whose FIN is lost, would keep the network for two minutes after its last process. Where this cannot be written it does.
{ echo 1 >/proc/sys/net/ipv4/tcp_orphan_retries; } 2>/dev/null || true
POSTGRES=own
OWN_POSTGRES=("wal_sender_timeout = '30s'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

# Only the relay comes to PostgreSQL by TCP. A set holds its ports of connections whose packets from that side are lost for good; `cut` is for all connections, for a while.
nft -f - <<RULES
table inet loss {
  set from_relay { type inet_service; }
  set from_server { type inet_service; }
  chain cut { }
  chain input {
    type filter hook input priority filter;
    tcp sport @from_relay tcp dport $PG_PORT counter drop
    tcp dport @from_server tcp sport $PG_PORT counter drop
    jump cut
  }
}
RULES
declare -A PORT_OF_SERVER=([from_relay]=dport [from_server]=sport)

own_kafka
watch_start
relay_init
relay_start
load_start --rate 100 --connections 4 --keys 40
await 'the first transactions' 30 load_has_committed 50

# lose SIDE...: from now on, of the connections that are open for good.
lose() {
  local ports side
  ports=$(ss -H -t -n state established "dport = :$PG_PORT" | awk '{ sub(/.*:/, "", $3); print $3 }' | paste -sd ,)
  for side in "$@"; do
    echo "add element inet loss $side { $ports }"
    echo "add rule inet loss cut tcp ${PORT_OF_SERVER[$side]} $PG_PORT drop"
  done | nft -f -
}
lost_packets() {
  nft list chain inet loss input | sed -n "s/.*@$1 .*counter packets \([0-9]*\) .*/\1/p"
}
failures() {
  relay_log relay 'select(.event == "session_failed") | .error'
}
has_noticed() {
  [ "$(failures | wc -l)" -gt "$1" ]
}
# cut_off KIND FIGURE SECONDS SIDE...: for so long, or until the relay has noticed, whichever is later; then the network lets new connections through.
cut_off() {
  local kind=$1 figure=$2 seconds=$3 began failed side confirmed
  local -A before
  shift 3
  for side in "$@"; do
    before[$side]=$(lost_packets "$side")
  done
  failed=$(failures | wc -l)
  fault_begins "$kind"
  lose "$@"
  began=$EPOCHREALTIME
  await 'the relay to notice that the server is gone' 25 has_noticed "$failed"
  figure "${figure}_noticed_after" "$(seconds_since "$began")" s
  assert_match "how it has noticed ($kind)" 'Connection timed out' "$(failures | tail -n 1)"
  for side in "$@"; do
    assert_number "packets lost $side ($kind)" "$(lost_packets "$side")" '>' "${before[$side]}"
  done
  confirmed=$(slot_confirmed)
  until awk -v began="$began" -v now="$EPOCHREALTIME" -v least="$seconds" 'BEGIN { exit now - began < least }'; do
    assert_eq "the confirmed position while cut off ($kind)" "$confirmed" "$(slot_confirmed)"
    sleep 0.2
  done
  nft flush chain inet loss cut
  fault_ends "$kind"
  recovery_begins
}

cut_off 'packets lost' both_ways "$(times 15 60)" from_relay from_server
await_state streaming relay 60
recovery_ends both_ways_recovery 120
for side in from_relay from_server; do
  cut_off "packets lost $side" "$side" 0 "$side"
  slot_is_active || fail 'the server has noticed first'
  await_state standby relay 25
  await_state streaming relay 60
  recovery_ends "${side}_recovery" 120
done
settle
verdict --only-unconfirmed --window $WINDOW_MS
relay_stop
