/* test_fetched.c - a record outlives the client that it came by: it is a copy, of everything that the record said, and of nothing else. */
#include "fetched.h"

#include <criterion/criterion.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

#include "moment.h"

enum { TIMEOUT_MS = 20000, RECORDS = 4 };

static rd_kafka_t *client(rd_kafka_type_t type, const char *brokers)
{
  const char *const properties[][2] = {{"log_level", "2"}, {"bootstrap.servers", brokers}, {"group.id", "g"}, {"enable.auto.commit", "false"}};
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char words[256];
  rd_kafka_t *kafka;

  for (size_t i = 0; i < (type == RD_KAFKA_CONSUMER ? 4 : brokers != NULL ? 2 : 1); i++) {
    cr_assert_eq(rd_kafka_conf_set(conf, properties[i][0], properties[i][1], words, sizeof(words)), RD_KAFKA_CONF_OK, "%s", words);
  }
  kafka = rd_kafka_new(type, conf, words, sizeof(words));
  cr_assert_not_null(kafka, "%s", words);
  return kafka;
}

/* NULL is missing; "" is empty. */
static void give(rd_kafka_t *producer, const char *key, const char *value, rd_kafka_headers_t *headers, int64_t timestamp_ms)
{
  size_t key_length = key != NULL ? strlen(key) : 0;
  size_t value_length = value != NULL ? strlen(value) : 0;
  rd_kafka_resp_err_t error = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY(key, key_length),
                                                RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value_length), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                                RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_TIMESTAMP(timestamp_ms), RD_KAFKA_V_END);

  cr_assert_eq(error, RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(error));
}

static void give_all(const char *brokers)
{
  rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, brokers);
  rd_kafka_headers_t *headers = rd_kafka_headers_new(4);

  rd_kafka_header_add(headers, "id", -1, "e-1", 3);
  rd_kafka_header_add(headers, "none", -1, NULL, 0);
  rd_kafka_header_add(headers, "empty", -1, "", 0);
  rd_kafka_header_add(headers, "id", -1, "a\0b", 3);
  give(producer, "key", "value", headers, INT64_C(1700000000000));
  give(producer, NULL, NULL, NULL, 1);
  give(producer, "", "", NULL, 1);
  give(producer, "k", NULL, NULL, 1);
  cr_assert_eq(rd_kafka_flush(producer, TIMEOUT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_destroy(producer);
}

static void fetch_all(const char *brokers, struct fetched *fetched[RECORDS])
{
  rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, brokers);
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  int64_t deadline_us = moment_now().mono_us + TIMEOUT_MS * INT64_C(1000);

  rd_kafka_topic_partition_list_add(list, "t", 0)->offset = 0;
  cr_assert_eq(rd_kafka_assign(consumer, list), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_partition_list_destroy(list);
  for (int count = 0; count < RECORDS;) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);

    cr_assert_lt(moment_now().mono_us, deadline_us, "%d records came in time", count);
    if (message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      fetched[count++] = fetched_new(message);
    } else if (message != NULL) {
      rd_kafka_message_destroy(message);
    }
  }
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

static void expect_bytes(struct span span, const char *bytes, size_t length)
{
  cr_expect(span_equals(span, span_of(bytes, length)), "\"%.*s\" where \"%.*s\" was expected", (int)span.length, span.data != NULL ? span.data : "",
            (int)length, bytes != NULL ? bytes : "");
}

Test(fetched, a_record_is_a_copy_that_needs_no_client)
{
  static const struct record_header headers[] = {
      {"id", {"e-1", 3}},
      {"none", {NULL, 0}},
      {"empty", {"", 0}},
      {"id", {"a\0b", 3}},
  };
  rd_kafka_t *host = client(RD_KAFKA_PRODUCER, NULL);
  rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(host, 1);
  const char *brokers = rd_kafka_mock_cluster_bootstraps(cluster);
  struct fetched *fetched[RECORDS];
  const struct record *record;

  cr_assert_eq(rd_kafka_mock_topic_create(cluster, "t", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  give_all(brokers);
  fetch_all(brokers, fetched);
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(host);

  record = &fetched[0]->record;
  cr_expect_str_eq(record->topic, "t");
  cr_expect_eq(record->partition, 0);
  cr_expect_eq(record->offset, 0);
  cr_expect_eq(record->time, RECORD_TIME_CREATED);
  cr_expect_eq(record->timestamp_ms, INT64_C(1700000000000));
  expect_bytes(record->key, "key", 3);
  expect_bytes(record->value, "value", 5);
  cr_assert_eq(record->header_count, 4);
  for (size_t i = 0; i < 4; i++) {
    cr_expect_str_eq(record->headers[i].name, headers[i].name);
    expect_bytes(record->headers[i].value, headers[i].value.data, headers[i].value.length);
  }
  cr_expect_eq(fetched[0]->bytes, sizeof(struct fetched) + 4 * sizeof(struct record_header) + sizeof("t") + 3 + 5 + sizeof("id") + 3 + sizeof("none") +
                                      sizeof("empty") + sizeof("id") + 3);
  expect_bytes(fetched[1]->record.key, NULL, 0);
  expect_bytes(fetched[1]->record.value, NULL, 0);
  cr_expect_eq(fetched[1]->record.header_count, 0);
  expect_bytes(fetched[2]->record.key, "", 0);
  expect_bytes(fetched[2]->record.value, "", 0);
  expect_bytes(fetched[3]->record.key, "k", 1);
  expect_bytes(fetched[3]->record.value, NULL, 0);
  cr_expect_eq(fetched[3]->record.offset, 3);
  for (size_t i = 0; i < RECORDS; i++) {
    fetched_free(fetched[i]);
  }
}
