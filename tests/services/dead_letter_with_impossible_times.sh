#!/usr/bin/env bash
# Whatever a dead letter's headers say of its time, it is stored: what PostgreSQL would not take as a time counts as not said.
# tags: slow
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"
# shellcheck source=tests/services/consumers.bash
. "${BASH_SOURCE[0]%/*}/consumers.bash"

system_new membership
consumer_start member-dead-letters
for time in 2026-01-25T10:15:60Z 2026-01-25T10:15:61Z '2026- 1- 5T 1: 2: 3Z' 2026-02-31T10:15:30Z 2026-01-25T10:15:30.Z; do
  id=$(cat /proc/sys/kernel/random/uuid)
  give member-events.DLT k '{}' "id=$id" kafka_dlt-original-topic=member-events "dlt.last-failure=$time"
  await "the dead letter of $time" 20 sql_is 1 "SELECT count(*) FROM dday.failed_event WHERE event_id = '$id'"
done
consumer_stop member-dead-letters
