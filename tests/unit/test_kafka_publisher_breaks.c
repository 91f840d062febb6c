/*
 * test_kafka_publisher_breaks.c - refusals, fatal errors and beginning anew, on librdkafka's MOCK cluster (kafka_bench.h).
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>

#include "kafka_bench.h"
#include "moment.h"
#include "publish/kafka_conf.h"
#include "publish/kafka_publisher.h"
#include "publish/kafka_publisher_priv.h"

enum { PRODUCE = 0 }; /* API key */

static struct kafka_bench bench;

static void begin(void)
{
  kafka_bench_init(&bench);
}

static void end(void)
{
  kafka_bench_done(&bench);
}

TestSuite(kafka_publisher_breaks, .init = begin, .fini = end, .timeout = 60);

static void count_seen(void *context, const rd_kafka_message_t *message)
{
  (void)message;
  (*(int *)context)++;
}

Test(kafka_publisher_breaks, nothing_behind_a_refused_record_overtakes_it_and_the_publisher_goes_on)
{
  struct record record = kafka_bench_record("t", "key", "value");
  int accepted = 0, seen = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "batch.num.messages", "1");
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  kafka_bench_forget(&bench);

  /* Kafka refuses what is in flight behind a gap; the mock has to be told. */
  rd_kafka_mock_push_request_errors(bench.cluster, PRODUCE, 6, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
  for (; accepted < 20; accepted++) {
    struct problem problem;

    /* The refusal may come before the last of them. */
    if (publisher_publish(bench.publisher, &record, (uint64_t)accepted + 1, &problem) != VERDICT_OK) {
      break;
    }
  }
  cr_assert_eq(kafka_bench_wait_reports(&bench, accepted), VERDICT_OK);
  cr_assert_eq(bench.first, REPORT_REFUSED_ROW, "the reports of its neighbours came first: a session would not know whom to isolate");
  cr_assert_eq(bench.outcomes[REPORT_REFUSED_ROW], 1);
  cr_assert_eq(bench.outcomes[REPORT_LOST], accepted - 1);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 0);
  cr_assert_eq(bench.last_refusal.token, 1);
  cr_assert_eq(bench.refusal.code, EXIT_POISON);
  cr_assert_not_null(strstr(bench.refusal.hint, "kafka-configs.sh"));

  kafka_bench_forget(&bench);
  rd_kafka_mock_clear_request_errors(bench.cluster, PRODUCE);
  kafka_bench_publish(&bench, &record, 100); /* the dead letter, say */
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 1);
  kafka_bench_read(&bench, "t", 1, 2, count_seen, &seen);
}

/*
 * A broker that has nothing of the producer in a partition yet (a new one, or it has just become its leader) takes any sequence number. When the first batch comes
 * too early for it and the second does not, librdkafka concludes from the second's success that the first arrived, too, and reports it as delivered.
 */
Test(kafka_publisher_breaks, first_record_to_a_partition_goes_alone_so_that_none_can_overtake_it)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct problem problem;
  int seen = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "batch.num.messages", "1");
  kafka_bench_open(&bench);
  kafka_bench_wait_connected(&bench, true);
  (void)rd_kafka_mock_broker_set_rtt(bench.cluster, 1, 100);
  rd_kafka_mock_push_request_errors(bench.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  kafka_bench_publish(&bench, &record, 0);
  cr_assert_eq(publisher_publish(bench.publisher, &record, 1, &problem), VERDICT_WAIT);
  for (uint64_t token = 1; token < 4; token++) {
    kafka_bench_publish(&bench, &record, token);
  }
  cr_assert_eq(kafka_bench_wait_reports(&bench, 4), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 4);
  kafka_bench_read(&bench, "t", 1, 4, count_seen, &seen);
}

/* The mock takes any sequence number at any time. */
/* With a linger of its own each new partition would cost that time, one after another. */
Test(kafka_publisher_breaks, first_record_to_a_partition_does_not_wait_for_the_users_linger)
{
  struct record record = kafka_bench_record("t", "key", "value");

  kafka_bench_topic(&bench, "t", 3);
  kafka_bench_set(&bench, "linger.ms", "600000");
  kafka_bench_open(&bench);
  for (int32_t partition = 0; partition < 3; partition++) {
    record.partition = partition;
    kafka_bench_publish(&bench, &record, (uint64_t)partition);
  }
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 2, "the third was taken before the second was there");
}

