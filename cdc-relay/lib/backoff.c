/*
 * backoff.c - delays that double up to a limit, drawn from the upper half of each.
 *
 *   failure    1st            2nd             3rd            ...
 *   delay      [f/2, f]       [f, 2f]         [2f, 4f]       never above max
 *
 * The lower half is left out so that a server that comes back is not met at once by everybody who drew a small number.
 */
#include "backoff.h"

void backoff_init(struct backoff *backoff, int64_t first_us, int64_t max_us)
{
  backoff->first_us = first_us;
  backoff->max_us = max_us;
  backoff->failures = 0;
}

/* Doubles by doubling: a shift by the number of failures would overflow after 63 of them. */
static int64_t cap_us(const struct backoff *backoff)
{
  int64_t cap = backoff->first_us;

  for (uint32_t i = 0; i < backoff->failures && cap < backoff->max_us; i++) {
    if (cap <= 0) {
      return 0;
    }
    cap = cap > backoff->max_us / 2 ? backoff->max_us : cap * 2;
  }
  return cap < backoff->max_us ? cap : backoff->max_us;
}

int64_t backoff_next_us(struct backoff *backoff, uint64_t chance)
{
  const int64_t cap = cap_us(backoff);

  if (backoff->failures < UINT32_MAX) {
    backoff->failures++;
  }
  if (cap <= 0) {
    return 0;
  }
  return cap - (int64_t)(chance % ((uint64_t)cap / 2 + 1));
}

void backoff_reset(struct backoff *backoff)
{
  backoff->failures = 0;
}

uint64_t chance_next(uint64_t *state)
{
  uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}
