#include "instrument.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

static void assert_text(struct instruments *instruments, const char *expected)
{
  size_t length = 0;
  char *text = instruments_text(instruments, &length);

  cr_assert_str_eq(text, expected);
  cr_assert_eq(length, strlen(expected));
  free(text);
}

static void assert_has(struct instruments *instruments, const char *line)
{
  size_t length = 0;
  char *text = instruments_text(instruments, &length);

  cr_assert_not_null(strstr(text, line), "%s", text);
  free(text);
}

static size_t count_of(const char *text, const char *what)
{
  size_t count = 0;

  for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
    count++;
  }
  return count;
}

#define LABELS(...) ((const char *const[]){__VA_ARGS__})

Test(instrument, an_empty_collection_is_an_empty_text)
{
  struct instruments *instruments = instruments_new();

  assert_text(instruments, "");
  instruments_free(instruments);
  instruments_free(NULL);
}

Test(instrument, families_show_before_anything_happened)
{
  struct instruments *instruments = instruments_new();

  (void)instrument_counter(instruments, "a_total", "what a is", "");
  (void)instrument_gauge(instruments, "b", "what b is", "");
  (void)instrument_counter(instruments, "c_total", "what c is", "route,status");
  (void)instrument_histogram(instruments, "d_seconds", "what d is", "", (const double[]){0.5, 2, 0});
  (void)instrument_histogram(instruments, "e_seconds", "what e is", "topic", NULL);
  assert_text(instruments, "# HELP a_total what a is\n# TYPE a_total counter\na_total 0\n"
                           "# HELP b what b is\n# TYPE b gauge\nb 0\n"
                           "# HELP c_total what c is\n# TYPE c_total counter\n"
                           "# HELP d_seconds what d is\n# TYPE d_seconds histogram\n"
                           "d_seconds_bucket{le=\"0.5\"} 0\nd_seconds_bucket{le=\"2\"} 0\nd_seconds_bucket{le=\"+Inf\"} 0\nd_seconds_sum 0\nd_seconds_count 0\n"
                           "# HELP e_seconds what e is\n# TYPE e_seconds histogram\n");
  instruments_free(instruments);
}

Test(instrument, counters_and_gauges_change)
{
  struct instruments *instruments = instruments_new();
  struct instrument *counter = instrument_counter(instruments, "c_total", "c", "route,status");
  struct instrument *gauge = instrument_gauge(instruments, "g", "g", "");

  instrument_add(counter, 1, "/a", "200");
  instrument_add(counter, 2.5, "/a", "200");
  instrument_add(counter, 1, "/a", "404");
  instrument_add(counter, 1, "/b", "200");
  instrument_set(gauge, 5);
  instrument_add(gauge, -7);
  assert_text(instruments, "# HELP c_total c\n# TYPE c_total counter\nc_total{route=\"/a\",status=\"200\"} 3.5\nc_total{route=\"/a\",status=\"404\"} 1\n"
                           "c_total{route=\"/b\",status=\"200\"} 1\n# HELP g g\n# TYPE g gauge\ng -2\n");
  cr_assert_eq(instrument_value(counter, LABELS("/a", "200")), 3.5);
  cr_assert_eq(instrument_value(counter, LABELS("/c", "200")), 0);
  cr_assert_eq(instrument_value(gauge, NULL), -2);
  assert_has(instruments, "c_total{route=\"/b\",status=\"200\"} 1\n# HELP g"); /* asking made no series */
  instruments_free(instruments);
}

Test(instrument, a_counter_never_falls_and_nan_spoils_nothing)
{
  struct instruments *instruments = instruments_new();
  struct instrument *counter = instrument_counter(instruments, "c_total", "c", "");
  struct instrument *histogram = instrument_histogram(instruments, "h", "h", "", NULL);

  instrument_add(counter, 3);
  instrument_add(counter, -1);
  instrument_add(counter, NAN);
  cr_assert_eq(instrument_value(counter, NULL), 3);
  instrument_observe(histogram, 1);
  instrument_observe(histogram, NAN);
  cr_assert_eq(instrument_value(histogram, NULL), 1);
  assert_has(instruments, "h_sum 1\n");
  instruments_free(instruments);
}

