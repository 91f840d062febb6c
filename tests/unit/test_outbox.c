#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "outbox_priv.h"

Test(outbox, time_has_six_digits_and_a_z_unless_local)
{
  char text[OUTBOX_TIME_SIZE];

  outbox_time(INT64_C(1737800130123456), false, text);
  cr_assert_str_eq(text, "2025-01-25T10:15:30.123456Z");
  outbox_time(INT64_C(1737800130123456), true, text);
  cr_assert_str_eq(text, "2025-01-25T10:15:30.123456");
  outbox_time(INT64_C(1737800130000007), false, text);
  cr_assert_str_eq(text, "2025-01-25T10:15:30.000007Z");
}

Test(outbox, time_is_utc_whatever_the_zone)
{
  char text[OUTBOX_TIME_SIZE];

  (void)setenv("TZ", "Asia/Seoul", 1);
  tzset();
  outbox_time(INT64_C(1737800130123456), true, text);
  cr_assert_str_eq(text, "2025-01-25T10:15:30.123456");
}

Test(outbox, time_at_the_edges)
{
  char text[OUTBOX_TIME_SIZE];

  outbox_time(0, false, text);
  cr_assert_str_eq(text, "1970-01-01T00:00:00.000000Z");
  outbox_time(-1, false, text); /* the microsecond before */
  cr_assert_str_eq(text, "1969-12-31T23:59:59.999999Z");
  outbox_time(INT64_C(253402300799999999), false, text);
  cr_assert_str_eq(text, "9999-12-31T23:59:59.999999Z");
}

static void expect_headers(const struct outbox_event *event, const char *expected)
{
  char *headers = outbox_headers("order-service", event, INT64_C(1737800130123456));

  cr_assert_str_eq(headers, expected);
  free(headers);
}

Test(outbox, headers_of_a_request)
{
  struct origin origin = {.correlation_id = "c-1", .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};

  expect_headers(&(struct outbox_event){.origin = &origin},
                 "{\"source\":\"order-service\",\"timestamp\":\"2025-01-25T10:15:30.123456Z\",\"version\":\"1.0\","
                 "\"correlationId\":\"c-1\",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}");
}

Test(outbox, headers_of_what_an_event_caused)
{
  struct origin origin = {.correlation_id = "a \"b\"", .causation_id = "e-1"};

  expect_headers(&(struct outbox_event){.origin = &origin, .version = "2.3"},
                 "{\"source\":\"order-service\",\"timestamp\":\"2025-01-25T10:15:30.123456Z\",\"version\":\"2.3\","
                 "\"correlationId\":\"a \\\"b\\\"\",\"causationId\":\"e-1\"}");
}

Test(outbox, headers_without_an_origin)
{
  expect_headers(&(struct outbox_event){0}, "{\"source\":\"order-service\",\"timestamp\":\"2025-01-25T10:15:30.123456Z\",\"version\":\"1.0\"}");
}

Test(outbox, a_correlation_id_that_is_no_text_is_left_out)
{
  struct origin origin = {.correlation_id = "\xff\xfe", .causation_id = "\xed\x95\x9c"};

  expect_headers(&(struct outbox_event){.origin = &origin},
                 "{\"source\":\"order-service\",\"timestamp\":\"2025-01-25T10:15:30.123456Z\",\"version\":\"1.0\",\"causationId\":\"\xed\x95\x9c\"}");
}
