#!/usr/bin/env bash
# Somebody gives a topic more partitions, and a service names one of them in its next rows, at once. What the relay's client knows of a topic is up to five minutes old, and it
# refuses those rows without asking anybody. None of them is poison: the relay asks with a fresh client, and each is in the partition that it names, in its key's order. A
# partition that the topic does not have is one that a fresh client does not find either: those rows are dead letters, however many there are at one look, and what is behind
# them goes on.
# row: K-13 partitions added and named by rows at once
# expects: O1 O3, no dead letter but those of rows whose partition is not there
# tags: short real-kafka
# plugins: both
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/../e2e/harness.sh"
# shellcheck source=tests/faults/campaign.sh
. "${BASH_SOURCE[0]%/*}/campaign.sh"

topic=outbox.event.$T
dead=dead.$T
topic_create "$topic" 3
topic_create "$dead" 1
pg 'ALTER TABLE outbox ADD shard integer'
relay_set OUTBOX_0_TABLE_FIELDS_ADDITIONAL_PLACEMENT shard:partition
relay_set DELIVERY_POISON dead-letter
relay_set DELIVERY_DEAD_LETTER_TOPIC "$dead"
relay_init
relay_start

# insert_into SHARD KEY FIRST LAST: a transaction of rows with these numbers, all of one key and partition.
insert_into() {
  pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, shard) SELECT '$T', '$2', 'Made', to_json(i), $1 FROM generate_series($3, $4) i"
}
# in_partition N KEY: the values of the key there, first occurrences, in one line
in_partition() {
  KCAT_FORMAT='%k %s\n' kcat_read -e -t "$topic" -p "$1" | awk -v key="$2" '$1 == key && !seen[$2]++ { print $2 }' | paste -sd ' '
}
isolations() {
  relay_log relay 'select(.event == "isolating") | .error' | grep -c 'does not have the partition' || true
}

insert_into 0 before 1 3
await_records "$topic" 3 >/dev/null
for count in 4 6; do
  named=$((count - 1))
  fault_begins "grown to $count partitions"
  "$ROOT/build/dev/tests/tools/topic_tool" -b "$KAFKA" grow "$topic" "$count" >>"$RUN/topics.log" 2>&1 || fail "$(tail -n 3 "$RUN/topics.log")"
  # In company: what is in flight to partitions that were there before, what is behind, and a second transaction of the same key.
  pg "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, shard)
      SELECT '$T', CASE WHEN i % 3 = 0 THEN 'named$count' ELSE 'beside$count' END, 'Made', to_json(i), CASE WHEN i % 3 = 0 THEN $named ELSE i % 3 END FROM generate_series(1, 60) i"
  insert_into "$named" "named$count" 61 80
  await "confirmation with $count partitions" 60 slot_has_confirmed "$(wal_end)"
  fault_ends "grown to $count partitions"
  assert_eq "rows in partition $named" "$(seq -s ' ' 3 3 60) $(seq -s ' ' 61 80)" "$(in_partition "$named" "named$count")"
  assert_eq 'dead letters' '' "$(read_topic "$dead")"
done
# Or the client knew each time, and nothing was tried.
assert_number 'times that the relay asked anew' "$(isolations)" '>=' 2
figure 'times that the relay asked anew' "$(isolations)" ''
assert_eq 'rows beside them' "$(seq 1 60 | awk '$1 % 3' | paste -sd ' ')" \
  "$(read_topic "$topic" | awk -F '|' '$1 == "beside6" && !seen[$2]++ { print $2 }' | sort -n | paste -sd ' ')"

asked=$(isolations)
insert_into 6 nowhere 1 100
insert_into 0 behind 1 1
await 'confirmation behind rows for a partition that is not there' 60 slot_has_confirmed "$(wal_end)"
read_topic "$dead" >letters
assert_eq 'dead letters' "$(seq -s ' ' 1 100)" "$(awk -F '|' '$1 == "nowhere" && !seen[$2]++ { print $2 }' letters | paste -sd ' ')"
assert_eq 'dead letters for another reason, or of other rows' 0 "$(grep -cv '^nowhere|.*dead.letter.reason=bad_partition,' letters || true)"
assert_eq 'the row behind them' 1 "$(in_partition 0 behind)"
assert_eq 'times that the relay asked for them' 1 $(($(isolations) - asked))
relay_stop
