#!/usr/bin/env bash
# The disk of the write-ahead log runs full under load: the server panics, and cannot even recover, since that would write to the log as well. Somebody makes room and starts
# it again; the relay has waited meanwhile, and what was committed, also what was committed without anybody hearing of it, is in Kafka.
# The disk is a tmpfs of 64 MB in a mount namespace of the server's own, which a sleeping process keeps open between two starts.
# row: P-29 pg_wal on a full disk
# expects: O1 O2 O3 O4 O7 O8 O10
# tags:
POSTGRES=own
OWN_POSTGRES=("max_wal_size = '1GB'" "checkpoint_timeout = '1h'" "wal_recycle = off")
log_on_a_small_disk() {
  if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
    echo 'needs a mount namespace, which only root may make'
    exit 77
  fi
  process_spawn disk TERM unshare -m sleep infinity
  DISK=$process_pid
  wait_until 10 in_the_namespace
  on_disk mkdir "$PG_DATA.log"
  on_disk mount -t tmpfs -o size=64m,mode=0700 tmpfs "$PG_DATA.log"
  on_disk cp -a "$PG_DATA/pg_wal/." "$PG_DATA.log/"
  on_disk chown postgres: "$PG_DATA.log"
  on_disk mount --move "$PG_DATA.log" "$PG_DATA/pg_wal"
  POSTGRES_PREFIX=(nsenter -t "$DISK" -m) # for each start of the server from here on
}
# The keeper has its namespace a moment after it was started.
in_the_namespace() {
  [ "$(readlink "/proc/$DISK/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
}
on_disk() {
  nsenter -t "$DISK" -m "$@"
}
OWN_POSTGRES_PREPARES=log_on_a_small_disk
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

watch_start
relay_init
relay_start
load_start --rate 150 --connections 6 --keys 60
await 'the first transactions' 30 load_has_committed 50

fault_begins 'disk full'
began=$EPOCHREALTIME
pg "SELECT count(pg_logical_emit_message(false, 'fill', repeat('x', 1000000))) FROM generate_series(1, 80)" >fill.log 2>&1 || true
no_space() {
  grep -q 'PANIC:.*No space left on device' "$RUN/own.log"
}
await 'the panic of the server' 60 no_space
is_down() {
  ! process_pid_of own
}
await 'the end of the server, which cannot recover' 60 is_down
figure server_down_after "$(seconds_since "$began")" s
assert_eq 'liveness of the relay meanwhile' 200 "$(relay_get_status /livez)"
assert_eq 'readiness of the relay meanwhile' 503 "$(relay_get_status /readyz)"
on_disk df -k "$PG_DATA/pg_wal" | tail -n 1
on_disk mount -o remount,size=1g "$PG_DATA/pg_wal"
process_stop own
postgres_run own
fault_ends 'disk full'
recovery_begins
recovery_ends recovery
settle
# A server that panicked has forgotten what it was told since its last checkpoint.
verdict --only-unconfirmed --forgets 'disk full'
figure unknown_commits "$(grep -c '"op":"unknown"' writer.jsonl || true)" transactions
relay_stop
process_stop own
