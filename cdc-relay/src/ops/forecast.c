/*
 * forecast.c - keeps the end of WAL of the last minutes at distances, in a ring, and draws a line from the oldest sample that counts to the newest.
 *
 *   |----- window ------------------------------|
 *   o     o     o     o     o     o     o     o~x    every kept pair is at least one gap apart; the newest (x) moves along until it is
 *   oldest                                   newest
 *
 * A line between two points rather than a fit: one burst of WAL weighs by its bytes, which is what fills the limit.
 */
#include "ops/forecast.h"

#include <math.h>

enum { GAP_US = FORECAST_WINDOW_US / FORECAST_SAMPLES_MAX };

/* The sample `back` places before the newest. */
static const struct forecast_sample *sample_before(const struct forecast *forecast, size_t back)
{
  return &forecast->samples[(forecast->newest + FORECAST_SAMPLES_MAX - back) % FORECAST_SAMPLES_MAX];
}

void forecast_init(struct forecast *forecast)
{
  forecast->count = 0;
  forecast->newest = FORECAST_SAMPLES_MAX - 1;
}

void forecast_add(struct forecast *forecast, Lsn wal_end, int64_t mono_us)
{
  if (forecast->count > 0 && wal_end < sample_before(forecast, 0)->wal_end) {
    forecast_init(forecast);
  }
  if (forecast->count < 2 || sample_before(forecast, 0)->mono_us - sample_before(forecast, 1)->mono_us >= GAP_US) {
    forecast->newest = (forecast->newest + 1) % FORECAST_SAMPLES_MAX;
    forecast->count += forecast->count < FORECAST_SAMPLES_MAX;
  }
  forecast->samples[forecast->newest].mono_us = mono_us;
  forecast->samples[forecast->newest].wal_end = wal_end;
}

double forecast_seconds_to_loss(const struct forecast *forecast, int64_t safe_bytes, int64_t now_us)
{
  const struct forecast_sample *newest = sample_before(forecast, 0);
  const struct forecast_sample *oldest = newest;

  if (safe_bytes <= 0) {
    return safe_bytes == 0 ? 0 : INFINITY;
  }
  for (size_t back = 1; back < forecast->count && now_us - sample_before(forecast, back)->mono_us <= FORECAST_WINDOW_US; back++) {
    oldest = sample_before(forecast, back);
  }
  if (oldest == newest || newest->mono_us <= oldest->mono_us) {
    return NAN;
  }
  if (newest->wal_end == oldest->wal_end) {
    return INFINITY;
  }
  return (double)safe_bytes * ((double)(newest->mono_us - oldest->mono_us) / 1e6) / (double)(newest->wal_end - oldest->wal_end);
}
