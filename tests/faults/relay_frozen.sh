#!/usr/bin/env bash
# The relay is stopped by SIGSTOP and goes on later: for less than the server's patience, for more (the walsender gives up, the slot is free), and once while a second
# relay takes over; in a campaign also in the midst of a backlog, for longer than tcp_user_timeout, while its receive buffer keeps a fixed size (near_peer.h). When it
# wakes it believes for a moment that it still streams; nothing may be lost, invented or reordered by that.
# row: R-04 SIGSTOP for a moment, for longer than wal_sender_timeout, in the midst of a backlog, and while another relay takes over
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

active_pid() {
  pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'"
}
# receive_buffer: bytes of the largest that a connection of the relay has: bounded_bytes, twice NEAR_PEER_WINDOW_BYTES, where it is bounded. Empty without `ss` (iproute2).
bounded_bytes=393216
receive_buffer() {
  ! command -v ss >/dev/null || ss -tmnOH state established "dst 127.0.0.1:$PG_PORT" |
    awk 'match($0, /,rb[0-9]+/) && substr($0, RSTART + 3, RLENGTH - 3) + 0 > most { most = substr($0, RSTART + 3, RLENGTH - 3) + 0 } END { print most }'
}
# backlog_is AWK-CONDITION-ON-v: v is the share of the backlog that has been confirmed.
backlog_is() {
  local share
  share=$(pg_in postgres "SELECT (confirmed_flush_lsn - '$backlog_from'::pg_lsn) / ('$backlog_to'::pg_lsn - '$backlog_from'::pg_lsn) FROM pg_replication_slots
    WHERE slot_name = '$SLOT'")
  awk -v v="$share" "BEGIN { exit !($1) }"
}

# can_tell_bounded: there is `ss`, and a kernel that can take a bound away again (near_peer.h), without which the relay sets none.
can_tell_bounded() {
  command -v ss >/dev/null && [ "$(printf '%s\n' 5.14 "$(uname -r)" | sort -V | head -n 1)" = 5.14 ]
}

# freeze_while_bounded: SIGSTOP in one of the long pauses, as far as can be told: now and then the relay waits for Kafka, and its buffer is the kernel's for so long.
freeze_while_bounded() {
  freeze "$1"
  if ! can_tell_bounded; then
    figure 'frozen with a bounded receive buffer' 'skipped: it takes ss (iproute2) and Linux 5.14'
    return 0
  fi
  until [ "$(receive_buffer)" = $bounded_bytes ]; do
    backlog_is 'v < 0.8' || fail 'in a backlog the relay was never seen with a bounded receive buffer'
    kill -CONT "${RELAY_PID[first]}"
    sleep 0.03
    kill -STOP "${RELAY_PID[first]}"
  done
  figure 'frozen with a bounded receive buffer' yes
}

# A backlog of small events, read in long pauses, and nothing read for 15 s in the midst of it. The server must not be who gives up: so it is TCP's word, whose limit is 10 s.
if [ -z "${FAULTS_SHORT:-}" ]; then
  pg "ALTER ROLE relay SET wal_sender_timeout = '60s'"
  load_stop
  relay_stop first
  backlog_from=$(wal_end)
  load_start --rate 0 --seconds 30 --connections 8 --keys 2000 --key-prefix backlog --events 1-2 --payload 60-80
  load_ends
  backlog_to=$(wal_end)
  relay_start first
  await 'the begin of the backlog' 20 backlog_is 'v > 0.1'
  freeze_while_bounded 'frozen in the midst of a backlog'
  backlog_is 'v < 0.9' || fail 'the relay was frozen behind its backlog, not in the midst of it'
  pid=$(active_pid)
  sleep 15
  figure 'receive buffer while frozen' "$(receive_buffer)" bytes
  thaw 'frozen in the midst of a backlog'
  recovery_ends 'recovery after 15 s in the midst of a backlog'
  figure 'connections lost by 15 s in the midst of a backlog' "$([ "$(active_pid)" = "$pid" ] && echo 0 || echo 1)" connections
  pg "ALTER ROLE relay RESET wal_sender_timeout"
  relay_stop first # its walsender has the patience that it began with
  relay_start first
fi

# Until here it was alone: however often its session ended, nothing comes again of which PostgreSQL had been told.
settle
verdict --only-unconfirmed --window $WINDOW_MS
figure 'repeated while there was one relay, all of it unconfirmed' "$(jq .duplicates "$RUN/verdict.json")" records

# While it is frozen another one takes the slot; woken, it finds that it has lost it, and waits.
watch_start
load_start --rate 100 --connections 4
relay_start second standby
committed=$(grep -c '"op":"commit"' "$RUN/writer.jsonl")
await 'transactions before the takeover' 30 load_has_committed $((committed + 50))
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
