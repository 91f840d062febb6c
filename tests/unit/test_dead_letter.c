/* test_dead_letter.c - what of a poison row goes into its dead letter, and what is added. */
#include "publish/dead_letter.h"

#include <criterion/criterion.h>

static const struct dead_letter_cause cause = {.reason = "unlisted_topic", .error = "topic \"x\" is not on the allow list", .table = "public.outbox"};

static struct span header(const struct record *record, const char *name)
{
  struct span value = {0};
  int count = 0;

  for (size_t i = 0; i < record->header_count; i++) {
    if (span_is(record->headers[i].name, name)) {
      value = record->headers[i].value;
      count++;
    }
  }
  cr_assert_leq(count, 1, "header %s is there %d times", name, count);
  return value;
}

static struct arena arena;

static void begin(void)
{
  arena_init(&arena, 4096);
}

static void end(void)
{
  arena_done(&arena);
}

TestSuite(dead_letter, .init = begin, .fini = end);

Test(dead_letter, key_value_time_and_headers_are_the_rows_and_the_reason_is_added)
{
  const struct header headers[] = {{{"id", 2}, {"7", 1}}, {{"trace", 5}, {NULL, 0}}, {{"trace", 5}, {"x", 1}}};
  struct record row = {
      .topic = span_of_text("outbox.event.x"),
      .key = span_of_text("order-1"),
      .value = span_of("a\0b", 3),
      .timestamp_ms = 1700000000000,
      .partition = 99,
      .header_count = 3,
      .headers = headers,
      .event_id = span_of_text("7"),
      .position = {.commit_lsn = UINT64_C(0x16B374D848), .index = 3},
      .entry = 2,
  };
  struct record letter;

  dead_letter_build(&row, &cause, "shop.dead-letter", &arena, &letter);
  cr_assert(span_is(letter.topic, "shop.dead-letter"));
  cr_assert(span_is(letter.key, "order-1"));
  cr_assert(span_equals(letter.value, span_of("a\0b", 3)));
  cr_assert_eq(letter.timestamp_ms, 1700000000000);
  cr_assert_eq(letter.partition, RECORD_PARTITION_BY_KEY, "the partition may be what was wrong");
  cr_assert_eq(letter.entry, 2);
  cr_assert_eq(position_compare(letter.position, row.position), 0);
  cr_assert(span_is(letter.event_id, "7"));

  cr_assert_eq(letter.header_count, 3 + DEAD_LETTER_HEADERS);
  for (size_t i = 0; i < 3; i++) {
    cr_assert(span_equals(letter.headers[i].name, headers[i].name));
    cr_assert(span_equals(letter.headers[i].value, headers[i].value));
  }
  cr_assert(span_is(header(&letter, "dead.letter.reason"), "unlisted_topic"));
  cr_assert(span_is(header(&letter, "dead.letter.error"), "topic \"x\" is not on the allow list"));
  cr_assert(span_is(header(&letter, "dead.letter.table"), "public.outbox"));
  cr_assert(span_is(header(&letter, "dead.letter.position"), "16/B374D848/3"));
  cr_assert(span_is(header(&letter, "dead.letter.topic"), "outbox.event.x"));
}

Test(dead_letter, row_without_key_and_topic_gives_a_record_without_them)
{
  struct record row = {.value = span_of_text("{}")};
  struct record letter;

  dead_letter_build(&row, &cause, "d", &arena, &letter);
  cr_assert(span_is_null(letter.key));
  cr_assert_eq(letter.header_count, DEAD_LETTER_HEADERS - 1);
  for (size_t i = 0; i < letter.header_count; i++) {
    cr_assert_not(span_is(letter.headers[i].name, DEAD_LETTER_TOPIC));
  }
}

Test(dead_letter, null_value_stays_null_and_empty_stays_empty)
{
  struct record row = {.key = span_of_text("k")};
  struct record letter;

  dead_letter_build(&row, &cause, "d", &arena, &letter);
  cr_assert(span_is_null(letter.value));
  row.value = span_of_text("");
  dead_letter_build(&row, &cause, "d", &arena, &letter);
  cr_assert_not(span_is_null(letter.value));
  cr_assert_eq(letter.value.length, 0);
}

Test(dead_letter, dead_letter_of_a_dead_letter_has_each_reason_once_and_the_newer_one)
{
  struct record row = {.topic = span_of_text("t"), .key = span_of_text("k"), .value = span_of_text("v"), .position = {.commit_lsn = 1}};
  const struct dead_letter_cause newer = {.reason = "too_large", .error = "e", .table = "public.dead"};
  struct record letter, again;

  dead_letter_build(&row, &cause, "d", &arena, &letter);
  dead_letter_build(&letter, &newer, "d2", &arena, &again);
  cr_assert_eq(again.header_count, DEAD_LETTER_HEADERS);
  cr_assert(span_is(header(&again, DEAD_LETTER_REASON), "too_large"));
  cr_assert(span_is(header(&again, DEAD_LETTER_TOPIC), "d"));
}

Test(dead_letter, reason_is_the_publishers_cause_where_there_is_a_word_for_it)
{
  cr_assert_eq(dead_letter_reason(&(struct problem){.cause = "too_large"}), ROUTE_REASON_TOO_LARGE);
  cr_assert_eq(dead_letter_reason(&(struct problem){.cause = "no_partition"}), ROUTE_REASON_BAD_PARTITION);
  cr_assert_eq(dead_letter_reason(&(struct problem){.cause = "invalid_record"}), ROUTE_REASON_REFUSED_BY_BROKER);
}
