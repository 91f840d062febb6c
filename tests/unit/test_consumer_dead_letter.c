/* test_consumer_dead_letter.c - what a dead letter keeps, and what it says. (test_dead_letter.c is the relay's.) */
#include "dead_letter_sample.h"

#include <criterion/criterion.h>

TestSuite(consumer_dead_letter, .init = begin, .fini = end);

Test(consumer_dead_letter, a_topic_has_its_suffix_unless_it_becomes_too_long)
{
  char topic[250];

  cr_assert_str_eq(dead_letter_topic("order.created.v1", ".dlq", &arena), "order.created.v1.dlq");
  memset(topic, 't', sizeof(topic));
  topic[245] = '\0';
  cr_assert_eq(strlen(dead_letter_topic(topic, ".dlq", &arena)), 249);
  topic[245] = 't';
  topic[246] = '\0';
  cr_assert_null(dead_letter_topic(topic, ".dlq", &arena));
}

Test(consumer_dead_letter, key_value_partition_and_headers_are_the_records)
{
  build_sample();
  cr_assert_str_eq(letter.topic, "order.created.v1.dlq");
  cr_assert_eq(letter.partition, 2);
  cr_assert(span_equals(letter.key, span_of("k\0", 2)));
  cr_assert(span_equals(letter.value, span_of("\0v", 2)));
  cr_assert_str_eq(letter.headers[0].name, "id");
  cr_assert_str_eq(letter.headers[1].name, "eventType");
  cr_assert_str_eq(letter.headers[2].name, "correlationId");
  cr_assert_str_eq(letter.headers[3].name, "note");
  cr_assert(span_is_null(letter.headers[3].value));
  cr_assert_str_eq(letter.headers[4].name, "note");
  cr_assert(span_equals(letter.headers[4].value, span_of("\0\xff", 2)));
  says("id", "e-1");
  says("eventType", "OrderCreated");
  cr_assert(!has("lsn"), "the relay gives the dead letter one of its own");
  says("dlt.original.lsn", "0/16B3748/0");
  cr_assert(!has("dlt.original.id"));
  cr_assert(!has("dlt.original.eventType"));
}

Test(consumer_dead_letter, it_says_why_in_three_tongues)
{
  build_sample();
  says("kafka_dlt-original-topic", "order.created.v1");
  cr_assert(span_equals(header("kafka_dlt-original-partition"), span_of("\0\0\0\2", 4)));
  cr_assert(span_equals(header("kafka_dlt-original-offset"), span_of("\1\2\3\4\5\6\7\10", 8)));
  cr_assert(span_equals(header("kafka_dlt-original-timestamp"), span_of("\0\0\1\x8b\xcf\xe5\x68\0", 8)));
  says("kafka_dlt-original-timestamp-type", "CreateTime");
  says("kafka_dlt-original-consumer-group", "notification-consumer-group");
  says("kafka_dlt-exception-fqcn", "no_stock");
  says("kafka_dlt-exception-message", "sku 7 has no stock");
  says("__connect.errors.topic", "order.created.v1");
  says("__connect.errors.partition", "2");
  says("__connect.errors.offset", "72623859790382856");
  says("__connect.errors.connector.name", "notification-service");
  says("__connect.errors.task.id", "0");
  says("__connect.errors.stage", "TASK_PUT");
  says("__connect.errors.class.name", "notification-service");
  says("__connect.errors.exception.class.name", "no_stock");
  says("__connect.errors.exception.message", "sku 7 has no stock");
  says("dlt.attempts", "4");
  says("dlt.first-failure", "2026-01-25T10:15:30.123456Z");
  says("dlt.last-failure", "2026-01-25T10:15:36.123456Z");
  says("dlt.consumer", "notification-service");
  says("dlt.error.class", "no_stock");
  says("dlt.error.message", "sku 7 has no stock");
  says("dlt.host", "host-1");
  cr_assert(!has("dlt.error.sqlstate"));
}

