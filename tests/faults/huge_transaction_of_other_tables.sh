#!/usr/bin/env bash
# Somebody loads a table that is not published, in one transaction of five million rows (half a million with --short), with a wal_sender_timeout of a few seconds.
# For as long as the walsender decodes it, nothing of the outbox comes; a relay that only answered would be cut off. Its own timer keeps the connection: there is no
# reconnect. (How long the server went without reading a reply is a figure: wal2json reads none while it decodes.) The events before and behind it arrive once.
# row: P-17 five million rows of another table in one transaction
# expects: O1 O3 O4 O10
# tags:
# plugins: both
# seconds: 1800
POSTGRES=own
OWN_POSTGRES=("wal_sender_timeout = '6s'" "max_wal_size = '4GB'")
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "$ROOT/tests/faults/campaign.sh"

rows=$(times 500000 5000000)
topic=outbox.event.$T
topic_create "$topic" 1
pg 'CREATE TABLE others (i int, filler text)'
relay_init
relay_start
insert k 1
await_records "$topic" 1 >/dev/null
walsender() {
  pg_in postgres "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$SLOT'"
}
before=$(walsender)

# How long the server has read no word of the relay, at most; asked until the file `watching` is gone.
touch watching
{
  while [ -e watching ]; do
    pg_in postgres "SELECT extract(epoch FROM clock_timestamp() - reply_time) FROM pg_stat_replication WHERE application_name = 'cdc-relay'"
    sleep 0.1
  done | sort -g | tail -n 1 >silence
} &
watcher=$!

fault_begins huge-foreign-transaction
pg "BEGIN; INSERT INTO others SELECT i, repeat('x', 50) FROM generate_series(1, $rows) i; INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k', 'E', '2'); COMMIT"
committed=$EPOCHREALTIME
insert k 3
await_records "$topic" 3 900 >records
fault_ends huge-foreign-transaction
figure event_behind_it_after "$(seconds_since "$committed")" s
await 'confirmation' 60 slot_has_confirmed "$(wal_end)"
rm watching
wait $watcher
assert_number 'seconds without a reply read, of all that were seen' "$(cat silence)" '>' 0
assert_eq 'values, none of them twice' '1 2 3' "$(cut -d '|' -f 2 records | paste -sd ' ')"
reconnects=$(relay_get /metrics | awk '/^cdc_relay_reconnects_total\{/ { sum += $NF } END { print sum + 0 }')
figure rows "$rows" rows
figure longest_without_a_reply_read "$(printf '%.1f' "$(cat silence)")" s
figure reconnects "$reconnects" reconnects
assert_eq 'reconnects' 0 "$reconnects"
assert_eq 'walsender afterwards' "$before" "$(walsender)"
relay_stop
