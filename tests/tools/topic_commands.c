/*
 * topic_commands.c - librdkafka's admin API, made to wait. A broker answers "created" and "deleted" before the rest of the cluster knows, so each change is
 * followed by looking at the metadata until it shows.
 */
#include "topic_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool fail(const char *topic, const char *words)
{
  (void)fprintf(stderr, "topic_tool: topic \"%s\": %s\n", topic, words);
  return false;
}

static int64_t now_ms(void)
{
  struct timespec now;

  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static bool read_partitions(const char *topic, const char *text, int *ret_partitions)
{
  char *end;
  long number = strtol(text, &end, 10);

  if (*text == '\0' || *end != '\0' || number < 1 || number > 10000) {
    return fail(topic, "the number of partitions is no number from 1 to 10000");
  }
  *ret_partitions = (int)number;
  return true;
}

/* How many partitions have a leader; 0: there is no such topic; -1: not known. */
static int partitions_of(rd_kafka_t *client, const char *topic)
{
  rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
  const struct rd_kafka_metadata *metadata = NULL;
  int partitions = -1;

  if (handle == NULL || rd_kafka_metadata(client, 0, handle, &metadata, TOPIC_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (handle != NULL) {
      rd_kafka_topic_destroy(handle);
    }
    return -1;
  }
  if (metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    partitions = 0;
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++) {
      partitions += metadata->topics[0].partitions[i].leader >= 0;
    }
  } else if (metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    partitions = 0;
  }
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(handle);
  return partitions;
}

static bool wait_for(rd_kafka_t *client, const char *topic, int partitions)
{
  int64_t deadline_ms = now_ms() + TOPIC_TIMEOUT_MS;

  while (partitions_of(client, topic) != partitions) {
    if (now_ms() >= deadline_ms) {
      return fail(topic, "the change was accepted and does not show in the metadata");
    }
    (void)usleep(20000);
  }
  return true;
}

/* Waits for the answer to one request about one topic. */
static bool answer(rd_kafka_queue_t *queue, const char *topic)
{
  rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TOPIC_TIMEOUT_MS);
  const rd_kafka_topic_result_t **results = NULL;
  size_t count = 0;
  bool is_done = true;

  if (event == NULL) {
    return fail(topic, "no answer");
  }
  if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    is_done = fail(topic, rd_kafka_event_error_string(event));
  } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT) {
    results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DELETETOPICS_RESULT) {
    results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
  } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT) {
    results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &count);
  } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ALTERCONFIGS_RESULT) {
    const rd_kafka_ConfigResource_t **configs = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count);

    if (count == 1 && rd_kafka_ConfigResource_error(configs[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      is_done = fail(topic, rd_kafka_ConfigResource_error_string(configs[0]));
    }
    count = 0;
  }
  if (count == 1 && rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char *words = rd_kafka_topic_result_error_string(results[0]);

    is_done = fail(topic, words != NULL ? words : rd_kafka_err2str(rd_kafka_topic_result_error(results[0])));
  }
  rd_kafka_event_destroy(event);
  return is_done;
}

