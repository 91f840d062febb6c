/*
 * in_flight.h - a fixed number of places, and of bytes, for records that were handed to the client and not yet reported. A place is the message's opaque value.
 * The bytes are counted here because librdkafka counts those of values alone against its limit: keys and headers are free to it. Pure.
 */
#ifndef PUBLISH_IN_FLIGHT_H
#define PUBLISH_IN_FLIGHT_H

#include <stdint.h>

#include "route/record.h"

/* One line of the cache: nobody has touched a place since its record was sent, so that each line of it costs a read from memory. */
struct in_flight {
  uint64_t token;
  struct position position;
  uint64_t home; /* proven.h: where the client put it; 0: it did not say at once */
  uint32_t entry;
  uint32_t bytes;    /* of the memory that the client has for it: key, value and headers */
  int32_t partition; /* asked for; RECORD_PARTITION_BY_KEY: by key. Read by the partitioner, on the client's threads too */
  int error;         /* the publisher's, while it keeps a report back */
  /* The partition that the client chose, -1 before. Written by the partitioner, which may run on a thread of the client's. */
  _Atomic int32_t chosen;
  _Atomic int32_t partitions; /* how many it chose from, 0 before; likewise */
  struct in_flight *next_free;
};

enum {
  IN_FLIGHT_LINE = 64,
  IN_FLIGHT_HEADER_BYTES = 72, /* what the client needs for a header beside name and value (measured: 67 to 77) */
};

_Static_assert(sizeof(struct in_flight) == IN_FLIGHT_LINE, "a place is one line of the cache");

struct in_flight_pool {
  struct in_flight *places;
  struct in_flight *free; /* given back, newest first */
  uint32_t capacity;
  uint32_t untouched; /* places from here on were never used, so their memory is not resident */
  uint32_t count;
  int64_t bytes;
  int64_t max_bytes;
};

void in_flight_pool_init(struct in_flight_pool *pool, uint32_t capacity, int64_t max_bytes);
void in_flight_pool_done(struct in_flight_pool *pool);

/*
 * A place for this record, its bytes added to the pool's. NULL when all are taken, or when the record would take the bytes beyond their limit; one that does so by
 * itself has the pool to itself.
 */
struct in_flight *in_flight_take(struct in_flight_pool *pool, const struct record *record, uint64_t token);
void in_flight_give(struct in_flight_pool *pool, struct in_flight *place);

#endif
