#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>

#include "letter.h"

enum { HEADERS_MAX = 16 };

struct bench {
  struct arena arena;
  struct record_header headers[HEADERS_MAX];
  struct record record;
  struct letter letter;
};

/* A dead letter with this value and these headers, names and values in turn, read. */
static void bench_init(struct bench *bench, const char *value, const char *const *pairs)
{
  size_t count = 0;

  for (; pairs[count * 2] != NULL; count++) {
    bench->headers[count] = (struct record_header){.name = pairs[count * 2], .value = span_of_text(pairs[count * 2 + 1])};
  }
  arena_init(&bench->arena, 4096);
  bench->record = (struct record){.topic = "orders.dlq",
                                  .partition = 2,
                                  .offset = 17,
                                  .timestamp_ms = 1000000,
                                  .time = RECORD_TIME_CREATED,
                                  .key = span_of_text("o-1"),
                                  .value = span_of_text(value),
                                  .headers = bench->headers,
                                  .header_count = count};
  letter_read(&bench->letter, &bench->record, &bench->arena);
}

#define BENCH(bench, value, ...) bench_init((bench), (value), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

Test(letter, the_id_is_that_of_the_header_else_of_the_body)
{
  struct bench bench;

  BENCH(&bench, "{\"eventId\": \"of-the-body\"}", "id", "of-the-header");
  cr_assert_str_eq(bench.letter.id, "of-the-header");
  arena_done(&bench.arena);
  BENCH(&bench, "{\"eventId\": \"of-the-body\"}");
  cr_assert_str_eq(bench.letter.id, "of-the-body");
  arena_done(&bench.arena);
  BENCH(&bench, "{\"eventId\": \"of-the-body\"}", "id", "");
  cr_assert_str_eq(bench.letter.id, "of-the-body", "a header that says nothing");
  arena_done(&bench.arena);
  BENCH(&bench, "{\"eventId\": -9223372036854775808}");
  cr_assert_str_eq(bench.letter.id, "-9223372036854775808");
  arena_done(&bench.arena);
  BENCH(&bench, "{\"eventId\": 1.5}");
  cr_assert_str_eq(bench.letter.id, "");
  arena_done(&bench.arena);
  BENCH(&bench, "\xff no JSON");
  cr_assert_str_eq(bench.letter.id, "");
  arena_done(&bench.arena);
}

Test(letter, all_filters_must_hold)
{
  static const struct letter_filter chosen[] = {
      {0},
      {.id = "e-1"},
      {.key = "o-1"},
      {.error_class = "send_failed"},
      {.since_ms = 1000000},
      {.until_ms = 1000001},
      {.id = "e-1", .key = "o-1", .since_ms = 1},
  };
  static const struct letter_filter left[] = {
      {.id = "e-2"}, {.key = "o-"}, {.error_class = "send"}, {.since_ms = 1000001}, {.until_ms = 1000000}, {.id = "e-1", .key = "o-2"},
  };
  struct bench bench;

  BENCH(&bench, "{}", "id", "e-1", "kafka_dlt-original-topic", "orders", "dlt.error.class", "send_failed");
  for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++) {
    cr_assert(letter_is_chosen(&bench.letter, &chosen[i]), "filter %zu", i);
  }
  for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
    cr_assert(!letter_is_chosen(&bench.letter, &left[i]), "filter %zu", i);
  }
  arena_done(&bench.arena);
}

Test(letter, times_are_utc_and_dates_are_real)
{
  static const char *const wrong[] = {
      "", "yesterday", "2026-02-30", "2026-13-01", "2026-01-25T10:15", "2026-01-25T10:15:30", "2026-01-25T10:15:30+01:00", "2026-01-25Z"};
  int64_t ms = -1;

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    cr_assert(!letter_time(wrong[i], &ms), "%s", wrong[i]);
    cr_assert_eq(ms, -1);
  }
  (void)setenv("TZ", "Asia/Seoul", 1);
  cr_assert(letter_time("2024-02-29T12:00:01Z", &ms));
  cr_assert_eq(ms, INT64_C(1709208001000));
  cr_assert(letter_time("1970-01-02", &ms));
  cr_assert_eq(ms, INT64_C(86400000));
}

static char *printed(const struct letter *letter, void (*print)(const struct letter *letter, bool is_done, FILE *out))
{
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);

  print(letter, false, out);
  (void)fclose(out);
  return text;
}

Test(letter, what_is_shown_is_one_line_whatever_the_bytes_are)
{
  struct bench bench;
  json_t *object;
  char *text;

  BENCH(&bench, "\x01\xff", "id", "e\n1", "eventType", "\xff\t", "kafka_dlt-original-topic", "orders", "dlt.error.message", "two\nlines\x1b[31m");
  text = printed(&bench.letter, letter_print_columns);
  cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
  cr_assert_null(strchr(text, '\x1b'));
  free(text);
  text = printed(&bench.letter, letter_print_json);
  cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
  object = json_loads(text, 0, NULL);
  cr_assert_not_null(object, "%s", text);
  cr_assert_str_eq(json_string_value(json_object_get(json_object_get(object, "type"), "base16")), "ff09");
  cr_assert_str_eq(json_string_value(json_object_get(object, "originalTopic")), "orders");
  json_decref(object);
  free(text);
  arena_done(&bench.arena);
}
