#!/usr/bin/env bash
# The relay is killed with -9 again and again while rows are written: each event arrives at least once, and the events of a key arrive in their order (a
# repetition of what came before is allowed, a gap or a later one before an earlier one is not).
# tags: slow
# shellcheck source=tests/e2e/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

topic=outbox.event.$T
topic_create "$topic" 3
relay_init

# One event a millisecond at most, until the last life has ended: however fast or slow the machine is, each life finds something to do.
pg 'CREATE TABLE written_enough ()'
pg "DO \$\$ DECLARE i int := 0; BEGIN LOOP
  i := i + 1;
  INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('$T', 'k' || i % 7, 'E', to_json(i)); COMMIT;
  EXIT WHEN to_regclass('written_enough') IS NULL;
  PERFORM pg_sleep(0.001);
END LOOP; END \$\$" &
writer=$!

# confirmed_has_moved LSN
confirmed_has_moved() {
  [ "$(slot_confirmed)" != "$1" ]
}
for life in 1 2 3 4; do
  confirmed=$(slot_confirmed)
  relay_start
  await "progress in life $life" 20 confirmed_has_moved "$confirmed"
  relay_stop relay KILL
done
pg 'DROP TABLE written_enough'
wait $writer
events=$(pg 'SELECT count(*) FROM outbox')
relay_start
await 'confirmation of everything' 60 slot_has_confirmed "$(wal_end)"
relay_stop

KCAT_FORMAT='%p %k %s\n'
read_topic "$topic" >records
assert_eq 'events that arrived at least once' "$events" "$(cut -d ' ' -f 3 records | sort -un | wc -l)"
# What comes for the first time must be greater than all that came before for that key.
awk '!seen[$3]++ { if ($3 + 0 < newest[$2] + 0) { print "key " $2 ": " $3 " for the first time behind " newest[$2]; bad = 1 } newest[$2] = $3 } END { exit bad }' records >order ||
  fail "order within a key: $(head -n 3 order)"
assert_eq 'partitions of each key' 7 "$(cut -d ' ' -f 1,2 records | sort -u | wc -l)"
