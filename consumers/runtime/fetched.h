/*
 * fetched.h - a record that Kafka gave us, in the form that the parts of the runtime read: one allocation with its headers, which keeps librdkafka's message until the end.
 */
#ifndef FETCHED_H
#define FETCHED_H

#include <librdkafka/rdkafka.h>

#include "record.h"
#include "uuid.h"

struct fetched {
  rd_kafka_message_t *message; /* owned */
  struct record record;        /* points into the message and behind this struct */
  size_t bytes;                /* that it holds in memory, about */
  char token[UUID_SIZE];       /* of a reservation in Redis; empty where there is none, for certain */
};

/* Takes `message`, which is no error. Never fails: out of memory ends the process, which the group survives. */
struct fetched *fetched_new(rd_kafka_message_t *message);
void fetched_free(struct fetched *fetched); /* takes NULL */

#endif