Test(consumer_dead_letter, what_the_database_said_is_not_repeated)
{
  struct problem refused = {.cause = "database", .text = "invalid input syntax for type integer: \"4111 1111 1111 1111\""};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  cause.problem = &refused;
  cause.sqlstate = "23514";
  cause.constraint = "stock_is_not_negative";
  build(&record, &cause);
  says("dlt.error.message", "the database refused it: SQLSTATE 23514, constraint stock_is_not_negative");
  says("kafka_dlt-exception-message", "the database refused it: SQLSTATE 23514, constraint stock_is_not_negative");
  says("dlt.error.sqlstate", "23514");
  cause.sqlstate = "22P02";
  cause.constraint = "";
  build(&record, &cause);
  says("dlt.error.message", "the database refused it: SQLSTATE 22P02");
  for (size_t i = 0; i < letter.header_count; i++) {
    cr_assert(letter.headers[i].value.length < 4 || memmem(letter.headers[i].value.data, letter.headers[i].value.length, "4111", 4) == NULL, "%s",
              letter.headers[i].name);
  }
}

Test(consumer_dead_letter, messages_are_clean)
{
  struct problem odd = {.cause = NULL, .text = "a\nb\x1b[2J \xff gr\xc3\xbc\xc3\x9f"};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  cause.problem = &odd;
  cause.is_unreadable = true;
  cause.first_failure_us = 0;
  record.time = RECORD_TIME_NONE;
  build(&record, &cause);
  says("dlt.error.message", "a b [2J ? gr\xc3\xbc\xc3\x9f");
  says("dlt.error.class", "unknown");
  says("__connect.errors.stage", "VALUE_CONVERTER");
  says("kafka_dlt-original-timestamp-type", "NoTimestampType");
  cr_assert(span_equals(header("kafka_dlt-original-timestamp"), span_of("\xff\xff\xff\xff\xff\xff\xff\xff", 8)));
  cr_assert(!has("dlt.first-failure"));
}

Test(consumer_dead_letter, headers_that_are_none_of_an_event_are_kept_aside)
{
  static const struct record_header headers[] = {{"id", {"a\nb", 3}}, {"eventType", {"\xff", 1}}, {"txid", {"7", 1}}};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  record.headers = headers;
  record.header_count = 3;
  event.id = "order.created.v1/2/41";
  event.type = "";
  build(&record, &cause);
  says("id", "order.created.v1/2/41");
  cr_assert(span_is_null(header("eventType")));
  cr_assert_null(letter.type);
  says("dlt.original.id", "a\nb");
  says("dlt.original.eventType", "\xff");
  says("dlt.original.txid", "7");
  cr_assert(!has("dlt.original.lsn"));
}

Test(consumer_dead_letter, a_record_without_headers_has_no_originals)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  record.header_count = 0;
  record.headers = NULL;
  event.type = "";
  build(&record, &cause);
  for (size_t i = 0; i < letter.header_count; i++) {
    cr_assert_neq(strncmp(letter.headers[i].name, DEAD_LETTER_ORIGINAL, strlen(DEAD_LETTER_ORIGINAL)), 0, "%s", letter.headers[i].name);
  }
  cr_assert_leq(letter.header_count, DEAD_LETTER_ADDED_MAX);
}

/* A tool that copies dead letters back as they are must not make them grow. */
Test(consumer_dead_letter, a_second_death_replaces_the_first_ones_headers)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();
  struct record_header *headers;
  size_t count;

  build(&record, &cause);
  count = letter.header_count;
  headers = arena_array(&arena, count + 2, sizeof(*headers));
  memcpy(headers, letter.headers, count * sizeof(*headers));
  headers[count] = (struct record_header){"lsn", span_of_text("0/99/0")};
  headers[count + 1] = (struct record_header){"redrive.count", span_of_text("1")};
  record.headers = headers;
  record.header_count = count + 2;
  cause.attempts = 1;
  build(&record, &cause);
  cr_assert_eq(letter.header_count, count + 1, "only redrive.count is new");
  says("dlt.attempts", "1");
  says("dlt.original.lsn", "0/16B3748/0");
  says("redrive.count", "1");
}

