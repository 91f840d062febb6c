/* test_redriver.c - what is sent behind a letter that was not taken, and what need not wait, on librdkafka's mock cluster. tests/services/dlq_holes.sh asks a real Kafka. */
#include "redriver.h"

#include <criterion/criterion.h>
#include <string.h>

#include "mock_cluster.h"
#include "moment.h"

enum { API_PRODUCE = 0, ROUND_TRIP_MS = 200, KEYS = 20 };

static struct mock_cluster cluster;
static struct redriver *redriver;
static struct arena arena;
static struct problem problem;

static void begin(void)
{
  rd_kafka_conf_t *conf;

  mock_cluster_init(&cluster, "orders");
  conf = mock_cluster_conf(&cluster);
  /* Each in a request of its own, as large letters are. */
  rd_kafka_conf_set(conf, "batch.num.messages", "1", NULL, 0);
  cr_assert_eq(redriver_new(conf, 0, &redriver, &problem), VERDICT_OK);
  arena_init(&arena, 4096);
}

static void end(void)
{
  redriver_free(redriver);
  arena_done(&arena);
  mock_cluster_done(&cluster);
}

TestSuite(redriver, .init = begin, .fini = end, .timeout = 60);

static enum verdict redrive(const char *key, const char *value)
{
  struct record letter = {.topic = "orders.dlq", .key = span_of_text(key), .value = span_of_text(value)};

  return redriver_send(redriver, &letter, "orders", &arena, &problem);
}

/* Connected, and with all that a client asks before it sends: what comes next goes at once, and its answer takes its time. */
static void become_slow(void)
{
  cr_assert_eq(redrive("first", "first"), VERDICT_OK);
  cr_assert_eq(redriver_flush(redriver, &problem), VERDICT_OK);
  cr_assert_eq(rd_kafka_mock_broker_set_rtt(cluster.brokers, 1, ROUND_TRIP_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void assert_there(const char *expected)
{
  char values[256];

  cr_assert_eq(rd_kafka_mock_broker_set_rtt(cluster.brokers, 1, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
  mock_cluster_read(&cluster, "orders", values, sizeof(values));
  cr_assert_str_eq(values, expected);
}

Test(redriver, nothing_of_a_key_goes_behind_a_letter_that_was_not_taken)
{
  enum verdict behind;

  become_slow();
  rd_kafka_mock_push_request_errors(cluster.brokers, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  cr_assert_eq(redrive("k", "too-large"), VERDICT_OK);
  behind = redrive("k", "behind");
  cr_assert_eq(redriver_flush(redriver, &problem), VERDICT_FATAL);
  cr_assert_eq(problem.code, EXIT_KAFKA_REFUSES);
  assert_there("first ");
  cr_assert_eq(behind, VERDICT_FATAL);
  cr_assert_eq(redrive("other", "other"), VERDICT_FATAL, "the first failure ends it");
}

Test(redriver, letters_of_a_key_arrive_in_their_order)
{
  become_slow();
  cr_assert_eq(redrive("k", "1"), VERDICT_OK);
  cr_assert_eq(redrive("k", "2"), VERDICT_OK);
  cr_assert_eq(redrive("k", "3"), VERDICT_OK);
  cr_assert_eq(redriver_flush(redriver, &problem), VERDICT_OK);
  assert_there("first 1 2 3 ");
}

static int64_t us_for(bool has_keys)
{
  int64_t began_us = moment_now().mono_us;

  for (int i = 0; i < KEYS; i++) {
    char key[16];

    (void)snprintf(key, sizeof(key), "key-%d", i);
    cr_assert_eq(redrive(has_keys ? key : NULL, "v"), VERDICT_OK);
  }
  cr_assert_eq(redriver_flush(redriver, &problem), VERDICT_OK);
  return moment_now().mono_us - began_us;
}

Test(redriver, letters_of_different_keys_do_not_wait_for_each_other)
{
  const int64_t one_by_one_us = INT64_C(1) * KEYS * ROUND_TRIP_MS * US_PER_MS;

  become_slow();
  cr_assert_lt(us_for(true), one_by_one_us);
  cr_assert_lt(us_for(false), one_by_one_us, "nor do those without a key");
}

Test(redriver, a_producer_that_broke_says_why_and_nothing_waits_for_it)
{
  int64_t began_us;

  become_slow();
  rd_kafka_mock_push_request_errors(cluster.brokers, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
  cr_assert_eq(redrive("k", "1"), VERDICT_OK);
  began_us = moment_now().mono_us;
  cr_assert_eq(redriver_flush(redriver, &problem), VERDICT_RETRY);
  cr_assert_not_null(strstr(problem.text, "out of order sequence number"), "%s", problem.text);
  cr_assert_eq(redrive("k", "2"), VERDICT_RETRY);
  cr_assert_eq(redriver_flush(redriver, &problem), VERDICT_RETRY);
  cr_assert_lt(moment_now().mono_us - began_us, INT64_C(1000) * REDRIVER_TIMEOUT_MS / 2);
  assert_there("first ");
}
