#!/usr/bin/env bash
# Rows that were committed before a change of the schema are decoded by the catalog of their time, although the relay connects after it: none is left out, none has
# another value. The publication is recreated, a column is replaced by one with a default, a type is changed.
# row: P-23 DDL while the relay is away
# expects: O1 O3 O7
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init

# seven TAG: values TAG1 .. TAG7, in order
seven() {
  seq 7 | sed "s/.*/\"$1&\"/" | paste -sd ' '
}

# change TAG SQL: five rows, the change, two rows, all of them while no relay runs; then the relay.
change() {
  local tag=$1 i count
  count=$(read_topic "$topic" | wc -l)
  for i in 1 2 3 4 5; do
    insert k "\"$tag$i\""
  done
  pg "$2"
  insert k "\"${tag}6\""
  insert k "\"${tag}7\""
  relay_start
  await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
  relay_stop
  assert_eq "values around: $2" "$(seven "$tag")" "$(read_topic "$topic" | tail -n +$((count + 1)) | cut -d '|' -f 2 | paste -sd ' ')"
}

change recreated "BEGIN; DROP PUBLICATION \"$SLOT\"; CREATE PUBLICATION \"$SLOT\" FOR TABLE outbox WITH (publish = 'insert', publish_via_partition_root = true); COMMIT"
change replaced "ALTER TABLE outbox DROP COLUMN payload, ADD COLUMN payload json NOT NULL DEFAULT '0'"
change retyped "ALTER TABLE outbox ALTER COLUMN payload TYPE jsonb"
change renamed "ALTER TABLE outbox RENAME COLUMN created_at TO made_at"
