/* test_kafka_publisher_full.c - what the publisher does when its queue is full, of records or of bytes. On a MOCK cluster: kafka_bench.h. */
#include <criterion/criterion.h>
#include <string.h>

#include "kafka_bench.h"
#include "publish/in_flight.h"

static struct kafka_bench bench;

static void begin(void)
{
  kafka_bench_init(&bench);
}

static void end(void)
{
  kafka_bench_done(&bench);
}

TestSuite(kafka_publisher_full, .init = begin, .fini = end, .timeout = 60);

Test(kafka_publisher_full, full_queue_says_wait_while_the_broker_is_down_and_nothing_is_lost)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct publisher_figures figures;
  struct problem problem;
  enum verdict verdict;
  int accepted = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "queue.buffering.max.messages", "50");
  kafka_bench_set(&bench, "reconnect.backoff.max.ms", "200");
  kafka_bench_open(&bench);
  kafka_bench_prove(&bench, &record);
  cr_assert_eq(rd_kafka_mock_broker_set_down(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka_bench_wait_connected(&bench, false);
  while ((verdict = publisher_publish(bench.publisher, &record, (uint64_t)accepted, &problem)) == VERDICT_OK) {
    accepted++;
    cr_assert_leq(accepted, 50);
  }
  cr_assert_eq(verdict, VERDICT_WAIT);
  cr_assert_eq(accepted, 50);
  publisher_figures(bench.publisher, &figures);
  cr_assert_eq(figures.max_events, 50);
  cr_assert_eq(figures.queue_events, 50);
  cr_assert_eq(figures.queue_bytes, INT64_C(50) * 8);
  cr_assert_eq(rd_kafka_mock_broker_set_up(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka_bench_publish(&bench, &record, 50);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 51), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 51);
  publisher_figures(bench.publisher, &figures);
  cr_assert_eq(figures.queue_events, 0);
  cr_assert_eq(figures.queue_bytes, 0);
}

enum { LIMIT_BYTES = 1024 * 1024, HEADERS = 60 };

/* A record whose headers have values of `length` bytes; static. */
static struct record record_with_headers(const char *value, size_t length)
{
  static char letters[1024];
  static struct header headers[HEADERS];
  struct record record = kafka_bench_record("t", "key", value);

  memset(letters, 'h', sizeof(letters));
  for (size_t i = 0; i < HEADERS; i++) {
    headers[i] = (struct header){.name = span_of_text("name"), .value = span_of(letters, length)};
  }
  record.headers = headers;
  record.header_count = HEADERS;
  return record;
}

/* To librdkafka headers are free, and so is a key: its own limit would let a thousand times as many in. */
Test(kafka_publisher_full, queue_is_full_when_headers_fill_it)
{
  struct record record = record_with_headers("value", 1024);
  const int64_t bytes = 3 + 5 + HEADERS * (IN_FLIGHT_HEADER_BYTES + 4 + 1024);
  struct publisher_figures figures;
  struct problem problem;
  int accepted = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "queue.buffering.max.kbytes", "1024");
  kafka_bench_set(&bench, "reconnect.backoff.max.ms", "200");
  kafka_bench_open(&bench);
  kafka_bench_prove(&bench, &record);
  cr_assert_eq(rd_kafka_mock_broker_set_down(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka_bench_wait_connected(&bench, false);
  while (publisher_publish(bench.publisher, &record, (uint64_t)accepted, &problem) == VERDICT_OK) {
    cr_assert_lt(accepted++, 100);
  }
  cr_assert_eq(accepted, 2 * LIMIT_BYTES / bytes);
  publisher_figures(bench.publisher, &figures);
  cr_assert_eq(figures.queue_bytes, accepted * bytes);
  cr_assert_eq(rd_kafka_mock_broker_set_up(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  kafka_bench_publish(&bench, &record, (uint64_t)accepted);
  cr_assert_eq(kafka_bench_wait_reports(&bench, accepted + 1), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], accepted + 1);
}

Test(kafka_publisher_full, record_that_is_more_than_the_whole_queue_goes_alone)
{
  struct record small = kafka_bench_record("t", "key", "value");
  struct publisher_figures figures;
  struct record large = record_with_headers("value", 1);

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "queue.buffering.max.kbytes", "2");
  kafka_bench_set(&bench, "message.max.bytes", "2000");
  kafka_bench_open(&bench);
  kafka_bench_prove(&bench, &small);
  kafka_bench_publish(&bench, &small, 1);
  kafka_bench_publish(&bench, &large, 2);
  publisher_figures(bench.publisher, &figures);
  cr_assert_eq(figures.queue_events, 1);
  cr_assert_gt(figures.queue_bytes, 2 * 2048);
  kafka_bench_publish(&bench, &small, 3);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 3), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 3);
}
