/*
 * event_time.h - the timestamp column's value -> milliseconds since 1970-01-01 UTC, which is what a Kafka record carries. Pure.
 */
#ifndef ROUTE_EVENT_TIME_H
#define ROUTE_EVENT_TIME_H

#include <stdint.h>

#include "span.h"

enum event_time_outcome {
  EVENT_TIME_OK,        /* also times before 1970, which are negative */
  EVENT_TIME_OUTSIDE,   /* infinite, or more than 64 bits */
  EVENT_TIME_MALFORMED, /* no time at all */
};

/*
 * Date and time as PostgreSQL prints timestamptz and timestamp under DateStyle ISO, `2024-01-02 03:04:05.678+00`, and as ISO 8601 writes them, with `T`,
 * `Z` and any number of digits behind the point. Without an offset it is UTC. Less than a millisecond is cut off.
 */
enum event_time_outcome event_time_of_text(struct span text, int64_t *ret_ms);
/* A decimal integer that is the milliseconds. */
enum event_time_outcome event_time_of_integer(struct span text, int64_t *ret_ms);

#endif
