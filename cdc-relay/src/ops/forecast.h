/*
 * forecast.h - in how many seconds the slot will be lost if WAL goes on growing as in the last minutes. Pure.
 */
#ifndef OPS_FORECAST_H
#define OPS_FORECAST_H

#include <stddef.h>
#include <stdint.h>

#include "lsn.h"

enum { FORECAST_SAMPLES_MAX = 64 };
/* Samples older than this do not count. */
enum { FORECAST_WINDOW_US = 300000000 };

struct forecast {
  size_t count;
  size_t newest; /* index into samples */
  struct forecast_sample {
    int64_t mono_us;
    Lsn wal_end;
  } samples[FORECAST_SAMPLES_MAX];
};

void forecast_init(struct forecast *forecast);
/* One sample of the server's end of WAL. A position that went back (failover, restore) begins anew. Samples closer than a 64th of the window replace the newest. */
void forecast_add(struct forecast *forecast, Lsn wal_end, int64_t mono_us);
/* `safe_bytes` < 0: no limit -> +Inf. Already 0 -> 0. No two samples of different times yet -> NaN, not known. No growth -> +Inf. Else safe_bytes / rate. */
double forecast_seconds_to_loss(const struct forecast *forecast, int64_t safe_bytes, int64_t now_us);

#endif
