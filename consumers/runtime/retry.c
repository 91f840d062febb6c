/*
 * retry.c - three policies and the endless one, each a pure function of how often it failed.
 *
 *   failures        1      2      3      4
 *   DELAYS 1,2,4    1      2      4      give up
 *   FIXED 2 x 3     2      2      2      give up
 *   EXPONENTIAL     [0,1]  [0,2]  [0,4]  ...      first 1, as often as `retries` says
 */
#include "retry.h"

#include "backoff.h"

/* first * 2^(failures - 1), at most `most`. By doubling: a shift would overflow. */
static int64_t doubled_ms(int64_t first_ms, int64_t most_ms, uint32_t failures)
{
  int64_t cap_ms = first_ms;

  for (uint32_t i = 1; i < failures && cap_ms < most_ms && cap_ms > 0; i++) {
    cap_ms = cap_ms > most_ms / 2 ? most_ms : cap_ms * 2;
  }
  return cap_ms < most_ms ? cap_ms : most_ms;
}

/* How many delays are listed. */
static uint32_t delay_count(const struct retry_policy *policy)
{
  uint32_t count = 0;

  while (count < CONSUMER_DELAYS_MAX && policy->delays_ms[count] > 0) {
    count++;
  }
  return count;
}

static uint32_t retries_max(const struct retry_policy *policy)
{
  switch (policy->kind) {
  case RETRY_DELAYS:
    return delay_count(policy);
  case RETRY_FIXED:
  case RETRY_EXPONENTIAL:
    return policy->retries;
  }
  return 0;
}

int64_t retry_delay_ms(const struct retry_policy *policy, uint32_t failures, uint64_t chance)
{
  int64_t cap_ms;

  if (failures == 0) {
    return 0;
  }
  if (failures > retries_max(policy)) {
    return RETRY_GIVE_UP;
  }
  switch (policy->kind) {
  case RETRY_DELAYS:
    return policy->delays_ms[failures - 1];
  case RETRY_FIXED:
    return policy->first_ms > 0 ? policy->first_ms : 0;
  case RETRY_EXPONENTIAL:
    cap_ms = doubled_ms(policy->first_ms, policy->most_ms, failures);
    return cap_ms > 0 ? (int64_t)(chance % ((uint64_t)cap_ms + 1)) : 0;
  }
  return RETRY_GIVE_UP;
}

int64_t retry_transient_delay_ms(uint32_t failures, uint64_t chance)
{
  struct backoff backoff;

  backoff_init(&backoff, RETRY_TRANSIENT_FIRST_MS, RETRY_TRANSIENT_MOST_MS);
  backoff.failures = failures > 0 ? failures - 1 : 0;
  return backoff_next_us(&backoff, chance); /* the unit is the caller's: what goes in in ms comes out in ms */
}

uint32_t retry_attempts_max(const struct retry_policy *policy)
{
  uint32_t retries = retries_max(policy);

  return retries < UINT32_MAX ? retries + 1 : UINT32_MAX;
}
