/* kafka_bench.c - see kafka_bench.h. */
#include "kafka_bench.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>

#include "moment.h"
#include "publish/kafka_publisher.h"
#include "publish/kafka_publisher_priv.h"

enum { READ_QUIET_MS = 300 };

static int64_t deadline_ms(void)
{
  return moment_now().mono_us / 1000 + KAFKA_BENCH_TIMEOUT_MS;
}

static void must_be_in_time(int64_t deadline, const char *what)
{
  cr_assert(moment_now().mono_us / 1000 < deadline, "waited too long for %s", what);
}

void kafka_bench_init(struct kafka_bench *bench)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char words[256];

  memset(bench, 0, sizeof(*bench));
  rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
  bench->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  cr_assert_not_null(bench->host, "%s", words);
  bench->cluster = rd_kafka_mock_cluster_new(bench->host, 1);
  cr_assert_not_null(bench->cluster);
  bench->log = (struct log){.level = LOG_ERROR, .format = LOG_TEXT, .fd = 2};
  bench->config.kafka = bench->properties;
  bench->config.outbox = &bench->outbox;
  bench->config.outbox_count = 1;
  kafka_bench_set(bench, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(bench->cluster));
  kafka_bench_set(bench, "queue.buffering.max.messages", "20000");
  kafka_bench_set(bench, "linger.ms", "1");
}

void kafka_bench_done(struct kafka_bench *bench)
{
  publisher_free(bench->publisher);
  rd_kafka_mock_cluster_destroy(bench->cluster);
  rd_kafka_destroy(bench->host);
}

void kafka_bench_set(struct kafka_bench *bench, const char *name, const char *value)
{
  cr_assert_lt(bench->config.kafka_count, KAFKA_BENCH_PROPERTIES_MAX);
  bench->properties[bench->config.kafka_count++] = (struct config_property){.name = name, .value = value};
}

