/*
 * kafka_admin.c - librdkafka's admin interface, made synchronous: each request goes to a queue of its own and is waited for.
 *
 * Metadata is asked for all topics at once, since a question for one topic may create it. What the client could not do in the background (connect,
 * authenticate) comes through its error callback; the last of these is kept to explain a time-out.
 */
#include "commands/kafka_admin.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kafka_admin {
  rd_kafka_t *client;
  rd_kafka_resp_err_t last_error;
  char last_reason[256];
};

static void on_error(rd_kafka_t *client, int error, const char *reason, void *opaque)
{
  struct kafka_admin *admin = opaque;
  bool explains = error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL || error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;

  (void)client;
  /* "all brokers down" follows everything else and explains nothing. */
  if (explains || admin->last_error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    admin->last_error = (rd_kafka_resp_err_t)error;
    (void)snprintf(admin->last_reason, sizeof(admin->last_reason), "%s", reason);
  }
}

static void on_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
  (void)client;
  (void)level;
  (void)facility;
  (void)text;
}

enum verdict kafka_admin_open(const struct config *config, struct kafka_admin **ret_admin, struct problem *problem)
{
  struct kafka_admin *admin = calloc(1, sizeof(*admin));
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char reason[256];

  if (admin == NULL) {
    abort();
  }
  for (size_t i = 0; i < config->kafka_count; i++) {
    if (rd_kafka_conf_set(conf, config->kafka[i].name, config->kafka[i].value, reason, sizeof(reason)) != RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      free(admin);
      return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "kafka_property", "kafka.%s is refused by librdkafka%s%s", config->kafka[i].name,
                         config->kafka[i].is_secret ? "" : ": ", config->kafka[i].is_secret ? "" : reason);
    }
  }
  (void)rd_kafka_conf_set(conf, "allow.auto.create.topics", "false", NULL, 0);
  rd_kafka_conf_set_error_cb(conf, on_error);
  rd_kafka_conf_set_log_cb(conf, on_log);
  rd_kafka_conf_set_opaque(conf, admin);
  admin->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
  if (admin->client == NULL) {
    rd_kafka_conf_destroy(conf);
    free(admin);
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "kafka_property", "could not create a Kafka client: %s", reason);
  }
  *ret_admin = admin;
  return VERDICT_OK;
}

void kafka_admin_close(struct kafka_admin *admin)
{
  if (admin != NULL) {
    rd_kafka_destroy(admin->client);
    free(admin);
  }
}

static enum verdict kafka_problem(struct kafka_admin *admin, const char *doing, rd_kafka_resp_err_t error, const char *words, struct problem *problem)
{
  (void)rd_kafka_poll(admin->client, 0); /* lets the error callback speak */
  if (admin->last_error == RD_KAFKA_RESP_ERR__AUTHENTICATION || admin->last_error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED) {
    return problem_set(problem, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "kafka_authentication", "could not %s: %s", doing, admin->last_reason);
  }
  switch (error) {
  case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
  case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
  case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
  case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
  case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
  case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
  case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    return problem_set(problem, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "kafka_refused", "could not %s: %s", doing, words);
  default: /* librdkafka's, not ours: a new one may heal */
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "kafka", "could not %s: %s%s%s", doing, words, admin->last_reason[0] != '\0' ? "; " : "",
                       admin->last_reason);
  }
}

static void read_setting(struct kafka_topic *topic, const char *name, const char *value)
{
  if (strcmp(name, "max.message.bytes") == 0) {
    topic->max_message_bytes = strtoll(value, NULL, 10);
  } else if (strcmp(name, "retention.ms") == 0) {
    topic->retention_ms = strtoll(value, NULL, 10);
    topic->has_retention = true;
  } else if (strcmp(name, "cleanup.policy") == 0) {
    (void)snprintf(topic->cleanup, sizeof(topic->cleanup), "%s", value);
  }
}

static void read_settings(const rd_kafka_ConfigResource_t *const *resources, size_t resource_count, struct kafka_topic *topics, size_t count)
{
  for (size_t r = 0; r < resource_count; r++) {
    size_t entry_count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[r], &entry_count);

    for (size_t t = 0; t < count; t++) {
      if (strcmp(topics[t].name, rd_kafka_ConfigResource_name(resources[r])) != 0) {
        continue;
      }
      for (size_t e = 0; e < entry_count; e++) {
        if (rd_kafka_ConfigEntry_value(entries[e]) != NULL) {
          read_setting(&topics[t], rd_kafka_ConfigEntry_name(entries[e]), rd_kafka_ConfigEntry_value(entries[e]));
        }
      }
    }
  }
}

/* Needs DescribeConfigs on the topics, which the relay itself does not: a refusal leaves their settings unknown. */
static void describe_settings(struct kafka_admin *admin, struct kafka_topic *topics, size_t count)
{
  rd_kafka_queue_t *queue = rd_kafka_queue_new(admin->client);
  rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
  rd_kafka_ConfigResource_t **resources = calloc(count + 1, sizeof(rd_kafka_ConfigResource_t *));
  size_t existing = 0;
  char reason[128];

  if (resources == NULL) {
    abort();
  }
  for (size_t i = 0; i < count; i++) {
    if (topics[i].exists) {
      resources[existing++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i].name);
    }
  }
  if (existing > 0) {
    rd_kafka_event_t *event;

    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_ADMIN_TIMEOUT_MS, reason, sizeof(reason));
    rd_kafka_DescribeConfigs(admin->client, resources, existing, options, queue);
    event = rd_kafka_queue_poll(queue, KAFKA_ADMIN_TIMEOUT_MS);
    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
      size_t resource_count;
      const rd_kafka_ConfigResource_t **described = rd_kafka_DescribeConfigs_result_resources(result, &resource_count);

      read_settings((const rd_kafka_ConfigResource_t *const *)described, resource_count, topics, count);
    }
    if (event != NULL) {
      rd_kafka_event_destroy(event);
    }
    rd_kafka_ConfigResource_destroy_array(resources, existing);
  }
  free(resources);
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_queue_destroy(queue);
}

