/* topic_cache.c - an open-addressing table, at most half full, cleared as a whole and therefore without deletion. */
#include "publish/topic_cache.h"

#include <stdbool.h>
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
    if (cache->slots[i].handle != NULL) {
      rd_kafka_topic_destroy(cache->slots[i].handle);
      cache->slots[i].handle = NULL;
    }
  }
  cache->count = 0;
  cache->last = NULL;
}

static bool is_named(const struct known_topic *topic, struct span name)
{
  return strcmp(rd_kafka_topic_name(topic->handle), name.data) == 0;
}

const struct known_topic *topic_cache_get(struct topic_cache *cache, struct span name)
{
  uint64_t hash;
  size_t start, at;
  rd_kafka_topic_t *topic;

  if (cache->last != NULL && is_named(cache->last, name)) {
    return cache->last;
  }
  hash = fnv1a_64(name);
  start = (size_t)(hash ^ hash >> 32) % TOPIC_CACHE_SLOTS;
  for (at = start; cache->slots[at].handle != NULL; at = (at + 1) % TOPIC_CACHE_SLOTS) {
    if (cache->slots[at].hash == hash && is_named(&cache->slots[at], name)) {
      cache->last = &cache->slots[at];
      return cache->last;
    }
  }
  if (cache->count == TOPIC_CACHE_MAX) {
    topic_cache_done(cache);
    at = start;
  }
  topic = rd_kafka_topic_new(cache->producer, name.data, NULL);
  if (topic == NULL) {
    return NULL;
  }
  cache->slots[at] = (struct known_topic){.handle = topic, .hash = hash};
  cache->count++;
  cache->last = &cache->slots[at];
  return cache->last;
}

rd_kafka_topic_t *topic_cache_any(const struct topic_cache *cache)
{
  for (size_t i = 0; i < TOPIC_CACHE_SLOTS && cache->count > 0; i++) {
    if (cache->slots[i].handle != NULL) {
      return cache->slots[i].handle;
    }
  }
  return NULL;
}
