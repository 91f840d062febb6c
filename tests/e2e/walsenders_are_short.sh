#!/usr/bin/env bash
# A start needs two of max_wal_senders at the same time. With one nobody starts, and the relay says why; with one more than there are relays, they get on also when all
# begin together, as after a restart of PostgreSQL: one streams, the others stand by.
# tags:
POSTGRES=own
OWN_POSTGRES=("max_wal_senders = 1")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init

relay_start first -
has_failed_for_it() {
  relay_has_logged first session_failed '.cause == "too_many_walsenders"'
}
await 'a failure for want of a walsender' 20 has_failed_for_it
assert_match 'the hint' 'two of max_wal_senders' "$(relay_log first 'select(.cause == "too_many_walsenders") | .hint' | head -n 1)"
relay_start second -

pg 'ALTER SYSTEM SET max_wal_senders = 3'
process_stop own
postgres_run own
states() {
  echo "$(relay_state first) $(relay_state second)"
}
have_shared() {
  [[ $(states) =~ ^(streaming\ standby|standby\ streaming)$ ]]
}
await 'one that streams and one that stands by' 60 have_shared
insert k 1
await_records "$topic" 1 >/dev/null

# Together, again: both have lost the same server.
for value in 2 3; do
  process_stop own
  postgres_run own
  insert k "$value"
  await 'confirmation' 60 slot_has_confirmed "$(wal_end)"
  await 'one that streams and one that stands by' 60 have_shared
done
assert_eq 'values, without repetitions, in order' '1 2 3' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop first
relay_stop second