Test(instrument, buckets_are_cumulative_and_take_their_bound)
{
  struct instruments *instruments = instruments_new();
  struct instrument *histogram = instrument_histogram(instruments, "h_seconds", "h", "topic", (const double[]){0.01, 0.1, 1, 0});
  static const double values[] = {0, 0.01, 0.0100001, 0.1, 0.5, 1, 1.5, 1000};

  for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
    instrument_observe(histogram, values[i], "t");
  }
  instrument_observe(histogram, 0.05, "u");
  assert_text(instruments, "# HELP h_seconds h\n# TYPE h_seconds histogram\n"
                           "h_seconds_bucket{topic=\"t\",le=\"0.01\"} 2\nh_seconds_bucket{topic=\"t\",le=\"0.1\"} 4\nh_seconds_bucket{topic=\"t\",le=\"1\"} 6\n"
                           "h_seconds_bucket{topic=\"t\",le=\"+Inf\"} 8\nh_seconds_sum{topic=\"t\"} 1003.1200001\nh_seconds_count{topic=\"t\"} 8\n"
                           "h_seconds_bucket{topic=\"u\",le=\"0.01\"} 0\nh_seconds_bucket{topic=\"u\",le=\"0.1\"} 1\nh_seconds_bucket{topic=\"u\",le=\"1\"} 1\n"
                           "h_seconds_bucket{topic=\"u\",le=\"+Inf\"} 1\nh_seconds_sum{topic=\"u\"} 0.05\nh_seconds_count{topic=\"u\"} 1\n");
  cr_assert_eq(instrument_value(histogram, LABELS("t")), 8);
  instruments_free(instruments);
}

Test(instrument, the_bounds_that_nobody_gave_go_from_a_millisecond_to_half_a_minute)
{
  struct instruments *instruments = instruments_new();

  (void)instrument_histogram(instruments, "h", "h", "", NULL);
  assert_has(instruments, "h_bucket{le=\"0.001\"} 0\nh_bucket{le=\"0.0025\"} 0\n");
  assert_has(instruments, "h_bucket{le=\"10\"} 0\nh_bucket{le=\"30\"} 0\nh_bucket{le=\"+Inf\"} 0\n");
  instruments_free(instruments);
}

Test(instrument, values_and_help_are_escaped)
{
  struct instruments *instruments = instruments_new();
  struct instrument *gauge = instrument_gauge(instruments, "g", "a \"b\" \\ c\nd", "v");

  instrument_set(gauge, 1, "a\"b\\c\nd");
  instrument_set(gauge, 2, "gr\xc3\xbc\xc3\x9f\xff");
  instrument_set(gauge, 3, "");
  instrument_set(gauge, 4, (const char *)NULL);
  assert_text(instruments, "# HELP g a \"b\" \\\\ c\\nd\n# TYPE g gauge\ng{v=\"a\\\"b\\\\c\\nd\"} 1\ng{v=\"gr\xc3\xbc\xc3\x9f\xef\xbf\xbd\"} 2\ng{v=\"\"} 4\n");
  instruments_free(instruments);
}

Test(instrument, values_that_only_differ_in_where_they_end_are_different)
{
  struct instruments *instruments = instruments_new();
  struct instrument *counter = instrument_counter(instruments, "c_total", "c", "a,b");

  instrument_add(counter, 1, "ab", "c");
  instrument_add(counter, 2, "a", "bc");
  instrument_add(counter, 4, "abc", "");
  cr_assert_eq(instrument_value(counter, LABELS("ab", "c")), 1);
  cr_assert_eq(instrument_value(counter, LABELS("a", "bc")), 2);
  cr_assert_eq(instrument_value(counter, LABELS("abc", "")), 4);
  instruments_free(instruments);
}

Test(instrument, series_are_bounded_and_the_rest_is_counted_together)
{
  struct instruments *instruments = instruments_new();
  struct instrument *counter = instrument_counter(instruments, "c_total", "c", "a,b");
  struct instrument *another = instrument_counter(instruments, "d_total", "d", "a");
  size_t length = 0;
  char *text;

  for (int i = 0; i < 3 * INSTRUMENT_SERIES_MAX; i++) {
    char value[16];

    (void)snprintf(value, sizeof(value), "%d", i);
    instrument_add(counter, 1, value, "x");
  }
  instrument_add(counter, 1, "0", "x"); /* one of those that are there */
  instrument_add(another, 1, "a");
  text = instruments_text(instruments, &length);
  cr_assert_eq(count_of(text, "\nc_total{"), INSTRUMENT_SERIES_MAX + 1);
  cr_assert_not_null(strstr(text, "c_total{a=\"0\",b=\"x\"} 2\n"));
  cr_assert_not_null(strstr(text, "c_total{a=\"511\",b=\"x\"} 1\n"));
  cr_assert_null(strstr(text, "c_total{a=\"512\""));
  cr_assert_not_null(strstr(text, "c_total{a=\"other\",b=\"other\"} 1024\n"));
  cr_assert_not_null(strstr(text, "d_total{a=\"a\"} 1\n"));
  free(text);
  instruments_free(instruments);
}

