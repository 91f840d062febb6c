/*
 * record.h - a record of Kafka as the parts of the runtime see it, so that they need no Kafka to be tested. All borrowed from whoever fetched it.
 */
#ifndef CONSUMER_RECORD_H
#define CONSUMER_RECORD_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "span.h"

enum { RECORD_PLACE_SIZE = 288 /* TOPIC/PARTITION/OFFSET and a zero */ };

struct record_header {
  const char *name;  /* may be anything, and may repeat */
  struct span value; /* the null span: a header without a value */
};

enum record_time { RECORD_TIME_NONE, RECORD_TIME_CREATED, RECORD_TIME_APPENDED };

struct record {
  const char *topic;
  int32_t partition;
  int64_t offset;
  int64_t timestamp_ms; /* of no meaning with RECORD_TIME_NONE */
  enum record_time time;
  struct span key;
  struct span value;
  size_t header_count;
  const struct record_header *headers;
};

/* The last header of that name, which is the one that counts among those who add to a record on its way. NULL: none. */
static inline const struct record_header *record_find_header(const struct record *record, const char *name)
{
  for (size_t i = record->header_count; i > 0; i--) {
    if (strcmp(record->headers[i - 1].name, name) == 0) {
      return &record->headers[i - 1];
    }
  }
  return NULL;
}

/* TOPIC/PARTITION/OFFSET: where people look for it. */
static inline void record_place(const struct record *record, char ret_place[RECORD_PLACE_SIZE])
{
  (void)snprintf(ret_place, RECORD_PLACE_SIZE, "%s/%" PRId32 "/%" PRId64, record->topic, record->partition, record->offset);
}

#endif
