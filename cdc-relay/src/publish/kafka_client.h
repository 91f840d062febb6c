/*
 * kafka_client.h - one life of a librdkafka producer, with everything that lives and dies with it: its event queue, its topic handles, the places of its
 * records in flight. A publisher that begins anew gets a new client; the old one is ended on a thread of its own, because that can block.
 */
#ifndef PUBLISH_KAFKA_CLIENT_H
#define PUBLISH_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "config/config.h"
#include "publish/hurry.h"
#include "publish/in_flight.h"
#include "publish/proven.h"
#include "publish/topic_cache.h"
#include "verdict.h"

struct kafka_client {
  rd_kafka_t *producer;
  rd_kafka_queue_t *queue; /* reports, errors and log lines */
  struct hurry *hurry;
  bool lingers_for_us;     /* else the linger.ms is the user's, and holds for every event that has company */
  rd_kafka_event_t *event; /* taken from the queue and not yet read to its end; NULL: none */
  struct in_flight_pool pool;
  struct topic_cache topics;
  struct proven proven;
  const struct in_flight *first; /* the first record to its partition, on its way alone: nothing is published until its report is there; NULL: none */
};

/*
 * Makes a client whose queue writes to the eventfd `wake_fd` when it is no longer empty, and has it fetch the metadata of the topics that the configuration
 * names exactly. Does not block, does not wait for a connection. NULL with `problem` (verdict RETRY: files of certificates may be in the middle of a change).
 */
struct kafka_client *kafka_client_new(const struct config *config, int wake_fd, struct problem *problem);

/* A client on its way out. */
struct kafka_client_end;

/* Takes the client. What it holds is purged; nothing of it touches `wake_fd` from here on, but one write when it is gone. Does not block. */
struct kafka_client_end *kafka_client_end_begin(struct kafka_client *client, int wake_fd);
bool kafka_client_end_is_done(const struct kafka_client_end *end);
/* Waits until it is done, at most so long. Blocks. */
void kafka_client_end_wait(const struct kafka_client_end *end, int timeout_ms);
/* Turns away from it, done or not; if not, its thread frees what is left whenever it gets there. Takes NULL. */
void kafka_client_end_free(struct kafka_client_end *end);

#endif
