/*
 * moment.h - time as an argument. Timers use the monotonic half, ages of events and log lines the wall half; nothing below relay.c reads a clock.
 */
#ifndef MOMENT_H
#define MOMENT_H

#include <stdint.h>

enum { US_PER_MS = 1000, US_PER_S = 1000000 };
/* Microseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01. */
#define PG_EPOCH_US INT64_C(946684800000000)

struct moment {
  int64_t mono_us; /* CLOCK_MONOTONIC; never steps */
  int64_t wall_us; /* since 1970-01-01 UTC; may step */
};

/* Microseconds from one time to another, or the nearest that fits: either may be a peer's, and so any number. */
static inline int64_t moment_distance(int64_t from_us, int64_t to_us)
{
  int64_t distance_us;

  if (__builtin_sub_overflow(to_us, from_us, &distance_us)) {
    return to_us > from_us ? INT64_MAX : INT64_MIN;
  }
  return distance_us;
}

/* Reads both clocks. */
struct moment moment_now(void);

#endif
