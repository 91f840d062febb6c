#!/usr/bin/env bash
# The relay dies, as if killed, at each place where a step was taken and the next was not: at three passages of each of its crash points in cdc-relay/lib/fault_point.h,
# which are in the programs of build/faults alone; at those that a life passes once, in its end, in three lives. A healthy relay follows each and brings everything to its end,
# so that the table says how many records each point repeats. Rows that are to be refused are dead letters then, and no other row is one, wherever the relay died.
#
#   group      what makes the relay pass there
#   load       a backlog, and transactions while it streams
#   starts     walsenders that are ended, so that it starts its stream again
#   full       a backlog and a producer that takes ten records
#   poison     rows larger than their topic takes, between others: a batch is refused, sent one by one, the guilty ones become dead letters
#   held       the same with policy `stop`, and SIGHUP, which lets a held relay look
#   stop       SIGTERM
# row: R-02 killed at named points
# expects: O1 O2 O3 O4 O7 O8 O10
# tags: slow
# build: faults
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

dead=dead.$T
small=outbox.event.$T-small
topic_create "$dead" 1 message.timestamp.type=LogAppendTime
topic_create "$small" 1 message.timestamp.type=LogAppendTime max.message.bytes=20000
relay_set DELIVERY_DEAD_LETTER_TOPIC "$dead"
relay_set DELIVERY_POISON dead-letter
watch_start "$small" "$dead"
relay_init

# write TRANSACTIONS [OPTION...]: and waits for their end
write() {
  load_start --rate 0 --transactions "$@"
  load_ends 60
}
# With keys of their own, whose dead letters are in an order, too.
poisonings=0
write_poison() {
  poisonings=$((poisonings + 1))
  write 6 --topics "$T-small" --key-prefix small --payload 60-600
  write 2 --topics "$T-small" --key-prefix large --payload 60000-80000 --events 1-2 --rollbacks 0 --savepoints 0 --poison
  write 6 --topics "$T-small" --key-prefix small --payload 60-600
}
is_over() {
  ! kill -0 "${RELAY_PID[relay]}" 2>/dev/null
}
is_streaming_or_over() {
  is_over || [ "$(relay_state)" = streaming ]
}

before_load() { write 30; }
during_load() { write 50; }
before_starts() { write 20; }
during_starts() {
  until is_over; do
    pg_in postgres "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '$SLOT' AND active" >/dev/null
    wait_until 5 is_streaming_or_over || true
    [ $SECONDS -le "$crash_deadline" ] || return 0
    sleep 0.2
  done
}
before_full() { write 60; }
during_full() { :; }
before_poison() { write_poison; }
during_poison() {
  until is_over || [ $SECONDS -gt "$crash_deadline" ]; do
    write_poison
  done
}
before_held() { write_poison; }
during_held() {
  until is_over || [ $SECONDS -gt "$crash_deadline" ]; do
    [ "$(relay_state)" != held ] || kill -HUP "${RELAY_PID[relay]}" 2>/dev/null || true
    sleep 0.2
  done
}
before_stop() { write 20; }
during_stop() {
  wait_until 20 is_streaming_or_over
  write 20
  kill -TERM "${RELAY_PID[relay]}"
}

# Each committed row is one record, or one dead letter; what is more is repeated.
repeated() {
  local before
  before=$(watch_count)
  kill -USR1 "${WATCH_PIDS[0]}"
  await 'the reader at the end of the topics' 60 watch_has_caught_up "${before:-0}"
  echo $(($(grep -c '"op":"read"' "$RUN/reader.jsonl" || true) - $(pg 'SELECT count(*) FROM outbox')))
}

crashes=0
repeated=0
# crash_at POINT GROUP PASSAGE...
crash_at() {
  local point=$1 group=$2 passage lsn now found=()
  shift 2
  [ -z "${FAULTS_SHORT:-}" ] || set -- "$1"
  for passage in "$@"; do
    case $group in
      full) relay_set KAFKA_QUEUE_BUFFERING_MAX_MESSAGES 10 ;;
      held) relay_set DELIVERY_POISON stop ;;
    esac
    "before_$group"
    fault_begins "crash at $point"
    crash_deadline=$((SECONDS + 60))
    CDC_CRASH_POINT=$point:$passage relay_launch
    "during_$group"
    wait_until 60 is_over 2>/dev/null || fail "passage $passage of $point was not reached; state: $(relay_state)"
    relay_ends relay
    assert_eq "exit code at passage $passage of $point" 137 "${RELAY_EXIT[relay]}"
    fault_ends "crash at $point"
    relay_set KAFKA_QUEUE_BUFFERING_MAX_MESSAGES 20000
    relay_set DELIVERY_POISON dead-letter
    relay_launch
    # Where nothing was left to be confirmed, this is what says that the healthy relay got anywhere.
    write 1 --rollbacks 0 --savepoints 0
    lsn=$(wal_end)
    await "confirmation of all behind passage $passage of $point" 60 slot_has_confirmed "$lsn"
    now=$(repeated)
    found+=($((now - repeated)))
    repeated=$now
    crashes=$((crashes + 1))
    relay_stop
  done
  figure "repeated after a crash at $point (passages $*)" "${found[*]}"
}

crash_at BEFORE_START starts 1 2 3
crash_at AFTER_START starts 1 2 3
crash_at AT_KEEPALIVE load 1 2 4
crash_at BEFORE_PUBLISH load 1 2 $((3 + $(random 60)))
crash_at AFTER_PUBLISH load 1 2 $((3 + $(random 60)))
crash_at BEFORE_SETTLE load 1 2 $((3 + $(random 60)))
crash_at AFTER_SETTLE load 1 2 $((3 + $(random 60)))
crash_at BEFORE_SEAL load 1 2 $((3 + $(random 20)))
crash_at AFTER_SEAL load 1 2 $((3 + $(random 20)))
crash_at BEFORE_STATUS load 1 2 3
crash_at AFTER_STATUS load 1 2 3
crash_at QUEUE_FULL full 1 2 5
crash_at AT_REFUSAL poison 1 2 3
crash_at SENT_ALONE poison 1 2 3
crash_at BEFORE_DEAD_LETTER poison 1 2 3
crash_at AFTER_DEAD_LETTER poison 1 2 3
crash_at BEFORE_LOOK held 1 2 3
crash_at AFTER_PROBE held 1 2 3
crash_at BEFORE_FINISH stop 1 1 1
crash_at AFTER_FINISH stop 1 1 1
# Every point of the table has its line above.
sed -n '/^#define FAULT_CRASH_POINTS/,/^$/s/^ *X(\([A-Z_]*\),.*/\1/p' "$ROOT/cdc-relay/lib/fault_point.h" | sort >"$RUN/points"
sed -n 's/^repeated after a crash at \([A-Z_]*\) .*/\1/p' "$RUN/figures.tsv" | sort >"$RUN/points.tried"
[ -s "$RUN/points" ] || fail 'no crash point was found in fault_point.h'
assert_same_file 'crash points of the table, and those that are tried here' "$RUN/points" "$RUN/points.tried"
figure 'crashes' "$crashes"
relay_start
settle
relay_stop
# No window: most lives up to a crash point are shorter than one.
verdict --only-unconfirmed --dead-letters "$dead"
assert_number 'rows to be refused' "$(jq .poison "$RUN/verdict.json")" '>=' $((2 * poisonings))
