/*
 * retry.h - how long to wait before an event that failed is tried again. Pure; chance is an argument.
 *
 *   unknown failures     the consumer's policy: `failures` retries at most, then RETRY_GIVE_UP, which means the dead letter
 *   transient failures   without end: 1 s, doubled up to 30 s, drawn from the upper half of each
 */
#ifndef CONSUMER_RETRY_H
#define CONSUMER_RETRY_H

#include <stdint.h>

#include "consumer.h"

enum { RETRY_TRANSIENT_FIRST_MS = 1000, RETRY_TRANSIENT_MOST_MS = 30000 };

#define RETRY_GIVE_UP INT64_C(-1)

/*
 * The delay before the next attempt after so many failures that count, from 1. `chance` is any 64 random bits, for EXPONENTIAL alone: uniform in
 * [0, min(most, first * 2^(failures - 1))], so that consumers that failed together do not come back together.
 */
int64_t retry_delay_ms(const struct retry_policy *policy, uint32_t failures, uint64_t chance);

/* The same after so many transient failures in a row, from 1. Never gives up. */
int64_t retry_transient_delay_ms(uint32_t failures, uint64_t chance);

/* Attempts that the policy allows in all, the first included: for the words `attempt 2 of 4`. */
uint32_t retry_attempts_max(const struct retry_policy *policy);

#endif
