#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letter_sample.h"
#include "failed_event.h"

TestSuite(failed_event, .init = begin, .fini = end);

enum { HEADERS_MAX = 16 };

struct bench {
  struct arena arena;
  struct record_header headers[HEADERS_MAX];
  struct record record;
  struct event event;
  struct failed_event failed;
};

static void bench_init(struct bench *bench, struct span value, const char *const *pairs)
{
  size_t count = 0;

  for (; pairs[count * 2] != NULL; count++) {
    bench->headers[count] = (struct record_header){.name = pairs[count * 2], .value = span_of_text(pairs[count * 2 + 1])};
  }
  arena_init(&bench->arena, 4096);
  bench->record = (struct record){
      .topic = "member-events.DLT", .partition = 0, .offset = 9, .value = value, .key = span_of_text("7"), .headers = bench->headers, .header_count = count};
  bench->event = (struct event){.record = &bench->record, .id = "member-events.DLT/0/9"};
  failed_event_read(&bench->failed, &bench->event, &bench->arena);
}

#define BENCH(bench, value, ...) bench_init((bench), (value), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

Test(failed_event, a_dead_letter_of_ours_says_where_and_why)
{
  struct bench bench;
  const struct failed_event *failed = &bench.failed;

  BENCH(&bench, span_of_text("{\"eventId\": \"b\", \"eventType\": \"x\", \"memberId\": 7}"), "id", "e-1", "eventType", "UPDATED", "__connect.errors.topic",
        "member-events", "__connect.errors.partition", "2", "__connect.errors.offset", "41", "dlt.attempts", "4", "dlt.error.class", "unknown_member",
        "dlt.error.sqlstate", "23503", "dlt.consumer", "d-day-service", "dlt.host", "here", "correlationId", "c-1", "dlt.error.message", "who is that",
        "dlt.first-failure", "2026-01-25T10:15:30.123456Z", "dlt.last-failure", "2026-01-25T10:15:37.000001Z");
  cr_assert_str_eq(failed->event_id, "e-1");
  cr_assert_str_eq(failed->event_type, "UPDATED");
  cr_assert_str_eq(failed->member_id, "7");
  cr_assert_str_eq(failed->topic, "member-events");
  cr_assert_str_eq(failed->partition, "2");
  cr_assert_str_eq(failed->offset, "41");
  cr_assert_str_eq(failed->error_class, "unknown_member");
  cr_assert_str_eq(failed->error_message, "who is that");
  cr_assert_str_eq(failed->attempts, "4");
  cr_assert_str_eq(failed->first_failed_at, "2026-01-25T10:15:30.123456Z");
  cr_assert_str_eq(failed->last_failed_at, "2026-01-25T10:15:37.000001Z");
  cr_assert_str_eq(failed->consumer, "d-day-service");
  cr_assert_str_eq(failed->host, "here");
  cr_assert_str_eq(failed->sqlstate, "23503");
  cr_assert_str_eq(failed->key_text, "7");
  cr_assert_str_eq(failed->own_headers,
                   "[{\"name\":\"id\",\"value\":\"e-1\"},{\"name\":\"eventType\",\"value\":\"UPDATED\"},{\"name\":\"correlationId\",\"value\":\"c-1\"}]");
  arena_done(&bench.arena);
}

Test(failed_event, a_letter_that_says_nothing_is_known_by_its_place)
{
  struct bench bench;
  const struct failed_event *failed = &bench.failed;

  BENCH(&bench, span_of("\xff\0x", 3));
  cr_assert_str_eq(failed->event_id, "member-events.DLT/0/9");
  cr_assert_null(failed->event_type);
  cr_assert_null(failed->member_id);
  cr_assert_str_eq(failed->topic, "member-events.DLT");
  cr_assert_str_eq(failed->offset, "9");
  cr_assert_str_eq(failed->attempts, "1");
  cr_assert_null(failed->first_failed_at);
  cr_assert_eq(failed->payload.length, 3);
  arena_done(&bench.arena);
}

/* The letter of a failure: event e-1, which lay in partition 2 of member-events. */
#define FAILURE(bench, offset, last_failure)                                                                                                                   \
  BENCH((bench), span_of_text("{}"), "id", "e-1", "__connect.errors.topic", "member-events", "__connect.errors.partition", "2", "__connect.errors.offset",     \
        (offset), "dlt.consumer", "d-day-service", "dlt.last-failure", (last_failure))

static void expect_identity(struct bench *one, struct bench *other, bool is_same, const char *what)
{
  cr_assert_eq(strcmp(one->failed.identity, other->failed.identity) == 0, is_same, "%s: %s and %s", what, one->failed.identity, other->failed.identity);
  arena_done(&other->arena);
}

