/*
 * backoff.h - how long to wait before trying again: exponential with full jitter above a floor. Pure; chance is an argument.
 */
#ifndef BACKOFF_H
#define BACKOFF_H

#include <stdint.h>

struct backoff {
  int64_t first_us;
  int64_t max_us;
  uint32_t failures; /* in a row */
};

void backoff_init(struct backoff *backoff, int64_t first_us, int64_t max_us);
/* It failed once more: the delay before the next try, uniform in [cap/2, cap], cap = min(max, first * 2^failures). `chance` is any 64 random bits. */
int64_t backoff_next_us(struct backoff *backoff, uint64_t chance);
/* It worked. */
void backoff_reset(struct backoff *backoff);

/* One step of splitmix64, the source of chance for jitter: returns 64 bits, advances *state. (Steele, Lea, Flood 2014.) */
uint64_t chance_next(uint64_t *state);

#endif
