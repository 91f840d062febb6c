#include <criterion/criterion.h>
#include <math.h>

#include "ops/forecast.h"

#define S INT64_C(1000000)
enum { SAMPLES = 6 };

static const struct forecast_case {
  const char *name;
  size_t count;
  struct {
    int64_t at_s;
    Lsn wal_end;
  } samples[SAMPLES];
  int64_t safe_bytes;
  int64_t now_s;
  double seconds;
} cases[] = {
    {"no sample", 0, {{0, 0}}, 1000, 0, NAN},
    {"one sample", 1, {{0, 500}}, 1000, 0, NAN},
    {"no limit", 2, {{0, 0}, {10, 1000}}, -1, 10, INFINITY},
    {"lost already, even without samples", 0, {{0, 0}}, 0, 0, 0},
    {"no growth", 2, {{0, 1000}, {10, 1000}}, 1000, 10, INFINITY},
    {"a steady rate", 2, {{0, 0}, {10, 1000}}, 5000, 10, 50},
    {"from the oldest to the newest", 3, {{0, 0}, {10, 0}, {20, 2000}}, 1000, 20, 10},
    {"a burst counts by its bytes", 4, {{0, 0}, {10, 9000}, {20, 9000}, {30, 9000}}, 3000, 30, 10},
    {"older than the window does not count", 3, {{0, 0}, {200, 1000000}, {301, 1000101}}, 101, 301, 101},
    {"as old as the window does", 3, {{0, 0}, {200, 0}, {300, 300}}, 7, 300, 7},
    {"only stale samples", 2, {{0, 0}, {10, 1000}}, 5000, 400, NAN},
    {"a position that went back begins anew", 3, {{0, 900000}, {10, 1000000}, {20, 500}}, 1000, 20, NAN},
    {"and goes on from there", 4, {{0, 900000}, {10, 1000000}, {20, 500}, {30, 1500}}, 1000, 30, 10},
    {"two samples at one time", 2, {{10, 0}, {10, 1000}}, 1000, 10, NAN},
    {"far up in the WAL", 2, {{0, UINT64_C(0xFFFFFFFF00000000)}, {10, UINT64_C(0xFFFFFFFF00001000)}}, 4096, 10, 10},
    {"more than 53 bits of bytes are safe", 2, {{0, 0}, {1, 1}}, INT64_MAX, 1, 9223372036854775807.0},
};

Test(forecast, says_in_how_many_seconds_the_slot_is_lost)
{
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct forecast forecast;
    double seconds;

    forecast_init(&forecast);
    for (size_t at = 0; at < cases[i].count; at++) {
      forecast_add(&forecast, cases[i].samples[at].wal_end, cases[i].samples[at].at_s * S);
    }
    seconds = forecast_seconds_to_loss(&forecast, cases[i].safe_bytes, cases[i].now_s * S);
    if (isnan(cases[i].seconds)) {
      cr_assert(isnan(seconds), "%s: %g", cases[i].name, seconds);
    } else if (isinf(cases[i].seconds)) {
      cr_assert(isinf(seconds) && seconds > 0, "%s: %g", cases[i].name, seconds);
    } else {
      cr_assert(fabs(seconds - cases[i].seconds) <= 1e-9 * cases[i].seconds, "%s: %g", cases[i].name, seconds);
    }
  }
}

/* A sample every `step_us`, 1 byte per microsecond before `changed_us`, 3 after; until `end_us`. The forecast for 3,000,000 safe bytes. */
static double forecast_of_two_rates(int64_t step_us, int64_t changed_us, int64_t end_us)
{
  struct forecast forecast;
  int64_t last = 0;

  forecast_init(&forecast);
  for (int64_t at = 0; at <= end_us; at += step_us) {
    forecast_add(&forecast, (Lsn)(at <= changed_us ? at : changed_us + 3 * (at - changed_us)), at);
    last = at;
  }
  cr_assert_leq(forecast.count, FORECAST_SAMPLES_MAX);
  return forecast_seconds_to_loss(&forecast, 3000000, last);
}

Test(forecast, frequent_samples_neither_shorten_the_window_nor_stop_it)
{
  static const int64_t steps[] = {10000, 999983, 2000000, 4687499, 4687500, 4687501, 5000000, 60000000};

  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    double half = forecast_of_two_rates(steps[i], 1000 * S, 1150 * S);

    /* Half of the window at each rate: 2 bytes per microsecond, give or take a sample at the window's edge. */
    cr_assert(fabs(half - 1.5) < 0.15, "every %g s: %g", (double)steps[i] / 1e6, half);
    cr_assert(fabs(forecast_of_two_rates(steps[i], 1000 * S, 1400 * S) - 1.0) < 1e-6, "every %g s: the old rate is remembered", (double)steps[i] / 1e6);
  }
}

Test(forecast, the_newest_sample_counts_at_once)
{
  struct forecast forecast;

  forecast_init(&forecast);
  forecast_add(&forecast, 0, 0);
  forecast_add(&forecast, 0, 10 * S);
  forecast_add(&forecast, 1000, 10 * S + 1);
  cr_assert(fabs(forecast_seconds_to_loss(&forecast, 1000, 11 * S) - 10) < 0.001);
  forecast_add(&forecast, 2000, 10 * S + 2);
  cr_assert(fabs(forecast_seconds_to_loss(&forecast, 1000, 11 * S) - 5) < 0.001);
  cr_assert_eq(forecast.count, 3);
}