/* Partition of the record, partitions of the dead-letter topic. */
Test(consumer_dead_letter, the_partition_stays_where_the_topic_has_it)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();
  static const struct {
    int32_t partition, partitions, expected;
  } cases[] = {{0, 1, 0}, {2, 3, 2}, {2, 2, DEAD_LETTER_PARTITION_BY_KEY}, {2, 1, DEAD_LETTER_PARTITION_BY_KEY}, {0, 0, DEAD_LETTER_PARTITION_BY_KEY}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    record.partition = cases[i].partition;
    dead_letter_build(&letter, &record, &event, &cause, "x.dlq", cases[i].partitions, &arena);
    cr_assert_eq(letter.partition, cases[i].expected, "case %zu", i);
  }
}

static size_t bytes_with(enum dead_letter_detail detail, const struct record *record)
{
  struct dead_letter_cause cause = cause_of();

  cause.detail = detail;
  build(record, &cause);
  return dead_letter_bytes(&letter);
}

/* What is left of it is what is needed most. */
Test(consumer_dead_letter, it_says_less_where_there_is_no_room)
{
  struct problem long_problem = {.cause = "no_stock"};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  memset(long_problem.text, 'x', sizeof(long_problem.text) - 1);
  cause.problem = &long_problem;
  cause.detail = DEAD_LETTER_SHORT;
  build(&record, &cause);
  says("id", "e-1");
  cr_assert_eq(header("dlt.error.message").length, DEAD_LETTER_MESSAGE_SHORT_BYTES);
  says("kafka_dlt-original-topic", "order.created.v1");
  says("dlt.attempts", "4");
  says("dlt.original.lsn", "0/16B3748/0");
  cr_assert(!has("__connect.errors.topic"));

  cause.detail = DEAD_LETTER_LEAST;
  build(&record, &cause);
  says("id", "e-1");
  says("eventType", "OrderCreated");
  says("correlationId", "c-1");
  says("kafka_dlt-original-topic", "order.created.v1");
  cr_assert(span_equals(header("kafka_dlt-original-partition"), span_of("\0\0\0\2", 4)));
  says("dlt.error.class", "no_stock");
  says("dlt.consumer", "notification-service");
  says("dlt.last-failure", "2026-01-25T10:15:36.123456Z");
  cr_assert(!has("dlt.error.message"));

  cause.detail = DEAD_LETTER_BARE;
  build(&record, &cause);
  cr_assert_eq(letter.header_count, record.header_count);
  for (size_t i = 0; i < record.header_count; i++) {
    cr_assert_str_eq(letter.headers[i].name, record.headers[i].name);
    cr_assert(span_equals(letter.headers[i].value, record.headers[i].value) || span_is_null(record.headers[i].value));
  }
  cr_assert_str_eq(letter.id, "e-1");
}

Test(consumer_dead_letter, each_detail_is_smaller_than_the_one_before)
{
  struct record record = sample();
  size_t bare = bytes_with(DEAD_LETTER_BARE, &record);

  cr_assert_lt(bytes_with(DEAD_LETTER_SHORT, &record), bytes_with(DEAD_LETTER_WHOLE, &record));
  cr_assert_lt(bytes_with(DEAD_LETTER_LEAST, &record), bytes_with(DEAD_LETTER_SHORT, &record));
  cr_assert_lt(bare, bytes_with(DEAD_LETTER_LEAST, &record));
  cr_assert_lt(bytes_with(DEAD_LETTER_WHOLE, &record), bare + DEAD_LETTER_ROOM_BYTES);
}
