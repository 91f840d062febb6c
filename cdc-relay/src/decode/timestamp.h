/* timestamp.h - reads what PostgreSQL prints for timestamp and timestamptz with DateStyle ISO, in any TimeZone. Pure. */
#ifndef DECODE_TIMESTAMP_H
#define DECODE_TIMESTAMP_H

#include <stdint.h>

#include "span.h"

/*
 * `2026-01-02 03:04:05.678901+00` to microseconds since 1970-01-01 UTC; without an offset the time is taken as UTC. Fraction of one to six digits or none; offset +HH, +HH:MM or
 * +HH:MM:SS; ` BC` behind it. False (*ret_us untouched): infinity, a year after 294246 (it does not fit), the null span, or anything else.
 */
bool timestamp_parse(struct span text, int64_t *ret_us);

#endif
