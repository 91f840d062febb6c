# shellcheck shell=bash
# lint.sh - `./dev lint`: what can be found without running the program. Warnings of the compiler are errors in every build already.

LINT_FAILED=0
LINT_FOLDERS=("$ROOT/cdc-relay" "$ROOT/producers" "$ROOT/consumers" "$ROOT/tests")

# lint_step NAME COMMAND...
lint_step() {
  local name=$1 log=$ROOT/build/lint.log
  shift
  if "$@" >"$log" 2>&1; then
    printf 'ok    %s\n' "$name"
  else
    printf 'FAIL  %s\n' "$name"
    head -n 60 "$log" | sed 's/^/    /'
    LINT_FAILED=1
  fi
}

lint_sources() {
  find "${LINT_FOLDERS[@]}" \( -name '*.c' -o -name '*.h' \) -print0
}

lint_format() {
  lint_sources | xargs -0 clang-format --dry-run --Werror
}

lint_tidy() {
  # Headers are seen by way of the sources that include them.
  find "${LINT_FOLDERS[@]}" -name '*.c' -print0 | xargs -0 -n 4 -P 2 clang-tidy --quiet -p "$ROOT/build/dev"
}

# Debian 12's cppcheck does not know __VA_OPT__ nor tables of macros with variable arguments: files with them are left to clang-tidy.
lint_cppcheck() {
  cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --library=posix --std=c11 -j 2 \
    --suppress=missingIncludeSystem --suppress=checkersReport \
    --suppress=syntaxError --suppress=preprocessorErrorDirective -I "$ROOT/cdc-relay/lib" -I "$ROOT/cdc-relay/src" "$ROOT/cdc-relay" "$ROOT/producers" "$ROOT/consumers"
}

lint_shell() {
  (cd "$ROOT" && find dev .ci/run tests -type f \( -name '*.sh' -o -name dev -o -name run \) -not -path '*/build/*' -print0 | xargs -0 shellcheck -x)
}

# No file of more than 500 lines, no folder or file with a name that says nothing, no note to ourselves.
lint_house_rules() {
  local found=0
  while IFS= read -r -d '' file; do
    if [ "$(wc -l <"$file")" -gt 500 ]; then
      echo "$file has more than 500 lines"
      found=1
    fi
  done < <(lint_sources)
  if find "${LINT_FOLDERS[@]}" "$ROOT/sql" | grep -E '/(utils?|common|helpers?|misc|base|core|manager)(\.[a-z]+)?$'; then
    echo 'names that say nothing'
    found=1
  fi
  if grep -rnE '(TO''DO|FIX''ME|XX''X:|HA''CK)' "${LINT_FOLDERS[@]}" "$ROOT/sql" "$ROOT/dev"; then
    echo 'notes to ourselves'
    found=1
  fi
  return $found
}

# docs/operations.md names every event that the relay logs. Those whose name is chosen in the call are not seen.
lint_log_events() {
  local event found=0
  while read -r event; do
    grep -qE "^\|[^|]*\`$event\`" "$ROOT/docs/operations.md" || {
      echo "docs/operations.md has no row for the log event $event"
      found=1
    }
  done < <(find "$ROOT/cdc-relay/src" -name '*.c' -exec cat {} + | tr -s '\n ' ' ' | grep -oE 'log_event\( ?[^"]*, "[a-z_]+"' | sed -E 's/.*"([a-z_]+)"$/\1/' | sort -u)
  return $found
}

# Every script is applied twice, in the order in which a user applies them, by a real server.
lint_sql() {
  local file
  pg_lint() {
    psql -X -q -v ON_ERROR_STOP=1 -h "$PG_SOCKET" -p "$PG_PORT" -U postgres -d "$1" "${@:2}"
  }
  pg_lint postgres -c 'CREATE DATABASE lint'
  for file in "$ROOT/sql/outbox.sql" "$ROOT/sql/roles.sql" "$ROOT/sql/outbox.sql" "$ROOT/sql/roles.sql" "$ROOT"/sql/*.sql; do
    pg_lint lint -f "$file" || return 1
  done
}

lint_ends() {
  local code=$?
  trap - EXIT
  processes_stop_all
  rm -rf "$RUN"
  exit $code
}

dev_lint() {
  dev_setup quiet
  # shellcheck disable=SC2046
  setup_install $(lint_packages)
  run_new lint
  trap lint_ends EXIT
  build_variant dev
  lint_step 'format (clang-format)' lint_format
  lint_step 'house rules' lint_house_rules
  lint_step 'log events (docs/operations.md)' lint_log_events
  lint_step 'shell (shellcheck)' lint_shell
  postgres_start postgres
  lint_step 'sql (a real server)' lint_sql
  lint_step 'C (cppcheck)' lint_cppcheck
  lint_step 'C (clang-tidy)' lint_tidy
  [ $LINT_FAILED = 0 ]
}
