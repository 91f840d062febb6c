#!/usr/bin/env bash
# No producer can speak to Kafka: each program under producers/ is linked with libpq, and with nothing of librdkafka, neither as a library nor as symbols; and the
# relay, looked at in the same way, is.
# tags: quick
# shellcheck source=tests/services/harness.sh
. "${BASH_SOURCE[0]%/*}/harness.sh"

# looks_at PROGRAM: what it is linked with, by the dynamic section and by the loader, and the names of Kafka's functions in it.
looks_at() {
  {
    readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/needed \1/p'
    ldd "$1" | awk '{ print "loaded", $1 }'
    readelf -sW "$1" | grep -oE '\brd_kafka_[a-z_]+' | sort -u | sed 's/^/symbol /' || true
  } >"$RUN/links"
}

count=0
for program in "$BUILD"/producers/*-service; do
  [ -x "$program" ] || continue
  looks_at "$program"
  grep -q '^needed libpq\.so' "$RUN/links" || fail "${program##*/} is not linked with libpq: $(cat "$RUN/links")"
  ! grep -iE 'rdkafka|rd_kafka' "$RUN/links" || fail "${program##*/} is linked with librdkafka"
  count=$((count + 1))
done
sources=$(find "$ROOT/producers" -name '*_service.c' | wc -l)
assert_eq 'programs looked at, one for each *_service.c' "$sources" "$count"
[ "$count" -ge 3 ] || fail "there are only $count producers"
! grep -rnE 'rdkafka|rd_kafka' "$ROOT/producers" --include='*.[ch]' || fail 'a source of a producer names librdkafka'

looks_at "$BUILD/cdc-relay/cdc-relay"
grep -q '^needed librdkafka' "$RUN/links" || fail 'the relay is not linked with librdkafka: this test looks at the wrong thing'
grep -q '^symbol rd_kafka_' "$RUN/links" || fail 'the relay has no symbol of librdkafka: this test looks at the wrong thing'