Test(kafka_publisher_breaks, a_batch_that_was_refused_for_the_moment_is_not_delivered_because_the_next_one_was)
{
  struct record record = kafka_bench_record("t", "key", "value");
  int seen = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "batch.num.messages", "1");
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  (void)rd_kafka_mock_broker_set_rtt(bench.cluster, 1, 1000); /* so long all four are on their way together */
  rd_kafka_mock_push_request_errors(bench.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
  for (uint64_t token = 1; token < 5; token++) {
    kafka_bench_publish(&bench, &record, token);
  }
  (void)kafka_bench_wait_reports(&bench, 5);
  (void)rd_kafka_mock_broker_set_rtt(bench.cluster, 1, 0);
  cr_assert_eq(bench.by_token[1], 1);
  cr_assert_eq(bench.outcomes[REPORT_LOST], 1);
  kafka_bench_read(&bench, "t", 1, bench.outcomes[REPORT_DELIVERED], count_seen, &seen);
}

Test(kafka_publisher_breaks, refusal_is_reported_before_the_records_that_were_purged_though_it_comes_after_them)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct kafka_publisher *publisher;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "batch.num.messages", "1");
  kafka_bench_set(&bench, "max.in.flight", "1");
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  kafka_bench_forget(&bench);
  /* The first is on its way for 300 ms and will be refused; the producer breaks meanwhile, which purges what waits behind it. */
  (void)rd_kafka_mock_broker_push_request_error_rtts(bench.cluster, 1, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 300);
  for (uint64_t token = 1; token <= 10; token++) {
    kafka_bench_publish(&bench, &record, token);
  }
  kafka_bench_wait_errors_taken(&bench, PRODUCE);
  publisher = (struct kafka_publisher *)bench.publisher;
  (void)rd_kafka_test_fatal_error(publisher->client->producer, RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, "for the test");
  (void)kafka_bench_wait_reports(&bench, 1);
  cr_assert_eq(bench.first, REPORT_REFUSED_ROW);
  cr_assert_eq(bench.outcomes[REPORT_REFUSED_ROW], 1);
}

Test(kafka_publisher_breaks, fatal_error_says_retry_from_every_call_until_it_is_opened_again)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct kafka_publisher *publisher;
  struct problem problem = {0};

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  publisher = (struct kafka_publisher *)bench.publisher;
  cr_assert_eq(rd_kafka_test_fatal_error(publisher->client->producer, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "for the test"),
               RD_KAFKA_RESP_ERR_NO_ERROR);
  cr_assert_eq(kafka_bench_wait_broken(&bench, &problem), VERDICT_RETRY);
  cr_assert_str_eq(problem.cause, "fatal_out_of_order");
  for (int i = 0; i < 3; i++) {
    problem.cause = "";
    cr_assert_eq(publisher_publish(bench.publisher, &record, 1, &problem), VERDICT_RETRY);
    cr_assert_str_eq(problem.cause, "fatal_out_of_order");
    cr_assert_eq(publisher_reports(bench.publisher, 10, NULL, NULL, &problem), VERDICT_RETRY);
  }
  kafka_bench_forget(&bench);
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 2);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  cr_assert_eq(bench.by_token[2], 1);
  cr_assert_eq(bench.outcomes[REPORT_DELIVERED], 1);
}

Test(kafka_publisher_breaks, fatal_error_that_the_broker_caused_hands_out_all_reports_first)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct problem problem = {0};

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "linger.ms", "1000"); /* one batch, also where we are kept waiting between two of them */
  kafka_bench_open(&bench);
  kafka_bench_prove(&bench, &record);
  rd_kafka_mock_push_request_errors(bench.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
  for (uint64_t token = 0; token < 10; token++) {
    kafka_bench_publish(&bench, &record, token);
  }
  cr_assert_eq(kafka_bench_wait_broken(&bench, &problem), VERDICT_RETRY);
  cr_assert_eq(bench.outcomes[REPORT_LOST], 10);
  for (int i = 0; i < 10; i++) {
    cr_assert_eq(bench.by_token[i], 1);
  }
}

