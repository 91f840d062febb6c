/*
 * fetched.h - a record that Kafka gave us, in the form that the parts of the runtime read: a copy, one allocation with all that belongs to it.
 *
 * librdkafka's own message is a view into the answer of a broker, and holds all of it: one record of 1 kB that waits for its retry held up to 16 MiB. A copy holds what
 * `bytes` says, so that who counts these bounds the memory.
 */
#ifndef FETCHED_H
#define FETCHED_H

#include <librdkafka/rdkafka.h>

#include "record.h"
#include "uuid.h"

struct fetched {
  struct record record;  /* points behind this struct */
  size_t bytes;          /* of the allocation */
  char token[UUID_SIZE]; /* of its reservations in Redis, the same for all attempts: a question that Redis reads late writes ours. Empty: it was never asked */
  bool may_be_reserved;  /* Redis may have that token */
};

/* Copies `message`, which is no error, and destroys it. Never fails: out of memory ends the process, which the group survives. */
struct fetched *fetched_new(rd_kafka_message_t *message);
void fetched_free(struct fetched *fetched); /* takes NULL */

#endif
