/*
 * test_kafka_publisher.c - the at-least-once publisher on librdkafka's MOCK cluster (kafka_bench.h says what that is worth): order, reports, what arrives.
 * A full queue is in test_kafka_publisher_full.c, breaking and beginning anew in test_kafka_publisher_breaks.c.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fnv1a.h"
#include "kafka_bench.h"
#include "publish/kafka_publisher_priv.h"

static struct kafka_bench bench;

static void begin(void)
{
  kafka_bench_init(&bench);
}

static void end(void)
{
  kafka_bench_done(&bench);
}

TestSuite(kafka_publisher, .init = begin, .fini = end, .timeout = 60);

/* ---- order and reports ---- */

enum { KEYS = 10, RECORDS = 5000 };

static void must_grow(void *context, const rd_kafka_message_t *message)
{
  int *last = context;
  char key[16] = "", value[16] = "";
  int which, number;

  memcpy(key, message->key, message->key_len);
  memcpy(value, message->payload, message->len);
  cr_assert_eq(sscanf(key, "key-%d", &which), 1);
  cr_assert_eq(sscanf(value, "%d", &number), 1);
  cr_assert_gt(number, last[which], "record %d of %s arrived behind %d", number, key, last[which]);
  last[which] = number;
}

Test(kafka_publisher, records_of_a_key_stay_in_order_and_each_has_exactly_one_report)
{
  int last[KEYS];

  memset(last, -1, sizeof(last));
  kafka_bench_topic(&bench, "t", 4);
  kafka_bench_set(&bench, "queue.buffering.max.messages", "300");
  kafka_bench_open(&bench);
  for (int i = 0; i < RECORDS; i++) {
    char key[24], value[16];
    struct record record;

    (void)snprintf(key, sizeof(key), "key-%d", i % KEYS);
    (void)snprintf(value, sizeof(value), "%d", i);
    record = kafka_bench_record("t", key, value);
    kafka_bench_publish(&bench, &record, (uint64_t)i);
  }
  cr_assert_eq(kafka_bench_wait_reports(&bench, RECORDS), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], RECORDS);
  for (int i = 0; i < RECORDS; i++) {
    cr_assert_eq(bench.by_token[i], 1, "token %d had %d reports", i, bench.by_token[i]);
  }
  kafka_bench_read(&bench, "t", 4, RECORDS, must_grow, last);
}

static void count_reports(void *context, const struct report *report, const struct problem *problem)
{
  (void)problem;
  cr_assert_eq(report->outcome, REPORT_DELIVERED);
  (*(int *)context)++;
}

static bool is_readable(void)
{
  struct pollfd poll_fd = {.fd = publisher_fd(bench.publisher), .events = POLLIN};

  return poll(&poll_fd, 1, 0) > 0;
}

Test(kafka_publisher, descriptor_stays_readable_until_the_last_report_is_out_and_not_longer)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct pollfd poll_fd;
  struct problem problem;
  int reports = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "linger.ms", "50");
  kafka_bench_open(&bench);
  kafka_bench_prove(&bench, &record);
  for (int i = 0; i < 10; i++) {
    kafka_bench_publish(&bench, &record, (uint64_t)i);
  }
  poll_fd = (struct pollfd){.fd = publisher_fd(bench.publisher), .events = POLLIN};
  while (reports < 10) {
    int before = reports;

    cr_assert_eq(poll(&poll_fd, 1, KAFKA_BENCH_TIMEOUT_MS), 1, "%d reports were left and nothing told of them", 10 - reports);
    cr_assert_eq(publisher_reports(bench.publisher, 3, count_reports, &reports, &problem), VERDICT_OK);
    cr_assert_leq(reports - before, 3);
  }
  /* At most one more turn, since the limit may have fallen together with the end. */
  cr_assert_eq(publisher_reports(bench.publisher, 3, count_reports, &reports, &problem), VERDICT_OK);
  cr_assert_not(is_readable());
}

