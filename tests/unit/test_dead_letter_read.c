/* test_dead_letter_read.c - what a dead letter says to its reader, and what of it goes back. */
#include "dead_letter_sample.h"

#include <criterion/criterion.h>

TestSuite(dead_letter_read, .init = begin, .fini = end);

Test(dead_letter_read, it_can_be_read)
{
  struct dead_letter_story story;
  struct record record;

  build_sample();
  record = record_of_letter();
  dead_letter_read(&record, &arena, &story);
  cr_assert_str_eq(story.topic, "order.created.v1");
  cr_assert_eq(story.partition, 2);
  cr_assert_eq(story.offset, INT64_C(0x0102030405060708));
  cr_assert_eq(story.timestamp_ms, 1700000000000);
  cr_assert_str_eq(story.consumer, "notification-service");
  cr_assert_str_eq(story.error_class, "no_stock");
  cr_assert_str_eq(story.error_sqlstate, "");
  cr_assert_str_eq(story.error_message, "sku 7 has no stock");
  cr_assert_str_eq(story.host, "host-1");
  cr_assert_str_eq(story.first_failure, "2026-01-25T10:15:30.123456Z");
  cr_assert_str_eq(story.last_failure, "2026-01-25T10:15:36.123456Z");
  cr_assert_eq(story.attempts, 4);
}

Test(dead_letter_read, those_of_connect_can_be_read_too)
{
  static const struct record_header headers[] = {{"__connect.errors.topic", {"t", 1}},
                                                 {"__connect.errors.partition", {"3", 1}},
                                                 {"__connect.errors.offset", {"9007199254740993", 16}},
                                                 {"__connect.errors.connector.name", {"sink", 4}},
                                                 {"__connect.errors.exception.message", {"bad\nthing", 9}}};
  struct record record = {.headers = headers, .header_count = 5};
  struct dead_letter_story story;

  dead_letter_read(&record, &arena, &story);
  cr_assert_str_eq(story.topic, "t");
  cr_assert_eq(story.partition, 3);
  cr_assert_eq(story.offset, INT64_C(9007199254740993));
  cr_assert_eq(story.timestamp_ms, -1);
  cr_assert_str_eq(story.consumer, "sink");
  cr_assert_str_eq(story.error_message, "bad thing");
  cr_assert_eq(story.attempts, 0);
}

Test(dead_letter_read, numbers_that_are_none_are_not_said)
{
  static const struct record_header headers[] = {{"kafka_dlt-original-partition", {"\xff\xff\xff\xff", 4}},
                                                 {"kafka_dlt-original-offset", {"12", 2}},
                                                 {"__connect.errors.offset", {"99999999999999999999", 20}},
                                                 {"kafka_dlt-original-timestamp", {NULL, 0}},
                                                 {"dlt.attempts", {"4294967296", 10}}};
  struct record record = {.headers = headers, .header_count = 5};
  struct dead_letter_story story;

  dead_letter_read(&record, &arena, &story);
  cr_assert_str_eq(story.topic, "");
  cr_assert_eq(story.partition, -1);
  cr_assert_eq(story.offset, -1);
  cr_assert_eq(story.timestamp_ms, -1);
  cr_assert_eq(story.attempts, 0);
}

Test(dead_letter_read, what_goes_back_has_the_headers_that_it_had)
{
  struct record record;
  struct record_header *headers;
  size_t count;

  build_sample();
  record = record_of_letter();
  count = dead_letter_restore(&record, &arena, &headers);
  cr_assert_eq(count, sizeof(own_headers) / sizeof(own_headers[0]));
  for (size_t i = 0; i < count; i++) {
    cr_assert_str_eq(headers[i].name, own_headers[i].name);
    cr_assert(span_equals(headers[i].value, own_headers[i].value), "%s", headers[i].name);
  }
}

Test(dead_letter_read, what_goes_back_keeps_its_id)
{
  static const struct record_header own[] = {{"id", {"a\nb", 3}}, {"eventType", {"\xff", 1}}, {"lsn", {"1/1/0", 5}}};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();
  struct record_header *headers;
  struct record_header *relayed;
  size_t count;

  record.headers = own;
  record.header_count = 3;
  event.id = "t/2/41";
  event.type = "";
  build(&record, &cause);
  relayed = arena_array(&arena, letter.header_count + 1, sizeof(*relayed));
  memcpy(relayed, letter.headers, letter.header_count * sizeof(*relayed));
  relayed[letter.header_count] = (struct record_header){"lsn", span_of_text("9/9/9")};
  record.headers = relayed;
  record.header_count = letter.header_count + 1;
  count = dead_letter_restore(&record, &arena, &headers);
  cr_assert_eq(count, 3);
  cr_assert_str_eq(headers[0].name, "id");
  cr_assert(span_is(headers[0].value, "t/2/41"), "it is the same event, wherever it lies");
  cr_assert_str_eq(headers[1].name, "eventType");
  cr_assert(span_is(headers[1].value, "\xff"));
  cr_assert_str_eq(headers[2].name, "lsn");
  cr_assert(span_is(headers[2].value, "1/1/0"));
}

Test(dead_letter_read, what_had_no_type_goes_back_without_one)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();
  struct record_header *headers;

  record.header_count = 0;
  event.type = "";
  build(&record, &cause);
  record = record_of_letter();
  cr_assert_eq(dead_letter_restore(&record, &arena, &headers), 1);
  cr_assert_str_eq(headers[0].name, "id");
}
