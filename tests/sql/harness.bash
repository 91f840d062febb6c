# shellcheck shell=bash disable=SC2034
# harness.bash - what the tests of sql/ begin with: a database of their own on the server that PGHOST, PGPORT and PGUSER (a superuser) name, with both scripts applied.
# It is dropped at the end, as are the roles that begin with its name.
set -euo pipefail
ROOT=${ROOT:-$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)}
: "${PGHOST:?a running server}" "${PGPORT:?}" "${PGUSER:?a superuser}"
RUN=${RUN:-$(mktemp -d)}
NAME=sql_test_$(basename "$0" .sh)
DB=$NAME # the one in use; a test may set another that begins so
PUBLICATION=${DB}_outbox
EVENT="aggregatetype, aggregateid, type, payload"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# assert_eq WHAT EXPECTED ACTUAL
assert_eq() {
  [ "$2" = "$3" ] || fail "$1"$'\n'"  expected: $2"$'\n'"  actual:   $3"
}

# assert_match WHAT EXTENDED-REGEX ACTUAL
assert_match() {
  [[ $3 =~ $2 ]] || fail "$1"$'\n'"  expected: $2 (a regular expression)"$'\n'"  actual:   $3"
}

# as ROLE SQL...: logged in as that role; each argument is one transaction. An error is printed with its SQLSTATE.
as() {
  local role=$1 sql arguments=()
  shift
  for sql in "$@"; do
    arguments+=(-c "$sql")
  done
  psql -X -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -U "$role" -d "$DB" "${arguments[@]}"
}

# pg SQL...: as the superuser
pg() {
  as "$PGUSER" "$@"
}

pg_in() {
  local DB=$1
  shift
  pg "$@"
}

# apply FILE [ROLE]: as a migration tool would, in one transaction
apply() {
  psql -X -q -1 -v ON_ERROR_STOP=1 -U "${2:-$PGUSER}" -d "$DB" -f "$ROOT/sql/$1"
}

# can WHAT ROLE SQL
can() {
  as "$2" "$3" >"$RUN/can.out" 2>&1 || fail "$1: $(cat "$RUN/can.out")"
}

# cannot WHAT ROLE SQL [SQLSTATE]
cannot() {
  if as "$2" "$3" >"$RUN/cannot.out" 2>&1; then
    fail "$1: went through"
  fi
  assert_match "$1" "ERROR:  (${4:-42501}):" "$(cat "$RUN/cannot.out")"
}

roles_drop() {
  local role
  for role in $(psql -X -q -A -t -d postgres -c "SELECT rolname FROM pg_roles WHERE rolname LIKE '${NAME//_/\\_}\\_%'"); do
    psql -X -q -d postgres -c "DROP ROLE \"$role\""
  done
}

database_drop() {
  local database
  for database in "$NAME" "$NAME"_copy "$NAME"'_Shop-é\1'; do
    psql -X -q -d postgres -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '$database'" -c "DROP DATABASE IF EXISTS \"$database\" WITH (FORCE)"
  done >/dev/null 2>&1
  roles_drop
}

database_drop
trap 'database_drop || true' EXIT
psql -X -q -d postgres -c "CREATE DATABASE \"$DB\""
{
  apply outbox.sql
  apply roles.sql
} >"$RUN/apply.log" 2>&1 || fail "sql/ could not be applied: $(cat "$RUN/apply.log")"
