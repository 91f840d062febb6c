/* in_flight.c - a free list over one array; places that were never needed stay untouched behind it. */
#include "publish/in_flight.h"

#include <stdlib.h>

void in_flight_pool_init(struct in_flight_pool *pool, uint32_t capacity, int64_t max_bytes)
{
  *pool = (struct in_flight_pool){.capacity = capacity, .max_bytes = max_bytes};
  pool->places = aligned_alloc(IN_FLIGHT_LINE, (size_t)capacity * sizeof(pool->places[0]));
  if (pool->places == NULL) {
    abort();
  }
}

void in_flight_pool_done(struct in_flight_pool *pool)
{
  free(pool->places);
  *pool = (struct in_flight_pool){0};
}

static uint32_t record_bytes(const struct record *record)
{
  size_t bytes = record->key.length + record->value.length;

  for (size_t i = 0; i < record->header_count; i++) {
    bytes += IN_FLIGHT_HEADER_BYTES + record->headers[i].name.length + record->headers[i].value.length;
  }
  return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

struct in_flight *in_flight_take(struct in_flight_pool *pool, const struct record *record, uint64_t token)
{
  struct in_flight *place = pool->free;
  uint32_t bytes = record_bytes(record);

  if (pool->count > 0 && pool->bytes + bytes > pool->max_bytes) {
    return NULL;
  }
  if (place != NULL) {
    pool->free = place->next_free;
  } else if (pool->untouched < pool->capacity) {
    place = &pool->places[pool->untouched++];
  } else {
    return NULL;
  }
  *place = (struct in_flight){
      .token = token,
      .position = record->position,
      .entry = (uint32_t)record->entry,
      .partition = record->partition,
      .bytes = bytes,
      .chosen = -1,
  };
  pool->count++;
  pool->bytes += bytes;
  return place;
}

void in_flight_give(struct in_flight_pool *pool, struct in_flight *place)
{
  pool->count--;
  pool->bytes -= place->bytes;
  place->next_free = pool->free;
  pool->free = place;
}
