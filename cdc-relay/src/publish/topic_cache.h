/*
 * topic_cache.h - librdkafka's topic handles by name, so that publishing costs no search through the client's list of topics.
 *
 * Bounded: when full, all handles are given back and the cache starts empty. That costs no order and no sequence number: the client keeps the topic itself,
 * with its partitions and what is queued for them, and hands out the same one again.
 */
#ifndef PUBLISH_TOPIC_CACHE_H
#define PUBLISH_TOPIC_CACHE_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"

enum { TOPIC_CACHE_MAX = 1024, TOPIC_CACHE_SLOTS = 2 * TOPIC_CACHE_MAX };

struct known_topic {
  rd_kafka_topic_t *handle; /* NULL: free */
  uint64_t hash;            /* fnv1a_64() of its name */
};

struct topic_cache {
  rd_kafka_t *producer;
  size_t count;
  const struct known_topic *last; /* asked for: most records are for the topic of the one before; NULL: none */
  struct known_topic slots[TOPIC_CACHE_SLOTS];
};

void topic_cache_init(struct topic_cache *cache, rd_kafka_t *producer);
/* Gives all handles back; before the producer is destroyed. */
void topic_cache_done(struct topic_cache *cache);

/* What is known for a zero-terminated name, borrowed until the next call. A new one makes the client ask for the topic's metadata. NULL: rd_kafka_last_error(). */
const struct known_topic *topic_cache_get(struct topic_cache *cache, struct span name);

/* Any handle at all, or NULL. */
rd_kafka_topic_t *topic_cache_any(const struct topic_cache *cache);

#endif
