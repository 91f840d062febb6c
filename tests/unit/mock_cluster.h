/*
 * mock_cluster.h - librdkafka's MOCK cluster in this process, for tests of what talks to Kafka by itself. It proves nothing about Kafka; what it is good for is a broker
 * that fails when it is told to. Each wait is bounded and fails the test when it runs out.
 */
#ifndef TESTS_UNIT_MOCK_CLUSTER_H
#define TESTS_UNIT_MOCK_CLUSTER_H

#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

#include <librdkafka/rdkafka_mock.h>

enum { MOCK_CLUSTER_TIMEOUT_MS = 30000 };

struct mock_cluster {
  rd_kafka_t *host;
  rd_kafka_mock_cluster_t *brokers; /* one */
};

/* With one topic of one partition. */
static inline void mock_cluster_init(struct mock_cluster *cluster, const char *topic)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char words[256];

  rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
  cluster->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  cr_assert_not_null(cluster->host, "%s", words);
  cluster->brokers = rd_kafka_mock_cluster_new(cluster->host, 1);
  cr_assert_not_null(cluster->brokers);
  cr_assert_eq(rd_kafka_mock_topic_create(cluster->brokers, topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static inline void mock_cluster_done(struct mock_cluster *cluster)
{
  rd_kafka_mock_cluster_destroy(cluster->brokers);
  rd_kafka_destroy(cluster->host);
}

/* For a client of it. */
static inline rd_kafka_conf_t *mock_cluster_conf(const struct mock_cluster *cluster)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();

  rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster->brokers), NULL, 0);
  rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
  return conf;
}

static inline rd_kafka_t *mock_cluster_consumer(const struct mock_cluster *cluster, const char *group)
{
  rd_kafka_conf_t *conf = mock_cluster_conf(cluster);
  rd_kafka_t *consumer;
  char words[256];

  rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
  rd_kafka_conf_set(conf, "enable.partition.eof", "true", NULL, 0);
  rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
  consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof(words));
  cr_assert_not_null(consumer, "%s", words);
  (void)rd_kafka_poll_set_consumer(consumer);
  return consumer;
}

/* The values in partition 0, each with a space behind it. */
static inline void mock_cluster_read(const struct mock_cluster *cluster, const char *topic, char *ret_values, size_t size)
{
  rd_kafka_t *consumer = mock_cluster_consumer(cluster, "reader");
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  size_t length = 0;
  bool is_at_end = false;

  rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 0;
  cr_assert_eq(rd_kafka_assign(consumer, list), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_partition_list_destroy(list);
  ret_values[0] = '\0';
  while (!is_at_end) {
    rd_kafka_message_t *record = rd_kafka_consumer_poll(consumer, MOCK_CLUSTER_TIMEOUT_MS);

    cr_assert_not_null(record, "the end of topic %s was not reached", topic);
    if (record->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      length += (size_t)snprintf(ret_values + length, size - length, "%.*s ", (int)record->len, (const char *)record->payload);
      cr_assert_lt(length, size);
    }
    is_at_end = record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    rd_kafka_message_destroy(record);
  }
  (void)rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

#endif
