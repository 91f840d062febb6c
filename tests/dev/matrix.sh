# shellcheck shell=bash
# matrix.sh - `./dev matrix`: the tests on several releases of Debian, that is with several versions of PostgreSQL, wal2json, librdkafka and compilers, each in a
# root of its own (roots.sh). Prints a table, which is what docs/support.md holds, and leaves it in build/reports/matrix.md.
#
#   release             gcc                                              clang
#   bookworm trixie     everything `./dev test` has, sanitizers too,     unit tests, and the scenarios of tests/e2e/
#   forky               and tests/matrix/
#
# Builds and logs are in build/matrix/RELEASE-COMPILER, which is the build folder that the root sees.

MATRIX_RELEASES=(bookworm trixie forky)

matrix_usage() {
  cat <<'USAGE'
./dev matrix [--fresh] [--units] [RELEASE...]

Builds and tests in roots of Debian releases (as root; about 2 GB and forty minutes each). RELEASE: bookworm, trixie, forky, or 12, 13, testing; without any, all.

  --fresh    makes the roots anew, with what the archive has today
  --units    unit tests only
USAGE
}

# matrix_release WORD: prints the code name.
matrix_release() {
  case $1 in
    bookworm | 12) echo bookworm ;;
    trixie | 13) echo trixie ;;
    forky | 14 | testing) echo forky ;;
    *) usage_error "matrix knows the releases ${MATRIX_RELEASES[*]}, and not $1" ;;
  esac
}

# matrix_in RELEASE COMPILER COMMAND...: in the root, with that pair's build folder.
matrix_in() {
  local release=$1 compiler=$2
  shift 2
  ROOT_BUILD=$ROOT/build/matrix/$release-$compiler root_run "$release" env CC="$compiler" "$@"
}

# What the table says of a root, as one line of words that have no blanks: PostgreSQL, wal2json, librdkafka, gcc, clang.
# shellcheck disable=SC2016
MATRIX_VERSIONS='
package() {
  dpkg-query -W -f "\${Version}\n" "$1" | head -n 1 | sed -E "s/^[0-9]+://; s/[-+~].*//"
}
server=$(ls /usr/lib/postgresql | sort -V | tail -n 1)
echo "$(package "postgresql-$server") $(package "postgresql-$server-wal2json") $(package librdkafka1) $(gcc -dumpfullversion) $(clang -dumpversion)"
'

# matrix_prepare RELEASE: the root, and all packages in it.
matrix_prepare() {
  root_make "$1" || return 1
  matrix_in "$1" gcc ./dev setup || return 1
  # shellcheck disable=SC2016
  matrix_in "$1" gcc bash -c 'dpkg -s clang libclang-rt-dev >/dev/null 2>&1 || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y clang libclang-rt-dev; } >build/clang.log 2>&1' || {
    tail -n 5 "$ROOT/build/matrix/$1-gcc/clang.log"
    return 1
  }
}

# matrix_sum RELEASE-COMPILER EXTENDED-REGEX [BUT]: `passed / failed` of the tests whose names match, and do not match BUT, with the number of skipped ones where there are any.
matrix_sum() {
  local results=$ROOT/build/matrix/$1/results
  [ -e "$results" ] || {
    echo '-'
    return 0
  }
  awk -v names="$2" -v but="${3:-^$}" '$1 ~ names && $1 !~ but { passed += $2; failed += $3; skipped += $4 }
    END {
      if (passed + failed + skipped == 0) print "-"
      else printf "%d / %d%s\n", passed, failed, skipped ? " (" skipped " skipped)" : ""
    }' "$results"
}

