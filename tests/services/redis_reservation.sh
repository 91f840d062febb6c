#!/usr/bin/env bash
# Of all who want an event one gets it, and only whoever holds it can give it back; what Redis does not answer is tried again, and nobody takes a
# reservation whose answer was lost for somebody else's.
# tags: asan
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"

export ASAN_OPTIONS="log_path=$RUN/sanitizer" UBSAN_OPTIONS="print_stacktrace=1:log_path=$RUN/sanitizer"
program=$BUILD/tests/services/reservation_check

redis() {
  redis-cli -h 127.0.0.1 -p "$REDIS_PORT" "$@"
}

# The server is taken away and brought back under the check, on its word.
check_attended() {
  local word check=$1
  coproc "$program" "$REDIS_PORT" "$check" 2>"$RUN/$check.err"
  local pid=$COPROC_PID
  while read -r word <&"${COPROC[0]}"; do
    case $word in
      stop) process_stop redis ;;
      start) redis_start redis ;;
      *)
        echo "$word"
        continue
        ;;
    esac
    echo "done" >&"${COPROC[1]}"
  done
  wait "$pid" || fail "$check: $(cat "$RUN/$check.err")"
}

redis_start redis
count=0
for check in $("$program" --list); do
  echo "--- $check"
  case $check in
    away) check_attended "$check" ;;
    passwords) # a server of its own, since a password is not taken back
      REDIS_SHARED=$REDIS_PORT
      redis_start locked --requirepass 'secret-of-redis'
      redis -a 'secret-of-redis' --no-auth-warning ACL SETUSER consumer on '>secret-of-consumer' '~*' '+@all' >"$RUN/acl.out"
      "$program" "$REDIS_PORT" "$check" 2>"$RUN/$check.err" || fail "$check: exit code $?: $(cat "$RUN/$check.err")"
      assert_eq 'the key in database 3' 1 "$(redis -a 'secret-of-redis' --no-auth-warning -n 3 EXISTS 'checker:in-three')"
      REDIS_PORT=$REDIS_SHARED
      ;;
    *) "$program" "$REDIS_PORT" "$check" 2>"$RUN/$check.err" || fail "$check: exit code $?: $(cat "$RUN/$check.err")" ;;
  esac
  assert_eq "what $check printed on stderr" '' "$(cat "$RUN/$check.err")"
  redis FLUSHALL >/dev/null
  count=$((count + 1))
done
assert_number 'checks' $count '>=' 10