Test(failed_event, a_letter_that_comes_again_tells_of_the_same_failure_and_a_second_failure_is_another)
{
  static const char first_time[] = "2026-01-25T10:15:37.000001Z";
  struct bench first;
  struct bench other;

  FAILURE(&first, "41", first_time);
  FAILURE(&other, "41", first_time);
  other.record.offset = 10;
  failed_event_read(&other.failed, &other.event, &other.arena);
  expect_identity(&first, &other, true, "the same letter, published again");
  FAILURE(&other, "57", first_time);
  expect_identity(&first, &other, false, "redriven, and failed again");
  FAILURE(&other, "41", "2026-01-26T08:00:00.000000Z");
  expect_identity(&first, &other, false, "failed again where it lay, in a rewound group");
  BENCH(&other, span_of_text("{}"), "id", "e-2", "__connect.errors.topic", "member-events", "__connect.errors.partition", "2", "__connect.errors.offset", "41",
        "dlt.consumer", "d-day-service", "dlt.last-failure", first_time);
  expect_identity(&first, &other, false, "another event at that place, in a topic made anew");
  BENCH(&other, span_of_text("{}"), "id", "e-1", "__connect.errors.topic", "member-events", "dlt.last-failure", first_time);
  cr_assert_str_eq(other.failed.identity, "member-events.DLT/0/9", "it does not say where: its own place has to do");
  arena_done(&other.arena);
  BENCH(&other, span_of_text("{}"), "id", "e-1", "__connect.errors.topic", "member-events", "__connect.errors.partition", "2", "__connect.errors.offset", "41");
  cr_assert_str_eq(other.failed.identity, "member-events.DLT/0/9", "another publisher's, which does not say when: it may fail there twice");
  arena_done(&other.arena);
  arena_done(&first.arena);
}

/* The relay may bring whatever the outbox takes twice, however little it says. */
Test(failed_event, a_letter_that_was_cut_short_is_known_again_too)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  for (enum dead_letter_detail detail = DEAD_LETTER_WHOLE; detail < DEAD_LETTER_BARE; detail++) {
    struct failed_event first;
    struct failed_event again;
    struct record published;
    struct event received = event;

    cause.detail = detail;
    build(&record, &cause);
    published = record_of_letter();
    received.record = &published;
    published.offset = 9;
    failed_event_read(&first, &received, &arena);
    published.offset = 10;
    failed_event_read(&again, &received, &arena);
    cr_assert_str_eq(again.identity, first.identity, "the same letter, of detail %d", (int)detail);
    cause.last_failure_us++;
    build(&record, &cause);
    published = record_of_letter();
    published.offset = 9;
    failed_event_read(&again, &received, &arena);
    cr_assert_str_neq(again.identity, first.identity, "a second failure at the same place, of detail %d", (int)detail);
  }
}

Test(failed_event, what_no_column_can_hold_is_changed_and_not_refused)
{
  struct bench bench;
  const struct failed_event *failed = &bench.failed;
  char longest[5000];

  memset(longest, 'a', sizeof(longest));
  longest[sizeof(longest) - 1] = '\0';
  BENCH(&bench, span_of_text("{\"eventId\": \"x\\u0000y\", \"memberId\": \"seven\"}"), "eventType", "\xff_CREATED", "__connect.errors.topic", "member-events",
        "dlt.error.message", longest, "dlt.first-failure", "2026-02-31T10:15:30.1Z", "dlt.last-failure", "2026-01-25T10:15:37; DROP TABLE");
  cr_assert_str_eq(failed->event_id, "x?y");
  cr_assert_str_eq(failed->event_type, "?_CREATED");
  cr_assert_null(failed->member_id);
  cr_assert_leq(strlen(failed->error_message), FAILED_EVENT_TEXT_MAX);
  cr_assert_null(failed->first_failed_at);
  cr_assert_null(failed->last_failed_at);
  arena_done(&bench.arena);
}

Test(failed_event, headers_come_back_as_they_were)
{
  struct record_header headers[] = {
      {.name = "id", .value = span_of_text("e-1")},
      {.name = "tag", .value = span_of_text("a")},
      {.name = "tag", .value = span_of_text("")},
      {.name = "none"},
      {.name = "binary", .value = span_of("\0\xff\x10", 3)},
      {.name = "korean", .value = span_of_text("\xea\xb0\x80")},
  };
  size_t wanted = sizeof(headers) / sizeof(headers[0]);
  struct record record = {.headers = headers, .header_count = wanted};
  json_t *written = failed_event_headers_write(&record);
  struct record_header *again;
  size_t count;

  cr_assert(failed_event_headers_read(written, &arena, &again, &count));
  cr_assert_eq(count, wanted);
  for (size_t i = 0; i < count; i++) {
    cr_assert_str_eq(again[i].name, headers[i].name);
    cr_assert(span_equals(again[i].value, headers[i].value), "%s", headers[i].name);
  }
  json_decref(written);
}

Test(failed_event, headers_that_are_none_are_refused)
{
  static const char *const wrong[] = {"{}",
                                      "[1]",
                                      "[{}]",
                                      "[{\"name\": 1, \"value\": \"x\"}]",
                                      "[{\"name\": \"a\"}]",
                                      "[{\"name\": \"a\", \"base16\": \"0g\"}]",
                                      "[{\"name\": \"a\", \"base16\": \"000\"}]"};
  struct record_header *headers;
  size_t count;

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    json_t *document = json_loads(wrong[i], 0, NULL);

    cr_assert(!failed_event_headers_read(document, &arena, &headers, &count), "%s", wrong[i]);
    json_decref(document);
  }
}
