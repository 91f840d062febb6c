#!/usr/bin/env bash
# UPDATE and DELETE of outbox rows publish nothing. By default they are counted from the table's statistics, with a line about updates and none with `ignore`; with
# `fatal` an UPDATE holds the relay. A DELETE after the commit, or in the same transaction, loses no event.
# tags:
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 1
relay_init
relay_start
await 'the first figures of the slot' 20 relay_metric_is 'cdc_relay_slot_status{status="reserved"}' 'v == 1'
insert k 1
pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '2'); DELETE FROM outbox WHERE payload::text = '2'"
pg "UPDATE outbox SET type = 'Changed'"
pg "DELETE FROM outbox"
await 'the count of updates' 40 relay_metric_is 'cdc_relay_ignored_operations_total{table="public.outbox",op="update"}' 'v >= 1'
await 'the count of deletes' 40 relay_metric_is 'cdc_relay_ignored_operations_total{table="public.outbox",op="delete"}' 'v >= 2'
await 'the line about updates' 10 relay_has_logged relay updates_ignored
assert_eq 'values' '1 2' "$(await_records "$topic" 2 | cut -d '|' -f 2 | paste -sd ' ')"
relay_stop

# fatal: with pgoutput refused as long as the publication has no updates (wal2json reads no publication); held by the first UPDATE afterwards.
relay_set OUTBOX_0_TABLE_OP_INVALID_BEHAVIOR fatal
if [ "$PLUGIN" = pgoutput ]; then
  code=0
  relay_command fatal-unpublished run --exit-on-hold || code=$?
  assert_eq 'exit code while the publication has no updates' 3 $code
fi
pg "ALTER PUBLICATION \"$SLOT\" SET (publish = 'insert, update')"
relay_start
insert k 3
pg "UPDATE outbox SET type = 'Changed'"
insert k 4
await_state held
assert_eq 'values before the UPDATE' '1 2 3' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
relay_set OUTBOX_0_TABLE_OP_INVALID_BEHAVIOR error
relay_start
await 'confirmation of all' 20 slot_has_confirmed "$(wal_end)"
assert_eq 'values after all' '1 2 3 4' "$(read_topic "$topic" | cut -d '|' -f 2 | awk '!seen[$0]++' | paste -sd ' ')"
relay_stop