Test(kafka_publisher_breaks, broken_or_closed_publisher_does_not_keep_the_loop_awake)
{
  struct kafka_publisher *publisher;
  struct problem problem;
  struct pollfd poll_fd;

  kafka_bench_open(&bench);
  kafka_bench_wait_connected(&bench, true);
  publisher = (struct kafka_publisher *)bench.publisher;
  (void)rd_kafka_test_fatal_error(publisher->client->producer, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "for the test");
  cr_assert_eq(kafka_bench_wait_broken(&bench, &problem), VERDICT_RETRY);
  poll_fd = (struct pollfd){.fd = publisher_fd(bench.publisher), .events = POLLIN};
  if (poll(&poll_fd, 1, 0) > 0) {
    cr_assert_eq(publisher_reports(bench.publisher, 10, NULL, NULL, &problem), VERDICT_RETRY);
  }
  cr_assert_eq(poll(&poll_fd, 1, 3 * LOOK_MS), 0);
}

Test(kafka_publisher_breaks, opening_anew_waits_on_the_descriptor_and_does_not_spin)
{
  struct record record = kafka_bench_record("t", "key", "value");
  struct problem problem;
  int64_t before_us;
  int waits = 0;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_open(&bench);
  for (uint64_t token = 0; token < 100; token++) {
    kafka_bench_publish(&bench, &record, token);
  }
  before_us = moment_now().mono_us;
  while (publisher_open(bench.publisher, &problem) == VERDICT_WAIT) {
    struct pollfd poll_fd = {.fd = publisher_fd(bench.publisher), .events = POLLIN};

    kafka_bench_stop_timer(&bench);
    cr_assert_eq(poll(&poll_fd, 1, KAFKA_BENCH_TIMEOUT_MS), 1, "nothing told that the client before is gone");
    waits++;
  }
  cr_assert_leq(waits, 2 + (moment_now().mono_us - before_us) / (LOOK_MS * US_PER_MS), "%d turns of the loop", waits);
}

Test(kafka_publisher_breaks, calls_before_the_first_open_say_retry)
{
  struct record record = kafka_bench_record("t", "key", "value");
  static struct problem_list problems;
  struct problem problem;

  bench.publisher = kafka_publisher_new(&bench.config, &bench.log, &problems);
  cr_assert_not_null(bench.publisher);
  cr_assert_eq(publisher_publish(bench.publisher, &record, 0, &problem), VERDICT_RETRY);
  cr_assert_eq(publisher_reports(bench.publisher, 10, NULL, NULL, &problem), VERDICT_RETRY);
}

