/* test_router_values.c - the small readers and writers below the router: base64, hexadecimal, times, trace contexts. */
#include <criterion/criterion.h>

#include "route/encoding.h"
#include "route/event_time.h"
#include "route/traceparent.h"

static struct arena arena;

static void setup(void)
{
  arena_init(&arena, 4096);
}

static void teardown(void)
{
  arena_done(&arena);
}

TestSuite(router_values, .init = setup, .fini = teardown);

Test(router_values, base64_of_every_length_comes_back)
{
  char bytes[64];
  char text[128];

  for (size_t i = 0; i < sizeof(bytes); i++) {
    bytes[i] = (char)(unsigned char)(i * 37 + 250);
  }
  for (size_t length = 0; length <= sizeof(bytes); length++) {
    char *end = base64_write(text, span_of(bytes, length));
    struct span back;

    cr_assert_eq((size_t)(end - text), base64_length(length));
    cr_assert(base64_decode(span_of(text, (size_t)(end - text)), &arena, &back));
    cr_assert(span_equals(back, span_of(bytes, length)));
  }
}

/* RFC 4648 section 10. */
Test(router_values, base64_is_the_one_of_the_standard)
{
  static const char *const cases[][2] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char text[16];
    char *end = base64_write(text, span_of_text(cases[i][0]));

    cr_assert(span_is(span_of(text, (size_t)(end - text)), cases[i][1]));
  }
}

Test(router_values, hexadecimal_of_either_case)
{
  struct span bytes;

  cr_assert(hex_decode(span_of_text("00aAfF"), &arena, &bytes));
  cr_assert(span_equals(bytes, span_of("\x00\xaa\xff", 3)));
  cr_assert(hex_decode(span_of_text(""), &arena, &bytes));
  cr_assert(span_is(bytes, ""));
  cr_assert_not(hex_decode(span_of_text("0"), &arena, &bytes));
  cr_assert_not(hex_decode(span_of_text("0x"), &arena, &bytes));
  cr_assert_not(hex_decode(span_of_text("\\x00"), &arena, &bytes));
}

Test(router_values, times_as_text)
{
  static const struct {
    const char *text;
    enum event_time_outcome outcome;
    int64_t ms;
  } cases[] = {
      {"1970-01-01 00:00:00+00", EVENT_TIME_OK, 0},
      {"2024-02-29 23:59:59.9999+00", EVENT_TIME_OK, 1709251199999},
      {"2024-02-29T23:59:59.999999999Z", EVENT_TIME_OK, 1709251199999},
      {"2024-02-29T23:59:59.123456789+01:00", EVENT_TIME_OK, 1709247599123},
      {"infinity", EVENT_TIME_OUTSIDE, 0},
      {"2023-02-29 00:00:00+00", EVENT_TIME_MALFORMED, 0},
      {"2023-02-28", EVENT_TIME_MALFORMED, 0},
      {"2023-02-28 00:00:00ZZ", EVENT_TIME_MALFORMED, 0},
      {"2023-02-28 00:00:00.", EVENT_TIME_MALFORMED, 0},
      {"Z", EVENT_TIME_MALFORMED, 0},
      {"", EVENT_TIME_MALFORMED, 0},
      {"2024-02-29 23:59:59.0000000000000000000000000000000000000000000000000000000000000000", EVENT_TIME_MALFORMED, 0},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int64_t ms = 0;

    cr_assert_eq(event_time_of_text(span_of_text(cases[i].text), &ms), cases[i].outcome, "%s", cases[i].text);
    cr_assert_eq(ms, cases[i].ms, "%s: %ld", cases[i].text, (long)ms);
  }
}

Test(router_values, times_as_integers)
{
  static const struct {
    const char *text;
    enum event_time_outcome outcome;
    int64_t ms;
  } cases[] = {
      {"0", EVENT_TIME_OK, 0},
      {"-9223372036854775808", EVENT_TIME_OK, INT64_MIN},
      {"9223372036854775808", EVENT_TIME_OUTSIDE, 0},
      {"100000000000000000000", EVENT_TIME_OUTSIDE, 0},
      {"-", EVENT_TIME_MALFORMED, 0},
      {"", EVENT_TIME_MALFORMED, 0},
      {"+1", EVENT_TIME_MALFORMED, 0},
      {" 1", EVENT_TIME_MALFORMED, 0},
      {"1x", EVENT_TIME_MALFORMED, 0},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int64_t ms = 0;

    cr_assert_eq(event_time_of_integer(span_of_text(cases[i].text), &ms), cases[i].outcome, "%s", cases[i].text);
    cr_assert_eq(ms, cases[i].ms, "%s", cases[i].text);
  }
}

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Test(router_values, trace_contexts)
{
  static const struct {
    const char *properties;
    bool is_found;
  } cases[] = {
      {"traceparent=" TRACE, true},
      {"#comment\r\n!other\r\ntraceparent = " TRACE "\r\ntracestate=x\r\n", true},
      {"  traceparent:" TRACE "\n", true},
      {"traceparent " TRACE "\n", true},
      {"traceparent=00\\-0af7651916cd43dd8448eb211c80319c\\-b7ad6b7169203331\\-01", true},
      {"traceparent=x\ntraceparent=" TRACE, true},
      {"traceparent=" TRACE "\ntraceparent=x", false},
      {"#traceparent=" TRACE, false},
      {"xtraceparent=" TRACE, false},
      {"traceparents=" TRACE, false},
      {"traceparent=" TRACE " ", false},
      {"traceparent=" TRACE "0", false},
      {"traceparent=00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
      {"traceparent=00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
      {"traceparent=ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
      {"traceparent=00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false},
      {"traceparent=00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
      {"traceparent", false},
      {"traceparent=\\", false},
      {"", false},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct span found = {NULL, 0};

    cr_assert_eq(traceparent_find(span_of_text(cases[i].properties), &arena, &found), cases[i].is_found, "%s", cases[i].properties);
    cr_assert(span_is(found, cases[i].is_found ? TRACE : NULL));
  }
}
