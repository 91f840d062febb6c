#!/usr/bin/env bash
# The relay is stopped by SIGSTOP and goes on later: for less than the server's patience, for more (the walsender gives up, the slot is free), and once while a second
# relay takes over. When it wakes it believes for a moment that it still streams; nothing may be lost, invented or reordered by that.
# row: R-04 SIGSTOP for a moment, for longer than wal_sender_timeout, and while another relay takes over
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: slow
POSTGRES=own
OWN_POSTGRES=("wal_sender_timeout = '2s'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

rounds=$(times 1 4)
watch_start
relay_init
relay_start first
load_start --rate 100 --connections 4
await 'the first transactions' 30 load_has_committed 50

slot_is_free() {
  ! slot_is_active
}
# freeze KIND: SIGSTOP now, with the mark
freeze() {
  fault_begins "$1"
  kill -STOP "${RELAY_PID[first]}"
}
thaw() {
  kill -CONT "${RELAY_PID[first]}"
  fault_ends "$1"
  recovery_begins
}

for ((i = 1; i <= rounds; i++)); do
  freeze 'frozen for less than wal_sender_timeout'
  some_time 200 1200
  thaw 'frozen for less than wal_sender_timeout'
  recovery_ends "recovery after a short freeze, round $i"

  freeze 'frozen for more than wal_sender_timeout'
  await 'the server gives up' 30 slot_is_free
  some_time 500 2500
  thaw 'frozen for more than wal_sender_timeout'
  recovery_ends "recovery after a long freeze, round $i"
done
assert_number 'times the server gave up' "$(grep -c 'terminating walsender process due to replication timeout' "$RUN/own.log")" '>=' "$rounds"

# While it is frozen another one takes the slot; woken, it finds that it has lost it, and waits.
relay_start second standby
freeze 'frozen while another takes over'
await_state streaming second 60
some_time 500 1500
thaw 'frozen while another takes over'
await_state standby first 60
recovery_ends 'recovery after a takeover'
assert_eq 'state of the second' streaming "$(relay_state second)"
settle
relay_stop first
relay_stop second
# What the frozen one had handed to its producer before it lost the slot may be written after it wakes: beside what its successor writes, and before anything new.
verdict --may-interleave
