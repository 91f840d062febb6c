#!/usr/bin/env bash
# A broker takes records of up to 1048588 bytes by default, and Java's clients send them: such a record that is no event becomes a dead letter, and what is behind it is
# handled.
# tags: real-kafka
# shellcheck source=tests/services/counting.sh
. "${BASH_SOURCE[0]%/*}/counting.sh"

counting_tables
topics_new 1
head -c 1020000 /dev/zero | tr '\0' x >"$RUN/large"
kcat -P -b "$KAFKA" -t "$T" -k large -X message.max.bytes=2000000 "$RUN/large" || fail 'could not produce'
echo 'k1|{"eventId":"behind","eventType":"Made","n":1}' | produce
consumer_start one
await 'what is behind the large record' 25 counted_are 1
KCAT_FORMAT='%k %S\n' await_records "$T.dlq" 1 20 >/dev/null
assert_eq 'key and size of the dead letter' 'large 1020000' "$(KCAT_FORMAT='%k %S\n' read_topic "$T.dlq")"
consumer_stop one