enum verdict kafka_admin_describe(struct kafka_admin *admin, struct kafka_topic *topics, size_t count, struct problem *problem)
{
  const struct rd_kafka_metadata *metadata = NULL;
  rd_kafka_resp_err_t error = rd_kafka_metadata(admin->client, 1, NULL, &metadata, KAFKA_ADMIN_TIMEOUT_MS);

  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_problem(admin, "read the topics of Kafka", error, rd_kafka_err2str(error), problem);
  }
  for (size_t i = 0; i < count; i++) {
    topics[i] = (struct kafka_topic){.name = topics[i].name, .max_message_bytes = -1};
    for (int t = 0; t < metadata->topic_cnt; t++) {
      if (strcmp(metadata->topics[t].topic, topics[i].name) == 0 && metadata->topics[t].partition_cnt > 0) {
        topics[i].exists = true;
        topics[i].partitions = metadata->topics[t].partition_cnt;
      }
    }
  }
  rd_kafka_metadata_destroy(metadata);
  describe_settings(admin, topics, count);
  return VERDICT_OK;
}

enum verdict kafka_admin_create(struct kafka_admin *admin, const char *name, int partitions, int replication, bool *ret_created, struct problem *problem)
{
  char doing[320];
  char reason[256] = "";
  rd_kafka_queue_t *queue = rd_kafka_queue_new(admin->client);
  rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, replication, reason, sizeof(reason));
  rd_kafka_event_t *event = NULL;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;

  (void)snprintf(doing, sizeof(doing), "create topic \"%s\"", name);
  if (topic == NULL) {
    error = RD_KAFKA_RESP_ERR_INVALID_PARTITIONS;
  } else {
    (void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_ADMIN_TIMEOUT_MS, NULL, 0);
    (void)rd_kafka_AdminOptions_set_operation_timeout(options, KAFKA_ADMIN_TIMEOUT_MS, NULL, 0);
    rd_kafka_CreateTopics(admin->client, &topic, 1, options, queue);
    event = rd_kafka_queue_poll(queue, KAFKA_ADMIN_TIMEOUT_MS + 1000);
    (void)snprintf(reason, sizeof(reason), "%s", rd_kafka_err2str(error));
  }
  if (event != NULL) {
    error = rd_kafka_event_error(event);
    (void)snprintf(reason, sizeof(reason), "%s", error != RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_event_error_string(event) : "");
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      size_t result_count;
      const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &result_count);

      if (result_count == 1) {
        const char *words = rd_kafka_topic_result_error_string(results[0]);

        error = rd_kafka_topic_result_error(results[0]);
        (void)snprintf(reason, sizeof(reason), "%s", words != NULL ? words : rd_kafka_err2str(error));
      }
    }
    rd_kafka_event_destroy(event);
  }
  if (topic != NULL) {
    rd_kafka_NewTopic_destroy(topic);
  }
  rd_kafka_AdminOptions_destroy(options);
  rd_kafka_queue_destroy(queue);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    *ret_created = error == RD_KAFKA_RESP_ERR_NO_ERROR;
    return VERDICT_OK;
  }
  return kafka_problem(admin, doing, error, reason, problem);
}

int64_t kafka_admin_setting(const struct kafka_admin *admin, const char *property)
{
  char value[64];
  size_t size = sizeof(value);

  if (rd_kafka_conf_get(rd_kafka_conf(admin->client), property, value, &size) != RD_KAFKA_CONF_OK) {
    return -1;
  }
  return strtoll(value, NULL, 10);
}

static void add_name(const char **names, size_t *count, const char *name)
{
  for (size_t i = 0; i < *count; i++) {
    if (strcmp(names[i], name) == 0) {
      return;
    }
  }
  names[(*count)++] = name;
}

const char **kafka_topic_names(const struct config *config, size_t *ret_count, size_t *ret_patterns)
{
  size_t limit = 1;
  size_t count = 0;
  const char **names;

  *ret_patterns = 0;
  for (size_t i = 0; i < config->outbox_count; i++) {
    limit += config->outbox[i].allow_count + 1;
  }
  names = calloc(limit, sizeof(*names));
  if (names == NULL) {
    abort();
  }
  for (size_t i = 0; i < config->outbox_count; i++) {
    const struct config_outbox *entry = &config->outbox[i];

    for (size_t k = 0; k < entry->allow_count; k++) {
      if (strchr(entry->allow[k], '*') != NULL) {
        (*ret_patterns)++;
      } else {
        add_name(names, &count, entry->allow[k]);
      }
    }
    if (entry->dead_letter_topic != NULL) {
      add_name(names, &count, entry->dead_letter_topic);
    }
  }
  if (config->delivery.dead_letter_topic != NULL) {
    add_name(names, &count, config->delivery.dead_letter_topic);
  }
  *ret_count = count;
  return names;
}
