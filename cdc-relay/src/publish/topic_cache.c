/* topic_cache.c - an open-addressing table, at most half full, cleared as a whole and therefore without deletion. */
#include "publish/topic_cache.h"

#include <string.h>

#include "fnv1a.h"

void topic_cache_init(struct topic_cache *cache, rd_kafka_t *producer)
{
  memset(cache, 0, sizeof(*cache));
  cache->producer = producer;
}

void topic_cache_done(struct topic_cache *cache)
{
  for (size_t i = 0; i < TOPIC_CACHE_SLOTS; i++) {
    if (cache->slots[i] != NULL) {
      rd_kafka_topic_destroy(cache->slots[i]);
      cache->slots[i] = NULL;
    }
  }
  cache->count = 0;
}

rd_kafka_topic_t *topic_cache_get(struct topic_cache *cache, struct span name)
{
  size_t start = fnv1a_32(name) % TOPIC_CACHE_SLOTS;
  size_t at = start;
  rd_kafka_topic_t *topic;

  for (; cache->slots[at] != NULL; at = (at + 1) % TOPIC_CACHE_SLOTS) {
    if (strcmp(rd_kafka_topic_name(cache->slots[at]), name.data) == 0) {
      return cache->slots[at];
    }
  }
  if (cache->count == TOPIC_CACHE_MAX) {
    topic_cache_done(cache);
    at = start;
  }
  topic = rd_kafka_topic_new(cache->producer, name.data, NULL);
  if (topic != NULL) {
    cache->slots[at] = topic;
    cache->count++;
  }
  return topic;
}

rd_kafka_topic_t *topic_cache_any(const struct topic_cache *cache)
{
  for (size_t i = 0; i < TOPIC_CACHE_SLOTS && cache->count > 0; i++) {
    if (cache->slots[i] != NULL) {
      return cache->slots[i];
    }
  }
  return NULL;
}
