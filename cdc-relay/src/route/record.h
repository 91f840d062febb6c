/*
 * record.h - what goes to Kafka for one outbox event. All spans are borrowed from the arena and the message that the event was routed with, until the
 * next reset of that arena; the publisher copies what it takes.
 */
#ifndef ROUTE_RECORD_H
#define ROUTE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "lsn.h"
#include "span.h"

/* Where an event stands: unique, known when its transaction begins, the same after a redelivery. Text form: `<commit LSN>/<index>`, `16/B374D848/0`. */
struct position {
  Lsn commit_lsn;
  uint64_t index; /* of the event in its transaction, from 0 */
};

enum { POSITION_TEXT_SIZE = LSN_TEXT_SIZE + 21 };

struct position_text {
  char text[POSITION_TEXT_SIZE];
};

struct position_text position_text(struct position position);
/* < 0, 0, > 0 as a stands before, at or behind b. */
int position_compare(struct position a, struct position b);
/* Reads the text form; OK or FATAL. */
enum verdict MUST_CHECK position_parse(const char *text, struct position *ret_position);

enum { RECORD_PARTITION_BY_KEY = -1 };

struct header {
  struct span name;  /* zero-terminated */
  struct span value; /* null span = null header */
};

struct record {
  struct span topic;    /* legal, on the allow list, zero-terminated */
  struct span key;      /* neither null nor empty but in the dead letter of a row that is poison for that */
  struct span value;    /* null span = tombstone */
  int64_t timestamp_ms; /* since 1970-01-01 UTC */
  int32_t partition;    /* RECORD_PARTITION_BY_KEY, or one that is to be checked against the topic's count */
  size_t header_count;
  const struct header *headers; /* in order */

  /* For log, metrics and dead letters; not sent by themselves. */
  struct span event_id; /* null when the table has none */
  struct position position;
  size_t entry; /* index of the outbox entry in the configuration */
};

#endif
