/*
 * kafka_conf.c - properties, fixed settings, partitioner, and how sockets are closed.
 *
 *   enable.idempotence, acks=all     no loss, no reordering under retries
 *   message.timeout.ms=0             a record that times out would leave a gap while later ones go on
 *   enable.gapless.guarantee         a refused batch breaks the producer instead of being skipped: what comes behind it in its partition must not overtake
 *                                    it, because the session resumes at the refused record (measured: without it, later records of the same key arrive first)
 *   allow.auto.create.topics=false   a mistyped aggregate type must not make a topic
 *   log.queue                        log lines come as events, on the loop's thread
 *
 * The partitioner places by the wanted partition where a row names one, else as Java's default partitioner does. It runs on the loop's thread, and on a thread
 * of the client's when a topic's metadata arrives after the record. Which place a record has is therefore never asked of anything but its own struct in_flight.
 */
#include "publish/kafka_conf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault_point.h"
#include "publish/in_flight.h"

static const struct config_property fixed[] = {
    {.name = "enable.idempotence", .value = "true"},        {.name = "acks", .value = "all"},
    {.name = "message.timeout.ms", .value = "0"},           {.name = "enable.gapless.guarantee", .value = "true"},
    {.name = "allow.auto.create.topics", .value = "false"}, {.name = "log.queue", .value = "true"},
};

static int32_t choose(const rd_kafka_topic_t *topic, const void *key, size_t key_length, int32_t partition_count, void *topic_opaque,
                      const struct in_flight *in_flight, void *message_opaque)
{
  if (MUTANT(KEY_BY_CRC32) && in_flight->partition == RECORD_PARTITION_BY_KEY) {
    return rd_kafka_msg_partitioner_consistent_random(topic, key, key_length, partition_count, topic_opaque, message_opaque);
  }
  if (in_flight->partition == RECORD_PARTITION_BY_KEY) {
    return rd_kafka_msg_partitioner_murmur2_random(topic, key, key_length, partition_count, topic_opaque, message_opaque);
  }
  /* A number that no topic has makes the client refuse the record; a negative one would only make it wait. */
  return in_flight->partition >= 0 && in_flight->partition < partition_count ? in_flight->partition : INT32_MAX;
}

static int32_t place(const rd_kafka_topic_t *topic, const void *key, size_t key_length, int32_t partition_count, void *topic_opaque, void *message_opaque)
{
  struct in_flight *in_flight = message_opaque;
  int32_t chosen = choose(topic, key, key_length, partition_count, topic_opaque, in_flight, message_opaque);

  atomic_store_explicit(&in_flight->partitions, partition_count, memory_order_relaxed);
  atomic_store_explicit(&in_flight->chosen, chosen, memory_order_relaxed);
  return chosen;
}

/*
 * A replaced producer's connection is reset, not closed. close() alone leaves what was written and not yet sent with the kernel, which goes on sending it for
 * minutes: after a network stall, records of the old producer would arrive behind those of its successor, and on a compacted topic an old state would win.
 */
static int reset_socket(int fd, void *opaque)
{
  const struct linger linger = {.l_onoff = 1, .l_linger = 0};

  (void)opaque;
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
  return close(fd);
}

static void set(rd_kafka_conf_t *conf, const struct config_property *property, struct problem_list *problems, bool *ret_failed)
{
  char words[512];
  char path[256];
  rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, property->name, property->value, words, sizeof(words));

  if (result == RD_KAFKA_CONF_OK) {
    return;
  }
  *ret_failed = true;
  (void)snprintf(path, sizeof(path), "kafka.%s", property->name);
  if (property->is_secret && result == RD_KAFKA_CONF_INVALID) {
    problem_list_add(problems, path, "librdkafka does not accept the value");
  } else {
    problem_list_add(problems, path, "%s", words);
  }
}

rd_kafka_conf_t *kafka_conf_new(const struct config *config, bool with_servers, struct problem_list *problems)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  bool has_failed = false;

  for (size_t i = 0; i < config->kafka_count; i++) {
    const char *name = config->kafka[i].name;

    if (with_servers || (strcmp(name, "bootstrap.servers") != 0 && strcmp(name, "metadata.broker.list") != 0)) {
      set(conf, &config->kafka[i], problems, &has_failed);
    }
  }
  for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
    set(conf, &fixed[i], problems, &has_failed);
  }
  if (has_failed) {
    rd_kafka_conf_destroy(conf);
    return NULL;
  }
  /* message.timeout.ms is a topic's property: setting it above made the default topic configuration that the partitioner goes into. */
  rd_kafka_topic_conf_set_partitioner_cb(rd_kafka_conf_get_default_topic_conf(conf), place);
  rd_kafka_conf_set_closesocket_cb(conf, reset_socket);
  rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
  return conf;
}

static uint64_t number(const rd_kafka_conf_t *conf, const char *name)
{
  char text[32];
  size_t size = sizeof(text);

  if (rd_kafka_conf_get(conf, name, text, &size) != RD_KAFKA_CONF_OK) {
    return 0;
  }
  return strtoull(text, NULL, 10);
}

uint32_t kafka_conf_max_messages(const rd_kafka_conf_t *conf)
{
  return (uint32_t)number(conf, "queue.buffering.max.messages");
}

int64_t kafka_conf_max_bytes(const rd_kafka_conf_t *conf)
{
  return (int64_t)number(conf, "queue.buffering.max.kbytes") * 1024;
}

bool kafka_conf_let_linger(rd_kafka_conf_t *conf)
{
  char text[32];
  size_t size = sizeof(text);

  if (rd_kafka_conf_get(conf, "linger.ms", text, &size) != RD_KAFKA_CONF_OK || strtod(text, NULL) > 0) {
    return false;
  }
  (void)snprintf(text, sizeof(text), "%d", LINGER_WHILE_BEHIND_MS);
  return rd_kafka_conf_set(conf, "linger.ms", text, NULL, 0) == RD_KAFKA_CONF_OK;
}

/* What librdkafka itself would accept and never get out of again. */
static void check_limits(const rd_kafka_conf_t *conf, struct problem_list *problems)
{
  if (number(conf, "queue.buffering.max.messages") == 0) {
    problem_list_add(problems, "kafka.queue.buffering.max.messages", "must be at least 1: it bounds the relay's memory");
  }
  if ((int64_t)number(conf, "message.max.bytes") > kafka_conf_max_bytes(conf)) {
    problem_list_add(problems, "kafka.message.max.bytes", "a record of this size would never fit into kafka.queue.buffering.max.kbytes");
  }
}

void kafka_conf_check(const struct config *config, struct problem_list *problems)
{
  rd_kafka_conf_t *conf = kafka_conf_new(config, true, problems);
  rd_kafka_t *producer;
  char words[512];

  if (conf == NULL) {
    return;
  }
  check_limits(conf, problems);
  rd_kafka_conf_destroy(conf);

  conf = kafka_conf_new(config, false, problems);
  if (conf == NULL) {
    return;
  }
  producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  if (producer == NULL) {
    problem_list_add(problems, "kafka", "%s", words);
    rd_kafka_conf_destroy(conf);
    return;
  }
  rd_kafka_destroy(producer);
}
