/* moment.c - the one place that reads the clocks. */
#include "moment.h"

#include <time.h>

static int64_t clock_us(clockid_t clock)
{
  struct timespec now;

  (void)clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

struct moment moment_now(void)
{
  return (struct moment){clock_us(CLOCK_MONOTONIC), clock_us(CLOCK_REALTIME)};
}