Test(kafka_publisher_breaks, reports_of_the_client_before_are_not_handed_out_after_opening_anew)
{
  struct record record = kafka_bench_record("t", "key", "value");

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 0);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  kafka_bench_forget(&bench);
  cr_assert_eq(rd_kafka_mock_broker_set_rtt(bench.cluster, 1, 300), RD_KAFKA_RESP_ERR_NO_ERROR);
  for (uint64_t token = 1; token <= 10; token++) {
    kafka_bench_publish(&bench, &record, token);
  }
  kafka_bench_open(&bench);
  cr_assert_eq(rd_kafka_mock_broker_set_rtt(bench.cluster, 1, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
  for (uint64_t token = 101; token <= 105; token++) {
    kafka_bench_publish(&bench, &record, token);
  }
  cr_assert_eq(kafka_bench_wait_reports(&bench, 5), VERDICT_OK);
  cr_assert_eq(bench.reports, 5);
  for (int token = 101; token <= 105; token++) {
    cr_assert_eq(bench.by_token[token], 1);
  }
}

Test(kafka_publisher_breaks, topic_that_does_not_exist_is_reported_once_and_then_refused_at_once_with_the_command_that_makes_it)
{
  struct record record = kafka_bench_record("missing", "key", "value");
  struct problem problem;

  kafka_bench_topic(&bench, "missing", 1);
  rd_kafka_mock_topic_set_error(bench.cluster, "missing", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  kafka_bench_set(&bench, "topic.metadata.propagation.max.ms", "0");
  kafka_bench_open(&bench);
  kafka_bench_publish(&bench, &record, 1);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  cr_assert_eq(bench.outcomes[REPORT_REFUSED_TOPIC], 1);
  cr_assert_eq(bench.refusal.code, EXIT_KAFKA_REFUSES);
  cr_assert_eq(publisher_publish(bench.publisher, &record, 2, &problem), VERDICT_FATAL);
  cr_assert_eq(problem.code, EXIT_KAFKA_REFUSES);
  cr_assert_not_null(strstr(problem.hint, "kafka-topics.sh"));
  cr_assert_not_null(strstr(problem.hint, "--create --topic missing"));
}

Test(kafka_publisher_breaks, record_over_the_clients_limit_is_poison_at_once)
{
  static char value[3000];
  struct record record = kafka_bench_record("t", "key", "");
  struct publisher_figures figures;
  struct problem problem;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_set(&bench, "message.max.bytes", "2000");
  kafka_bench_open(&bench);
  record.value = span_of(value, sizeof(value));
  cr_assert_eq(publisher_publish(bench.publisher, &record, 1, &problem), VERDICT_POISON);
  cr_assert_eq(problem.code, EXIT_POISON);
  cr_assert_str_eq(problem.cause, "too_large");
  publisher_figures(bench.publisher, &figures);
  cr_assert_eq(figures.queue_events, 0, "a record that was not taken keeps its place");
  cr_assert_eq(figures.queue_bytes, 0);
  record.value = span_of(value, 1000);
  kafka_bench_publish(&bench, &record, 2);
  cr_assert_eq(kafka_bench_wait_reports(&bench, 1), VERDICT_OK);
  cr_assert_eq(bench.by_token[2], 1);
}

Test(kafka_publisher_breaks, freeing_takes_no_longer_than_promised_with_a_full_queue_and_no_broker)
{
  struct record record = kafka_bench_record("t", "key", "value");
  int64_t before_us;

  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_open(&bench);
  kafka_bench_prove(&bench, &record);
  cr_assert_eq(rd_kafka_mock_broker_set_down(bench.cluster, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  for (uint64_t token = 0; token < 1000; token++) {
    kafka_bench_publish(&bench, &record, token);
  }
  before_us = moment_now().mono_us;
  publisher_free(bench.publisher);
  bench.publisher = NULL;
  cr_assert_lt(moment_now().mono_us - before_us, 2500000);
}

/* ---- properties ---- */

static void refuse(const char *name, const char *value, bool is_secret, struct problem_list *ret_problems)
{
  kafka_bench_set(&bench, name, value);
  bench.properties[bench.config.kafka_count - 1].is_secret = is_secret;
  kafka_conf_check(&bench.config, ret_problems);
  bench.config.kafka_count--;
  cr_assert_geq(ret_problems->count, 1, "%s=%s was accepted", name, value);
}

Test(kafka_publisher_breaks, properties_that_librdkafka_does_not_take_are_named)
{
  static const struct {
    const char *name, *value, *path;
  } cases[] = {
      {"no.such.property", "1", "kafka.no.such.property"},
      {"linger.ms", "soon", "kafka.linger.ms"},
      {"message.max.bytes", "100000000", "kafka.message.max.bytes"},
      {"ssl.ca.location", "/nonexistent/ca.pem", "kafka"},
  };

  kafka_bench_set(&bench, "queue.buffering.max.kbytes", "1024");
  kafka_bench_set(&bench, "security.protocol", "ssl");
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    static struct problem_list problems;

    memset(&problems, 0, sizeof(problems));
    refuse(cases[i].name, cases[i].value, false, &problems);
    cr_assert_str_eq(problems.problems[0].path, cases[i].path);
    cr_assert_neq(problems.problems[0].text[0], '\0');
  }
}

Test(kafka_publisher_breaks, value_of_a_secret_is_not_in_the_refusal)
{
  static struct problem_list problems;

  /* For any other property of this kind librdkafka repeats the value. */
  refuse("security.protocol", "hunter2", true, &problems);
  cr_assert_str_eq(problems.problems[0].path, "kafka.security.protocol");
  cr_assert_null(strstr(problems.problems[0].text, "hunter2"));
}