void kafka_bench_topic(struct kafka_bench *bench, const char *name, int partitions)
{
  cr_assert_eq(rd_kafka_mock_topic_create(bench->cluster, name, partitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void kafka_bench_open(struct kafka_bench *bench)
{
  static struct problem_list problems;
  struct problem problem = {0};
  int64_t deadline = deadline_ms();
  enum verdict verdict;

  if (bench->publisher == NULL) {
    bench->publisher = kafka_publisher_new(&bench->config, &bench->log, &problems);
    cr_assert_not_null(bench->publisher, "%s: %s", problems.problems[0].path, problems.problems[0].text);
  }
  while ((verdict = publisher_open(bench->publisher, &problem)) == VERDICT_WAIT) {
    struct pollfd poll_fd = {.fd = publisher_fd(bench->publisher), .events = POLLIN};

    must_be_in_time(deadline, "the client before to end");
    (void)poll(&poll_fd, 1, 100);
  }
  cr_assert_eq(verdict, VERDICT_OK, "%s", problem.text);
}

struct record kafka_bench_record(const char *topic, const char *key, const char *value)
{
  return (struct record){
      .topic = span_of_text(topic),
      .key = span_of_text(key),
      .value = span_of_text(value),
      .timestamp_ms = INT64_C(1700000000000),
      .partition = RECORD_PARTITION_BY_KEY,
  };
}

static void on_report(void *context, const struct report *report, const struct problem *problem)
{
  struct kafka_bench *bench = context;

  if (bench->reports++ == 0) {
    bench->first = report->outcome;
  }
  bench->last = report->outcome;
  bench->outcomes[report->outcome]++;
  if (report->token < KAFKA_BENCH_TOKENS_MAX) {
    bench->by_token[report->token]++;
  }
  if (report->outcome == REPORT_REFUSED_ROW || report->outcome == REPORT_REFUSED_TOPIC) {
    bench->last_refusal = *report;
    bench->refusal = *problem;
  }
}

static enum verdict serve(struct kafka_bench *bench, struct problem *problem)
{
  struct pollfd poll_fd = {.fd = publisher_fd(bench->publisher), .events = POLLIN};

  /* Only what the descriptor announces is served: a wake-up that never comes is a failure here, as it would be in the loop. */
  if (poll(&poll_fd, 1, 100) <= 0) {
    return VERDICT_OK;
  }
  return publisher_reports(bench->publisher, 100, on_report, bench, problem);
}

void kafka_bench_publish(struct kafka_bench *bench, const struct record *record, uint64_t token)
{
  struct problem problem = {0};
  int64_t deadline = deadline_ms();
  enum verdict verdict;

  while ((verdict = publisher_publish(bench->publisher, record, token, &problem)) == VERDICT_WAIT) {
    must_be_in_time(deadline, "room in the queue");
    cr_assert_eq(serve(bench, &problem), VERDICT_OK, "%s", problem.text);
  }
  cr_assert_eq(verdict, VERDICT_OK, "%s", problem.text);
}

void kafka_bench_prove(struct kafka_bench *bench, const struct record *record)
{
  kafka_bench_publish(bench, record, 0);
  cr_assert_eq(kafka_bench_wait_reports(bench, 1), VERDICT_OK);
  cr_assert_eq(bench->outcomes[REPORT_DELIVERED], 1);
  kafka_bench_forget(bench);
}

enum verdict kafka_bench_wait_reports(struct kafka_bench *bench, int count)
{
  struct problem problem;
  int64_t deadline = deadline_ms();
  enum verdict verdict = VERDICT_OK;

  while (bench->reports < count && verdict == VERDICT_OK) {
    must_be_in_time(deadline, "reports");
    verdict = serve(bench, &problem);
  }
  return verdict;
}

void kafka_bench_wait_connected(struct kafka_bench *bench, bool is_connected)
{
  struct publisher_figures figures;
  struct problem problem;
  int64_t deadline = deadline_ms();

  for (;;) {
    publisher_figures(bench->publisher, &figures);
    if (figures.is_connected == is_connected) {
      return;
    }
    must_be_in_time(deadline, is_connected ? "a connection" : "the connection to be lost");
    cr_assert_eq(serve(bench, &problem), VERDICT_OK);
  }
}

enum verdict kafka_bench_wait_broken(struct kafka_bench *bench, struct problem *problem)
{
  int64_t deadline = deadline_ms();
  enum verdict verdict;

  while ((verdict = serve(bench, problem)) == VERDICT_OK) {
    must_be_in_time(deadline, "a verdict other than OK");
  }
  return verdict;
}

void kafka_bench_stop_timer(struct kafka_bench *bench)
{
  const struct itimerspec never = {0};

  cr_assert_eq(timerfd_settime(((struct kafka_publisher *)bench->publisher)->timer_fd, 0, &never, NULL), 0);
}

void kafka_bench_wait_errors_taken(struct kafka_bench *bench, int16_t api_key)
{
  int64_t deadline = deadline_ms();
  size_t left = 1;

  while (left > 0) {
    must_be_in_time(deadline, "the mock to take its errors");
    cr_assert_eq(rd_kafka_mock_broker_error_stack_cnt(bench->cluster, 1, api_key, &left), RD_KAFKA_RESP_ERR_NO_ERROR);
    (void)poll(NULL, 0, 1);
  }
}

void kafka_bench_forget(struct kafka_bench *bench)
{
  bench->reports = 0;
  memset(bench->outcomes, 0, sizeof(bench->outcomes));
  memset(bench->by_token, 0, sizeof(bench->by_token));
}

void kafka_bench_read(struct kafka_bench *bench, const char *topic, int partitions, int count, SeeFunction see, void *context)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
  int64_t deadline = deadline_ms();
  char words[256];
  rd_kafka_t *reader;
  rd_kafka_message_t *message;
  int seen = 0;

  rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(bench->cluster), NULL, 0);
  rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
  rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
  rd_kafka_conf_set(conf, "fetch.wait.max.ms", "50", NULL, 0);
  rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
  reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof(words));
  cr_assert_not_null(reader, "%s", words);
  rd_kafka_poll_set_consumer(reader);
  for (int32_t i = 0; i < partitions; i++) {
    rd_kafka_topic_partition_list_add(list, topic, i)->offset = 0;
  }
  cr_assert_eq(rd_kafka_assign(reader, list), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_partition_list_destroy(list);
  for (;;) {
    message = rd_kafka_consumer_poll(reader, seen < count ? 100 : READ_QUIET_MS);
    if (message == NULL && seen == count) {
      break;
    }
    must_be_in_time(deadline, "records to read");
    if (message == NULL) {
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      seen++;
      cr_assert_leq(seen, count, "topic \"%s\" has more than %d records", topic, count);
      see(context, message);
    }
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consumer_close(reader);
  rd_kafka_destroy(reader);
}
