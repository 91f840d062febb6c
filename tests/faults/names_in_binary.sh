#!/usr/bin/env bash
# names_in_binary.sh BINARY - prints what of fault_point.h is in a binary: functions, variables of the environment, names and texts of its tables. Prints nothing
# for a sound one. Exit code 2: it could not be read.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BINARY=$1
[ -r "$BINARY" ] || exit 2

nm "$BINARY" | awk '$NF ~ /^fault_(mutant|crash)/ { print "function " $NF }'
# A name or a text stands alone between zeros.
{
  echo CDC_MUTANT
  echo CDC_CRASH_POINT
  echo CDC_PAUSE_POINT
  sed -nE 's/^.*X\(([A-Z0-9_]+), "(.*)"\).*$/\1\n\2/p' "$ROOT/cdc-relay/lib/fault_point.h" | grep -vx -e NAME -e where -e 'what the relay does wrong'
} | grep -xF -f - <(strings -n 4 "$BINARY") | sed 's/^/text /' || true