/* Calls `add` with each KEY=VALUE. */
static bool each_setting(const char *topic, int count, char *const *settings, rd_kafka_resp_err_t (*add)(void *object, const char *key, const char *value),
                         void *object)
{
  for (int i = 0; i < count; i++) {
    char *key = strdup(settings[i]);
    char *equals = key != NULL ? strchr(key, '=') : NULL;
    bool is_added = false;

    if (equals != NULL) {
      *equals = '\0';
      is_added = add(object, key, equals + 1) == RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    free(key);
    if (!is_added) {
      return fail(topic, "a setting is not KEY=VALUE");
    }
  }
  return true;
}

static rd_kafka_resp_err_t add_to_new(void *object, const char *key, const char *value)
{
  return rd_kafka_NewTopic_set_config(object, key, value);
}

static rd_kafka_resp_err_t add_to_resource(void *object, const char *key, const char *value)
{
  return rd_kafka_ConfigResource_set_config(object, key, value);
}

bool topic_create(rd_kafka_t *client, int count, char *const *arguments)
{
  rd_kafka_queue_t *queue;
  rd_kafka_NewTopic_t *topic;
  char words[256];
  int partitions;
  bool is_done = false;

  if (!read_partitions(arguments[0], arguments[1], &partitions)) {
    return false;
  }
  topic = rd_kafka_NewTopic_new(arguments[0], partitions, -1, words, sizeof(words));
  if (topic == NULL) {
    return fail(arguments[0], words);
  }
  queue = rd_kafka_queue_new(client);
  if (each_setting(arguments[0], count - 2, arguments + 2, add_to_new, topic)) {
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    is_done = answer(queue, arguments[0]) && wait_for(client, arguments[0], partitions);
  }
  rd_kafka_NewTopic_destroy(topic);
  rd_kafka_queue_destroy(queue);
  return is_done;
}

bool topic_delete(rd_kafka_t *client, int count, char *const *arguments)
{
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
  rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(arguments[0]);
  bool is_done;

  (void)count;
  rd_kafka_DeleteTopics(client, &topic, 1, NULL, queue);
  is_done = answer(queue, arguments[0]) && wait_for(client, arguments[0], 0);
  rd_kafka_DeleteTopic_destroy(topic);
  rd_kafka_queue_destroy(queue);
  return is_done;
}

bool topic_grow(rd_kafka_t *client, int count, char *const *arguments)
{
  rd_kafka_queue_t *queue;
  rd_kafka_NewPartitions_t *grown;
  char words[256];
  int partitions;
  bool is_done;

  (void)count;
  if (!read_partitions(arguments[0], arguments[1], &partitions)) {
    return false;
  }
  grown = rd_kafka_NewPartitions_new(arguments[0], (size_t)partitions, words, sizeof(words));
  if (grown == NULL) {
    return fail(arguments[0], words);
  }
  queue = rd_kafka_queue_new(client);
  rd_kafka_CreatePartitions(client, &grown, 1, NULL, queue);
  is_done = answer(queue, arguments[0]) && wait_for(client, arguments[0], partitions);
  rd_kafka_NewPartitions_destroy(grown);
  rd_kafka_queue_destroy(queue);
  return is_done;
}

bool topic_alter(rd_kafka_t *client, int count, char *const *arguments)
{
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
  rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, arguments[0]);
  bool is_done = false;

  if (each_setting(arguments[0], count - 1, arguments + 1, add_to_resource, resource)) {
    rd_kafka_AlterConfigs(client, &resource, 1, NULL, queue);
    is_done = answer(queue, arguments[0]);
  }
  rd_kafka_ConfigResource_destroy(resource);
  rd_kafka_queue_destroy(queue);
  return is_done;
}

/* A leader that has just been named may not know it yet. */
static rd_kafka_resp_err_t read_ends(rd_kafka_t *client, const char *topic, int32_t partition, int64_t *ret_first, int64_t *ret_next)
{
  int64_t deadline_ms = now_ms() + TOPIC_TIMEOUT_MS;

  for (;;) {
    rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(client, topic, partition, ret_first, ret_next, TOPIC_TIMEOUT_MS);

    if ((error != RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION && error != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) || now_ms() >= deadline_ms) {
      return error;
    }
    (void)usleep(20000);
  }
}

/* Prints a line per partition, or adds up. */
static bool offsets(rd_kafka_t *client, const char *topic, bool is_printed, int64_t *ret_total)
{
  int partitions = partitions_of(client, topic);
  int64_t total = 0;

  if (partitions < 1) {
    return fail(topic, partitions == 0 ? "does not exist" : "no answer");
  }
  for (int i = 0; i < partitions; i++) {
    int64_t first, next;
    rd_kafka_resp_err_t error = read_ends(client, topic, i, &first, &next);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return fail(topic, rd_kafka_err2str(error));
    }
    if (is_printed) {
      printf("%d %" PRId64 " %" PRId64 "\n", i, first, next);
    }
    total += next - first;
  }
  *ret_total = total;
  return true;
}

bool topic_ends(rd_kafka_t *client, int count, char *const *arguments)
{
  int64_t total;

  (void)count;
  return offsets(client, arguments[0], true, &total);
}

bool topic_total(rd_kafka_t *client, int count, char *const *arguments)
{
  int64_t total;

  (void)count;
  if (!offsets(client, arguments[0], false, &total)) {
    return false;
  }
  printf("%" PRId64 "\n", total);
  return true;
}