Test(kafka_publisher, report_wakes_the_loop_without_the_help_of_the_timer)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct problem problem;
  int reports = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_open(&bench);
  kafka_bench_wait_connected(&bench, true);
  for (uint64_t token = 0; token < 5; token++) {
    struct pollfd poll_fd = {.fd = publisher_fd(bench.publisher), .events = POLLIN};
    int before = reports;

    cr_assert_eq(publisher_publish(bench.publisher, &record, token, &problem), VERDICT_OK);
    while (reports == before) {
      kafka_bench_stop_timer(&bench);
      cr_assert_eq(poll(&poll_fd, 1, KAFKA_BENCH_TIMEOUT_MS), 1);
      cr_assert_eq(publisher_reports(bench.publisher, 100, count_reports, &reports, &problem), VERDICT_OK);
    }
  }
}

/* ---- connected or not ---- */

Test(kafka_publisher, is_not_connected_at_start_while_no_broker_answers)
{
  kafka_bench_set(&bench, "reconnect.backoff.max.ms", "200");
  cr_assert_eq(rd_kafka_mock_broker_set_down(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka_bench_open(&bench);
  for (int i = 0; i < 5; i++) { /* five turns of the timer */
    struct pollfd poll_fd = {.fd = publisher_fd(bench.publisher), .events = POLLIN};
    struct publisher_figures figures;
    struct problem problem;
    int reports = 0;

    cr_assert_eq(poll(&poll_fd, 1, KAFKA_BENCH_TIMEOUT_MS), 1);
    cr_assert_eq(publisher_reports(bench.publisher, 100, count_reports, &reports, &problem), VERDICT_OK);
    publisher_figures(bench.publisher, &figures);
    cr_assert_not(figures.is_connected);
  }
  cr_assert_eq(rd_kafka_mock_broker_set_up(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka_bench_wait_connected(&bench, true);
}

Test(kafka_publisher, connection_that_is_lost_and_found_again_shows_without_any_record)
{
  kafka_bench_set(&bench, "reconnect.backoff.max.ms", "200");
  kafka_bench_open(&bench);
  kafka_bench_wait_connected(&bench, true);
  cr_assert_eq(rd_kafka_mock_broker_set_down(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka_bench_wait_connected(&bench, false);
  cr_assert_eq(rd_kafka_mock_broker_set_up(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka_bench_wait_connected(&bench, true);
}

/* ---- partitions ---- */

static void must_be_in(void *context, const rd_kafka_message_t *message)
{
  cr_assert_eq(message->partition, *(const int32_t *)context);
}

Test(kafka_publisher, partition_of_a_row_goes_before_its_key)
{
  struct record record = kafka_bench_record("t", "order-0", "value");
  int32_t wanted = 7;

  kafka_bench_topic(&bench, "t", 12);
  kafka_bench_open(&bench);
  record.partition = wanted; /* by key it would be 4 */
  for (int i = 0; i < 3; i++) {
    kafka_bench_publish(&bench, &record, (uint64_t)i);
    cr_assert_eq(kafka_bench_wait_reports(&bench, i + 1), VERDICT_OK);
  }
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 3);
  kafka_bench_read(&bench, "t", 12, 3, must_be_in, &wanted);
}

Test(kafka_publisher, partition_that_the_topic_does_not_have_is_refused_before_and_after_its_metadata_is_known)
{
  struct record good = kafka_bench_record("t", "key", "value");
  struct record record = kafka_bench_record("t", "key", "value");
  struct problem problem;

  kafka_bench_topic(&bench, "t", 3);
  (void)rd_kafka_mock_broker_set_rtt(bench.cluster, 1, 300);
  kafka_bench_open(&bench);
  record.partition = 3;
  kafka_bench_publish(&bench, &record, 1); /* the topic is not known yet */
  (void)rd_kafka_mock_broker_set_rtt(bench.cluster, 1, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_REFUSED_ROW], 1);
  cr_assert_eq(bench.refusal.code, EXIT_POISON);
  cr_assert_str_eq(bench.refusal.cause, "no_partition");

  record.partition = -7;
  cr_assert_eq(publisher_publish(bench.publisher, &record, 2, &problem), VERDICT_POISON);
  cr_assert_eq(problem.code, EXIT_POISON);
  cr_assert_not_null(strstr(problem.text, "\"t\""));

  kafka_bench_publish(&bench, &good, 3);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 2), VERDICT_OK);
  cr_assert_eq(bench.by_token[3], 1);
  cr_assert_eq(bench.by_token[2], 0, "a record that was not taken had a report");
}

/* Measured with Java's default partitioner and with librdkafka's murmur2_random. */
static const int32_t java_places[] = {4, 10, 3, 3, 2, 2, 9, 1};

static void must_be_where_java_puts_it(void *context, const rd_kafka_message_t *message)
{
  const char *key = message->key;

  (void)context;
  cr_assert_eq(message->key_len, strlen("order-0"));
  cr_assert_eq(message->partition, java_places[key[message->key_len - 1] - '0'], "%.*s", (int)message->key_len, key);
}

Test(kafka_publisher, key_goes_to_the_partition_that_java_producers_choose)
{
  kafka_bench_topic(&bench, "t", 12);
  kafka_bench_set(&bench, "partitioner", "fnv1a_random"); /* must not matter */
  kafka_bench_open(&bench);
  for (int i = 0; i < 8; i++) {
    char key[24];
    struct record record;

    (void)snprintf(key, sizeof(key), "order-%d", i);
    record = kafka_bench_record("t", key, "value");
    kafka_bench_publish(&bench, &record, (uint64_t)i);
  }
  cr_assert_eq(kafka_bench_wait_reports(&bench, 8), VERDICT_OK);
  kafka_bench_read(&bench, "t", 12, 8, must_be_where_java_puts_it, NULL);
}

/* ---- a topic whose number of partitions changes ---- */

/*
 * The mock adds no partitions to a topic, so that another cluster has it with more of them, and the publisher begins anew there. Whoever reads the log gets
 * what was written since, and nobody was asked between.
 */
static int log_pipe[2];

static void open_with_log(const char *topic, int partitions)
{
  cr_assert_eq(pipe2(log_pipe, O_NONBLOCK), 0);
  kafka_bench_topic(&bench, topic, partitions);
  kafka_bench_open(&bench);
  bench.log = (struct log){.level = LOG_WARN, .format = LOG_JSON, .fd = log_pipe[1]};
}

static void change_partitions(const char *topic, int partitions)
{
  rd_kafka_mock_cluster_t *other = rd_kafka_mock_cluster_new(bench.host, 1);

  cr_assert_not_null(other);
  rd_kafka_mock_cluster_destroy(bench.cluster);
  bench.cluster = other;
  bench.properties[0].value = rd_kafka_mock_cluster_bootstraps(other);
  kafka_bench_topic(&bench, topic, partitions);
  kafka_bench_open(&bench);
}

static void deliver(const struct record *record)
{
  kafka_bench_publish(&bench, record, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 1);
  kafka_bench_forget(&bench);
}

/* The lines that tell of a change, since the last call. */
static int changes_told(const char *wanted)
{
  static char text[65536];
  ssize_t length = read(log_pipe[0], text, sizeof(text) - 1);
  int lines = 0;

  text[length > 0 ? length : 0] = '\0';
  for (const char *at = text; (at = strstr(at, "\"partitions_changed\"")) != NULL; at++) {
    lines++;
  }
  cr_assert(wanted == NULL || strstr(text, wanted) != NULL, "%s", text);
  return lines;
}

Test(kafka_publisher, number_of_partitions_that_changes_under_a_key_is_told_once)
{
  struct record record = kafka_bench_record("t", "key", "value");

  /* One record each, which the client takes before it knows the topic. */
  open_with_log("t", 2);
  deliver(&record);
  change_partitions("t", 5);
  cr_assert_eq(changes_told(NULL), 0);
  deliver(&record);
  cr_assert_eq(changes_told("\"topic\":\"t\",\"partitions\":5,\"before\":2"), 1);
  for (int i = 0; i < 3; i++) {
    deliver(&record);
  }
  cr_assert_eq(changes_told(NULL), 0);
}

Test(kafka_publisher, number_of_partitions_matters_to_records_that_it_places_and_to_no_others)
{
  struct record placed = kafka_bench_record("t", "key", "value");
  struct record by_key = kafka_bench_record("t", "key", "value");

  placed.partition = 1;
  open_with_log("t", 2);
  deliver(&by_key);
  change_partitions("t", 3);
  for (int i = 0; i < 2; i++) { /* before and after the client knows the topic */
    deliver(&placed);
  }
  cr_assert_eq(changes_told(NULL), 0);
  deliver(&by_key);
  cr_assert_eq(changes_told("\"partitions\":3,\"before\":2"), 1);
}

/* ---- what arrives ---- */

static void must_be_null_then_empty(void *context, const rd_kafka_message_t *message)
{
  int *seen = context;

  if ((*seen)++ == 0) {
    cr_assert_null(message->payload);
    cr_assert_null(message->key);
  } else {
    cr_assert_not_null(message->payload);
    cr_assert_eq(message->len, 0);
    cr_assert_not_null(message->key);
    cr_assert_eq(message->key_len, 0);
  }
}

Test(kafka_publisher, null_and_empty_stay_two_things_in_key_and_value)
{
  struct record record = kafka_bench_record("t", NULL, NULL);
  int seen = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 0);
  record = kafka_bench_record("t", "", "");
  kafka_bench_publish(&bench, &record, 1);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 2), VERDICT_OK);
  kafka_bench_read(&bench, "t", 1, 2, must_be_null_then_empty, &seen);
}

static void must_have_headers(void *context, const rd_kafka_message_t *message)
{
  static const struct header wanted[] = {{{"id", 2}, {"1", 1}}, {{"a", 1}, {NULL, 0}}, {{"a", 1}, {"", 0}}, {{"b", 1}, {"x\0y", 3}}};
  rd_kafka_timestamp_type_t type;
  rd_kafka_headers_t *headers;

  (void)context;
  cr_assert_eq(rd_kafka_message_timestamp(message, &type), 1700000000000);
  cr_assert_eq(type, RD_KAFKA_TIMESTAMP_CREATE_TIME);
  cr_assert_eq(rd_kafka_message_headers(message, &headers), RD_KAFKA_RESP_ERR_NO_ERROR);
  cr_assert_eq(rd_kafka_header_cnt(headers), 4);
  for (size_t i = 0; i < 4; i++) {
    const char *name;
    const void *value;
    size_t length;

    cr_assert_eq(rd_kafka_header_get_all(headers, i, &name, &value, &length), RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_str_eq(name, wanted[i].name.data);
    cr_assert(span_equals(span_of(value, length), wanted[i].value), "header %zu", i);
  }
}

Test(kafka_publisher, headers_keep_their_order_their_doubles_and_their_nulls_and_the_timestamp_is_the_records)
{
  const struct header headers[] = {{{"id", 2}, {"1", 1}}, {{"a", 1}, {NULL, 0}}, {{"a", 1}, {"", 0}}, {{"b", 1}, {"x\0y", 3}}};
  struct record record = kafka_bench_record("t", "key", "value");

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_open(&bench);
  record.headers = headers;
  record.header_count = 4;
  kafka_bench_publish(&bench, &record, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  kafka_bench_read(&bench, "t", 1, 1, must_have_headers, NULL);
}

static void count_seen(void *context, const rd_kafka_message_t *message)
{
  (void)message;
  (*(int *)context)++;
}

Test(kafka_publisher, topic_that_fell_out_of_the_cache_is_published_to_as_before)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct topic_cache *topics;
  int seen = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  topics = &((struct kafka_publisher *)bench.publisher)->client->topics;
  for (int i = 0; i < TOPIC_CACHE_MAX; i++) {
    const struct known_topic *other;
    char name[24];

    (void)snprintf(name, sizeof(name), "other-%d", i);
    other = topic_cache_get(topics, span_of_text(name));
    cr_assert_not_null(other);
    cr_assert_str_eq(rd_kafka_topic_name(other->handle), name);
    cr_assert_eq(other->hash, fnv1a_64(span_of_text(name)));
    cr_assert_leq(topics->count, (size_t)TOPIC_CACHE_MAX);
  }
  cr_assert_eq(topics->count, 1, "the cache did not start anew");
  kafka_bench_publish(&bench, &record, 1);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 2), VERDICT_OK);
  kafka_bench_read(&bench, "t", 1, 2, count_seen, &seen);
}
