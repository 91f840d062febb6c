#!/usr/bin/env bash
# A relay dies with its machine: nothing tells the server, whose walsender keeps the slot. Its successor elsewhere finds the slot taken, stands by without a producer, and
# takes over when the server has given the dead peer up, which wal_sender_timeout decides. The line between the first relay and the server is frozen before that relay is
# killed, so that no FIN reaches the server, and stays frozen.
# row: P-05 slot held by a dead peer
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
POSTGRES=own
OWN_POSTGRES=("wal_sender_timeout = '5s'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

watch_start
relay_init
proxy_start line plain "127.0.0.1:$PG_PORT"
relay_set POSTGRES_URL "postgresql://relay@${PROXY[line]}/$DB"
relay_start first
relay_set POSTGRES_URL "postgresql://relay@127.0.0.1:$PG_PORT/$DB"
load_start --rate 100 --connections 4 --keys 40
await 'the first transactions' 30 load_has_committed 50

dead=$(pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'")
fault_begins 'peer dead'
proxy_say line freeze
relay_kill first
fault_ends 'peer dead'
began=$EPOCHREALTIME
recovery_begins
relay_start second standby
slot_has_passed_on() {
  [ "$(pg_in postgres "SELECT active_pid <> $dead FROM pg_replication_slots WHERE slot_name = '$SLOT'")" = t ]
}
await_state streaming second 30
taken=$(seconds_since "$began")
slot_has_passed_on || fail 'the second relay streams, and the slot is still the dead one'\''s'
figure take_over "$taken" s
# 5 s after the last word of the dead relay, and 2 s for the successor.
assert_number 'seconds of the take-over' "$taken" '<=' "$(times 15 7)"
recovery_ends recovery
settle
verdict --only-unconfirmed --window $WINDOW_MS
relay_stop second
