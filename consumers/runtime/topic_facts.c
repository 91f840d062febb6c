/*
 * topic_facts.c - two questions to the brokers: metadata, which says whether a topic is there and its partitions, and its configuration, of which the limit of a record is
 * wanted. The second one needs a right of its own (DescribeConfigs) and is no loss where it is refused.
 */
#include "topic_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "moment.h"

static int64_t limit_of(const rd_kafka_ConfigResource_t *resource)
{
  size_t count = 0;
  const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

  for (size_t i = 0; i < count; i++) {
    const char *value = rd_kafka_ConfigEntry_value(entries[i]);

    if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0 && value != NULL) {
      return strtoll(value, NULL, 10);
    }
  }
  return 0;
}

/* 0: not known. */
static int64_t ask_record_max_bytes(rd_kafka_t *kafka, const char *topic, int timeout_ms)
{
  rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka);
  rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(kafka, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
  rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
  int64_t most_bytes = 0;
  rd_kafka_event_t *event;

  (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
  rd_kafka_DescribeConfigs(kafka, &resource, 1, options, queue);
  event = rd_kafka_queue_poll(queue, timeout_ms);
  if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    size_t count = 0;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);

    if (count == 1 && rd_kafka_ConfigResource_error(resources[0]) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      most_bytes = limit_of(resources[0]);
    }
  }
  if (event != NULL) {
    rd_kafka_event_destroy(event);
  }
  rd_kafka_ConfigResource_destroy(resource);
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_queue_destroy(queue);
  return most_bytes > 0 ? most_bytes : 0;
}

struct topic_facts topic_facts_ask(rd_kafka_t *kafka, const char *topic, int timeout_ms)
{
  const struct rd_kafka_metadata *metadata = NULL;
  rd_kafka_topic_t *handle = rd_kafka_topic_new(kafka, topic, NULL);
  struct topic_facts facts = {.presence = TOPIC_UNKNOWN};

  if (handle == NULL) {
    return facts;
  }
  if (rd_kafka_metadata(kafka, 0, handle, &metadata, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_resp_err_t error = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__FAIL;

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt > 0) {
      facts = (struct topic_facts){.presence = TOPIC_THERE, .partitions = metadata->topics[0].partition_cnt};
    } else if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
      facts.presence = TOPIC_MISSING;
    }
    rd_kafka_metadata_destroy(metadata);
  }
  rd_kafka_topic_destroy(handle);
  if (facts.presence == TOPIC_THERE) {
    facts.record_max_bytes = ask_record_max_bytes(kafka, topic, timeout_ms);
  }
  return facts;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* For how long */

static const struct topic_entry *entry_of(const struct topic_memory *memory, const char *topic)
{
  for (size_t i = 0; i < CONSUMER_SUBSCRIPTIONS_MAX; i++) {
    if (strcmp(memory->entries[i].name, topic) == 0) {
      return &memory->entries[i];
    }
  }
  return NULL;
}

const struct topic_facts *topic_memory_find(const struct topic_memory *memory, const char *topic, int64_t now_us)
{
  const struct topic_entry *entry = entry_of(memory, topic);

  return entry != NULL && now_us < entry->again_us ? &entry->facts : NULL;
}

/* The place of the topic, or of the one that was noted longest ago. */
static struct topic_entry *place_of(struct topic_memory *memory, const char *topic)
{
  struct topic_entry *oldest = &memory->entries[0];

  for (size_t i = 0; i < CONSUMER_SUBSCRIPTIONS_MAX; i++) {
    if (strcmp(memory->entries[i].name, topic) == 0) {
      return &memory->entries[i];
    }
    if (memory->entries[i].noted_us < oldest->noted_us) {
      oldest = &memory->entries[i];
    }
  }
  *oldest = (struct topic_entry){0};
  (void)snprintf(oldest->name, sizeof(oldest->name), "%s", topic);
  return oldest;
}

static int64_t believed_ms(const struct topic_entry *entry, enum topic_presence answer)
{
  struct backoff backoff;

  switch (answer) {
  case TOPIC_THERE:
    return TOPIC_FACTS_BELIEVED_MS;
  case TOPIC_MISSING:
    return TOPIC_FACTS_MISSING_MS;
  case TOPIC_UNKNOWN:
    break;
  }
  backoff_init(&backoff, TOPIC_FACTS_AGAIN_FIRST_MS, TOPIC_FACTS_AGAIN_MOST_MS);
  backoff.failures = entry->failures;
  return backoff_next_us(&backoff, 0); /* the unit is ours; one asks, so that chance spreads nothing */
}

const struct topic_facts *topic_memory_note(struct topic_memory *memory, const char *topic, const struct topic_facts *answer, int64_t now_us)
{
  struct topic_entry *entry = place_of(memory, topic);

  entry->noted_us = now_us;
  entry->again_us = now_us + believed_ms(entry, answer->presence) * US_PER_MS;
  if (answer->presence == TOPIC_UNKNOWN) {
    entry->failures++;
  } else {
    entry->failures = 0;
    entry->facts = *answer;
  }
  return &entry->facts;
}
