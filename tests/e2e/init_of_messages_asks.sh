#!/usr/bin/env bash
# Logical messages leave nothing behind that would tell whether some were emitted before, and table statistics can be lost: where the publication is there and the slot
# is not, init does not create one until it is told that a gap is accepted.
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

slots() {
  pg_in postgres "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '$SLOT'"
}

# A table that once had rows, emptied, vacuumed, its statistics gone.
insert k 1
pg "DELETE FROM outbox" "VACUUM outbox" "SELECT pg_stat_reset()" >/dev/null
code=0
relay_command forgotten init || code=$?
assert_eq 'exit code of init where the statistics were lost' 4 $code
assert_eq 'slots' 0 "$(slots)"

RELAY_SETTINGS=("${RELAY_SETTINGS[@]/CDC_RELAY_OUTBOX_0_TABLE=*/CDC_RELAY_OUTBOX_0_MESSAGE_PREFIX=outbox}")
code=0
relay_command messages init || code=$?
assert_eq 'exit code of init with messages alone' 4 $code
assert_eq 'slots' 0 "$(slots)"
relay_command accepted init --accept-gap || fail "init --accept-gap: exit code $?: $(cat accepted.err)"
assert_eq 'slots' 1 "$(slots)"
relay_command again init || fail "init again: exit code $?: $(cat again.err)"
