#!/usr/bin/env bash
# Nobody reads the relay's stderr, a pipe that is full: it publishes, confirms, answers and stops as ever. Lines are lost, and once somebody reads again it says how many.
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
mkfifo "$RUN/pipe"
cat >"$RUN/into_the_pipe" <<SH
#!/bin/sh
exec "\$@" 2>"$RUN/pipe"
SH
chmod +x "$RUN/into_the_pipe"
# What is read goes where the relay's log is looked for.
process_spawn reader TERM sh -c "exec cat '$RUN/pipe' >>'$RUN/relay.1.log'"
reader=$process_pid

# Whole lines, in pieces that are written whole or not at all.
nobody_reads() {
  kill -s STOP "$reader"
  await 'a reader that stands still' 10 grep -q '^State:.*stopped' "/proc/$reader/status"
  yes '{} ' | dd of="$RUN/pipe" bs=4096 oflag=nonblock iflag=fullblock conv=notrunc 2>"$RUN/dd.err" && fail 'the pipe takes everything'
  assert_match 'why no more is written' 'temporarily unavailable' "$(cat "$RUN/dd.err")"
}

relay_init
RELAY_UNDER=$RUN/into_the_pipe relay_start

nobody_reads
kill -s HUP "${RELAY_PID[relay]}"
insert k '1'
await_records "$topic" 1 >/dev/null
await 'its confirmation' 20 slot_has_confirmed "$(wal_end)"
assert_eq 'liveness' 200 "$(relay_get_status /livez)"
assert_eq 'lines that are told to be lost while nobody reads' '' "$(relay_log relay 'select(.event == "log_lines_lost") | .lines')"

kill -s CONT "$reader"
told() {
  kill -s HUP "${RELAY_PID[relay]}"
  relay_has_logged relay log_lines_lost '.lines >= 1'
}
await 'the number of lines that were lost' 20 told

nobody_reads
insert k '2'
await_records "$topic" 2 >/dev/null
relay_stop
kill -s CONT "$reader"