Test(instrument, a_long_value_is_cut_between_characters)
{
  struct instruments *instruments = instruments_new();
  struct instrument *counter = instrument_counter(instruments, "c_total", "c", "a,b,c,d");
  char value[392] = "x"; /* and 130 characters of three bytes */
  size_t length = 0;
  char *text;

  for (size_t at = 1; at < sizeof(value) - 1; at += 3) {
    (void)snprintf(value + at, sizeof(value) - at, "\xea\xb0\x80");
  }
  instrument_add(counter, 1, value, value, value, value);
  text = instruments_text(instruments, &length);
  cr_assert(utf8_is_valid(span_of(text, length)));
  cr_assert_null(strstr(text, "\xef\xbf\xbd"));
  cr_assert(length > 500 && length < 700, "%zu", length);
  cr_assert_eq(instrument_value(counter, LABELS(value, value, value, value)), 1);
  free(text);
  instruments_free(instruments);
}

Test(instrument, numbers_are_written_so_that_they_are_read_again)
{
  struct instruments *instruments = instruments_new();
  struct instrument *gauge = instrument_gauge(instruments, "g", "g", "n");

  instrument_set(gauge, 1e15, "big");
  instrument_set(gauge, 1.0 / 3, "third");
  instrument_set(gauge, 9007199254740993.0, "long");
  instrument_set(gauge, INFINITY, "infinite");
  instrument_set(gauge, -INFINITY, "least");
  instrument_set(gauge, NAN, "none");
  assert_has(instruments, "{n=\"big\"} 1e+15\n");
  assert_has(instruments, "{n=\"third\"} 0.33333333333333331\n");
  assert_has(instruments, "{n=\"long\"} 9007199254740992\n");
  assert_has(instruments, "{n=\"infinite\"} +Inf\n");
  assert_has(instruments, "{n=\"least\"} -Inf\n");
  assert_has(instruments, "{n=\"none\"} NaN\n");
  instruments_free(instruments);
}

Test(instrument, a_name_that_is_there_gives_the_same_family)
{
  struct instruments *instruments = instruments_new();
  struct instrument *first = instrument_counter(instruments, "c_total", "c", "a");

  cr_assert_eq(instrument_counter(instruments, "c_total", "c", "a"), first);
  cr_assert_neq(instrument_counter(instruments, "d_total", "d", "a"), first);
  instruments_free(instruments);
}

enum { THREADS = 4, ROUNDS = 20000 };

struct crowd {
  struct instruments *instruments;
  struct instrument *counter, *histogram;
};

static void *hurry(void *argument)
{
  struct crowd *crowd = argument;

  for (int i = 0; i < ROUNDS; i++) {
    char value[16];

    (void)snprintf(value, sizeof(value), "%d", i % 700);
    instrument_add(crowd->counter, 1, value);
    instrument_observe(crowd->histogram, i % 3, "h");
    if (i % 1000 == 0) {
      size_t length = 0;

      free(instruments_text(crowd->instruments, &length));
    }
  }
  return NULL;
}

Test(instrument, nothing_is_lost_between_threads)
{
  struct crowd crowd = {.instruments = instruments_new()};
  pthread_t threads[THREADS];
  double sum = 0;

  crowd.counter = instrument_counter(crowd.instruments, "c_total", "c", "n");
  crowd.histogram = instrument_histogram(crowd.instruments, "h", "h", "n", NULL);
  for (int i = 0; i < THREADS; i++) {
    cr_assert_eq(pthread_create(&threads[i], NULL, hurry, &crowd), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    (void)pthread_join(threads[i], NULL);
  }
  for (int i = 0; i < 700; i++) {
    char value[16];

    (void)snprintf(value, sizeof(value), "%d", i);
    sum += instrument_value(crowd.counter, LABELS(value));
  }
  sum += instrument_value(crowd.counter, LABELS("other"));
  cr_assert_eq(sum, THREADS * ROUNDS, "%g", sum);
  cr_assert_eq(instrument_value(crowd.histogram, LABELS("h")), THREADS * ROUNDS);
  instruments_free(crowd.instruments);
}
