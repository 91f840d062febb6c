#!/usr/bin/env bash
# A unit of work is one transaction in as few round trips as it has questions; conflicts that pass are done again, refusals are told apart, nothing is done
# twice, and where nobody can know whether COMMIT happened, that is said.
# tags: asan
POSTGRES=own
# A session that asks for it waits at COMMIT, with its transaction committed, for a standby that is not there.
# shellcheck disable=SC2034
OWN_POSTGRES=('deadlock_timeout = 100ms' 'ssl = on' 'synchronous_commit = local' "synchronous_standby_names = 'nobody'")
# The server reads its certificate at its start.
certificate() {
  tls_make "$RUN/tls"
  cp "$RUN/tls/server.crt" "$RUN/tls/server.key" "$PG_DATA/"
  [ "$(id -u)" != 0 ] || chown postgres: "$PG_DATA/server.crt" "$PG_DATA/server.key"
  chmod 600 "$PG_DATA/server.key"
}
# shellcheck disable=SC2034
OWN_POSTGRES_PREPARES=certificate
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

export ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer"
program=$BUILD/tests/services/work_check

# The server is taken away under these two, on their word.
attended() {
  local word check=$1
  coproc "$program" "$PG_PORT" "$DB" "$check" 2>"$RUN/$check.err"
  local pid=$COPROC_PID
  while read -r word <&"${COPROC[0]}"; do
    case $word in
      restart)
        process_stop own
        postgres_run own
        ;;
      crash)
        process_stop own QUIT
        postgres_run own
        ;;
      stop) process_stop own ;;
      start) postgres_run own ;;
      *)
        echo "$word"
        continue
        ;;
    esac
    echo "$word" >&"${COPROC[1]}"
  done
  wait "$pid" || fail "$check: $(cat "$RUN/$check.err")"
}

count=0
for check in $("$program" --list); do
  echo "--- $check"
  case $check in
    restart | away) attended "$check" ;;
    *) "$program" "$PG_PORT" "$DB" "$check" 2>"$RUN/$check.err" || fail "$check: exit code $?: $(cat "$RUN/$check.err")" ;;
  esac
  assert_eq "what $check printed on stderr" '' "$(cat "$RUN/$check.err")"
  count=$((count + 1))
done
assert_number 'checks' $count '>=' 20
