# shellcheck shell=bash disable=SC2154
# filing.bash - filing_consumer.c in scenarios; behind counting.sh, whose words start, ask and end it.
#
#   filing_new NAME PARTITIONS      $T and $FILED of a part of the scenario, whose topic, group and file know nothing of those before
#   consumer_start one "${WITHOUT_DATABASE[@]}" IDEMPOTENCY=none
#   await 'all filed' 20 filed_are 50

export CONSUMER_PROGRAM=filing_consumer
FILING_T=$T

# filing_new NAME PARTITIONS: its dead-letter topic is made by who wants one.
filing_new() {
  T=$FILING_T.$1
  COUNTING_GROUP=$T
  FILED=$RUN/filed.$1
  WITHOUT_DATABASE=(DATABASE_URL='' FILING_FILE="$FILED")
  : >"$FILED"
  topic_create "$T" "$2"
}

# filed: the ids in the file, as often as they are there.
filed() {
  awk '{ print $1 }' "$FILED"
}

# filed_are COUNT: so many lines and as many events.
filed_are() {
  [ "$(wc -l <"$FILED")|$(filed | LC_ALL=C sort -u | wc -l)" = "$1|$1" ]
}

is_filed() {
  filed | grep -qxF -- "$1"
}

# poison ID: a line for produce.
poison() {
  printf 'k%d|{"eventId":"%s","eventType":"Made","n":1,"do":"poison"}\n' $((RANDOM % 7)) "$1"
}

# letter_ids: of the dead letters in $T.dlq, as often as they are there.
letter_ids() {
  KCAT_FORMAT='%h\n' read_topic "$T.dlq" | LC_ALL=C sed -nE 's/^(.*,)?id=([^,]*).*/\2/p' | LC_ALL=C sort
}

letters_are() {
  [ "$(letter_ids | wc -l)" = "$1" ]
}