# matrix_test RELEASE COMPILER [ARGUMENT...]: one `./dev test`, whose results are added to what that pair has. Its words are in build/matrix/RELEASE-COMPILER.log, the
# failures here too.
matrix_test() {
  local release=$1 compiler=$2 began=$SECONDS code=0 log=$ROOT/build/matrix/$1-$2.log
  shift 2
  say "$release, $compiler: ./dev test $*"
  rm -f "$ROOT/build/matrix/$release-$compiler/test/results"
  matrix_in "$release" "$compiler" ./dev test "$@" >"$log" 2>&1 || code=$?
  grep -E '^(FAIL|SKIP|failed:)' "$log" || true
  if [ -s "$ROOT/build/matrix/$release-$compiler/test/results" ]; then
    cat "$ROOT/build/matrix/$release-$compiler/test/results" >>"$ROOT/build/matrix/$release-$compiler/results"
    say "$release, $compiler: $(tail -n 1 "$log"), $((SECONDS - began)) s"
  else
    say "$release, $compiler: it did not come as far as the tests; the end of $log:"
    tail -n 40 "$log"
  fi
  return $code
}

matrix_row() {
  printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$@" "$(revision), $(date -u +%F)" >>"$ROOT/build/reports/matrix.md"
}

dev_matrix() {
  local releases=() units='' fresh='' release failed='' versions
  while [ $# != 0 ]; do
    case $1 in
      --fresh) fresh=yes ;;
      --units) units=yes ;;
      -h | --help)
        matrix_usage
        return 0
        ;;
      -*) usage_error "matrix knows no $1" ;;
      *)
        release=$(matrix_release "$1") || exit $?
        releases+=("$release")
        ;;
    esac
    shift
  done
  [ ${#releases[@]} != 0 ] || releases=("${MATRIX_RELEASES[@]}")
  mkdir -p "$ROOT/build/matrix" "$ROOT/build/reports"
  {
    echo '| Debian | PostgreSQL | wal2json | librdkafka | compiler | units | units, sanitized | scenarios, pgoutput | scenarios, wal2json | all else | revision, day |'
    echo '|---|---|---|---|---|---|---|---|---|---|---|'
  } >"$ROOT/build/reports/matrix.md"
  setup_kafka || true
  for release in "${releases[@]}"; do
    if [ -n "$fresh" ]; then
      root_remove "$release"
      rm -rf "$ROOT/build/matrix/$release"-*
    fi
    matrix_prepare "$release" || {
      say "$release: no root to test in"
      failed=yes
      continue
    }
    rm -f "$ROOT/build/matrix/$release"-*/results
    matrix_test "$release" clang --quick unit/ || failed=yes
    [ -n "$units" ] || matrix_test "$release" clang e2e/ || failed=yes
    if [ -n "$units" ]; then
      matrix_test "$release" gcc --quick unit/ || failed=yes
    else
      matrix_test "$release" gcc --matrix || failed=yes
    fi
    read -ra versions < <(matrix_in "$release" gcc bash -c "$MATRIX_VERSIONS")
    matrix_row "$release" "${versions[@]:0:3}" "gcc ${versions[3]}" "$(matrix_sum "$release-gcc" ^unit/)" "$(matrix_sum "$release-gcc" ^asan/)" \
      "$(matrix_sum "$release-gcc" '^(e2e|matrix|faults|services)/.*/pgoutput')" "$(matrix_sum "$release-gcc" '^(e2e|matrix|faults|services)/.*/wal2json')" \
      "$(matrix_sum "$release-gcc" '^' '^(unit|asan)/|^(e2e|matrix|faults|services)/.*/(pgoutput|wal2json)')"
    matrix_row "$release" "${versions[@]:0:3}" "clang ${versions[4]}" "$(matrix_sum "$release-clang" ^unit/)" '-' \
      "$(matrix_sum "$release-clang" '^e2e/.*/pgoutput')" "$(matrix_sum "$release-clang" '^e2e/.*/wal2json')" \
      "$(matrix_sum "$release-clang" '^' '^unit/|^e2e/.*/(pgoutput|wal2json)')"
  done
  echo
  cat "$ROOT/build/reports/matrix.md"
  [ -z "$failed" ]
}
