#!/usr/bin/env bash
# A second relay on the same slot is a standby: ready, quiet, and no error. When the first one dies it takes over where that one stood; when the first one
# comes back, it is the standby.
# row: R-05 a standby takes over from a killed relay and from one that ends
# expects: O1 O3
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start first
relay_start second standby
assert_eq 'readiness of the standby' 200 "$(relay_get_status /readyz second)"
insert k 1
await_records "$topic" 1 >/dev/null

relay_stop first KILL
insert k 2
await_state streaming second 30
await 'confirmation of what was written meanwhile' 30 slot_has_confirmed "$(wal_end)"
relay_start first standby
insert k 3

# An orderly end hands over as well, and repeats nothing.
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
records=$(read_topic "$topic" | wc -l) # the kill may have repeated the first
relay_stop second
insert k 4
await_state streaming first 30
await 'confirmation of the last' 30 slot_has_confirmed "$(wal_end)"
assert_eq 'records behind an orderly end' 4 "$(read_topic "$topic" | tail -n +$((records + 1)) | cut -d '|' -f 2 | paste -sd ' ')"
assert_eq 'values, without repetitions, in order' '1 2 3 4' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
assert_eq 'holds' '' "$(relay_log second 'select(.event == "state" and .state == "held") | .state')"
relay_stop first
