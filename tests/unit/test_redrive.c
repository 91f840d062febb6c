#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redrive.h"

enum { HEADERS_MAX = 16 };

struct bench {
  struct arena arena;
  struct record_header headers[HEADERS_MAX];
  struct record letter;
};

/* A dead letter with these headers, names and values in turn. */
static void bench_init(struct bench *bench, const char *const *pairs)
{
  size_t count = 0;

  for (; pairs[count * 2] != NULL; count++) {
    bench->headers[count] = (struct record_header){.name = pairs[count * 2], .value = span_of_text(pairs[count * 2 + 1])};
  }
  arena_init(&bench->arena, 4096);
  bench->letter = (struct record){.topic = "orders.dlq", .partition = 2, .offset = 17, .headers = bench->headers, .header_count = count};
}

#define BENCH(bench, ...) bench_init((bench), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* `name=value;` of all, in their order. */
static void assert_redriven(struct bench *bench, const char *expected)
{
  struct record_header *headers;
  size_t count = redrive_headers(&bench->letter, &bench->arena, &headers);
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);

  for (size_t i = 0; i < count; i++) {
    fprintf(out, "%s=%.*s;", headers[i].name, (int)headers[i].value.length, headers[i].value.data);
  }
  (void)fclose(out);
  cr_assert_str_eq(text, expected);
  free(text);
  arena_done(&bench->arena);
}

Test(redrive, what_failed_stays_behind_and_the_events_own_headers_go_on)
{
  struct bench bench;

  BENCH(&bench, "id", "e-1", "eventType", "OrderCreated", "kafka_dlt-original-topic", "orders", "traceparent", "00-aa", "__connect.errors.stage", "x",
        "dlt.attempts", "4");
  assert_redriven(&bench, "id=e-1;eventType=OrderCreated;traceparent=00-aa;redrive.count=1;redrive.of=orders.dlq/2/17;");
}

Test(redrive, headers_that_only_look_like_those_of_a_failure_are_the_events_own)
{
  struct bench bench;

  BENCH(&bench, "dlt", "1", "kafka_dl", "2", "x-dlt.attempts", "3");
  assert_redriven(&bench, "dlt=1;kafka_dl=2;x-dlt.attempts=3;redrive.count=1;redrive.of=orders.dlq/2/17;");
}

Test(redrive, the_count_goes_up_and_stands_there_once)
{
  struct bench bench;

  BENCH(&bench, "redrive.count", "2", "redrive.of", "orders.dlq/0/3", "id", "e-1");
  assert_redriven(&bench, "id=e-1;redrive.count=3;redrive.of=orders.dlq/2/17;");
}

Test(redrive, a_record_without_headers_gets_the_two)
{
  struct bench bench;

  BENCH(&bench);
  assert_redriven(&bench, "redrive.count=1;redrive.of=orders.dlq/2/17;");
}

Test(redrive, a_repeated_header_stays_repeated)
{
  struct bench bench;

  BENCH(&bench, "tag", "a", "tag", "b");
  assert_redriven(&bench, "tag=a;tag=b;redrive.count=1;redrive.of=orders.dlq/2/17;");
}

Test(redrive, a_count_that_is_no_number_is_none)
{
  static const char *const wrong[] = {"", "-1", "three", "1 ", "9999999999"};

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    struct bench bench;

    BENCH(&bench, "redrive.count", wrong[i]);
    cr_assert_eq(redrive_count(&bench.letter), 0, "%s", wrong[i]);
    arena_done(&bench.arena);
  }
}

Test(redrive, a_topic_that_nobody_meant_is_refused)
{
  static const char *const wrong[] = {"", ".", "..", "../etc", "__consumer_offsets", "two words", "orders.dlq"};
  struct problem problem;
  char longest[251];

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    cr_assert_eq(redrive_check_topic(wrong[i], "orders.dlq", &problem), VERDICT_POISON, "%s", wrong[i]);
  }
  memset(longest, 'a', sizeof(longest));
  longest[250] = '\0';
  cr_assert_eq(redrive_check_topic(longest, "orders.dlq", &problem), VERDICT_POISON);
  longest[249] = '\0';
  cr_assert_eq(redrive_check_topic(longest, "orders.dlq", &problem), VERDICT_OK);
  cr_assert_eq(redrive_check_topic("order.created.v1", "orders.dlq", &problem), VERDICT_OK);
}
