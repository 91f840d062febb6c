/* test_kafka_error.c - the table of error codes: whose fault, which verdict, which command mends it. */
#include "publish/kafka_error.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct config_property properties[] = {
    {.name = "bootstrap.servers", .value = "k1:9092,k2:9092"},
    {.name = "security.protocol", .value = "SASL_SSL"},
    {.name = "sasl.username", .value = "relay"},
};
static const struct config secured = {.kafka = properties, .kafka_count = 3};
static const struct config plain = {.kafka = properties, .kafka_count = 1};

static const struct {
  rd_kafka_resp_err_t error;
  enum report_outcome outcome;
  enum verdict verdict;
  const char *hint; /* a part of it; NULL: none needed */
} cases[] = {
    {RD_KAFKA_RESP_ERR_NO_ERROR, REPORT_DELIVERED, VERDICT_OK, NULL},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, REPORT_REFUSED_ROW, VERDICT_POISON, "max.message.bytes"},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, REPORT_REFUSED_ROW, VERDICT_POISON, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, REPORT_REFUSED_ROW, VERDICT_POISON, "compacted"},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, REPORT_REFUSED_ROW, VERDICT_POISON, "max.message.bytes"},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, REPORT_REFUSED_ROW, VERDICT_POISON, "message.timestamp"},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, REPORT_REFUSED_ROW, VERDICT_POISON, NULL},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, REPORT_REFUSED_ROW, VERDICT_POISON, NULL},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, REPORT_REFUSED_ROW, VERDICT_POISON, "--partitions"},
    {RD_KAFKA_RESP_ERR__BAD_MSG, REPORT_REFUSED_ROW, VERDICT_POISON, NULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, REPORT_REFUSED_TOPIC, VERDICT_FATAL, "kafka-topics.sh --bootstrap-server k1:9092 "},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, REPORT_REFUSED_TOPIC, VERDICT_FATAL, "--create --topic orders"},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, REPORT_REFUSED_TOPIC, VERDICT_FATAL, NULL},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, REPORT_REFUSED_TOPIC, VERDICT_FATAL, "--allow-principal 'User:relay'"},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, REPORT_REFUSED_TOPIC, VERDICT_FATAL, "IdempotentWrite --cluster"},
    {RD_KAFKA_RESP_ERR__QUEUE_FULL, REPORT_LOST, VERDICT_WAIT, NULL},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, REPORT_LOST, VERDICT_RETRY, NULL},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, REPORT_LOST, VERDICT_RETRY, NULL},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, REPORT_LOST, VERDICT_RETRY, NULL},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, REPORT_LOST, VERDICT_RETRY, NULL},
    {RD_KAFKA_RESP_ERR__FATAL, REPORT_LOST, VERDICT_RETRY, NULL},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, REPORT_LOST, VERDICT_RETRY, NULL},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, REPORT_LOST, VERDICT_RETRY, NULL},
    {RD_KAFKA_RESP_ERR_UNKNOWN, REPORT_LOST, VERDICT_RETRY, NULL},
    {(rd_kafka_resp_err_t)31999, REPORT_LOST, VERDICT_RETRY, NULL}, /* of a broker newer than we are */
};

Test(kafka_error, every_code_has_its_outcome_its_verdict_and_its_exit_code)
{
  struct kafka_address address;

  kafka_address_init(&address, &secured);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const char *name = rd_kafka_err2name(cases[i].error);
    struct problem problem = {0};

    cr_expect_eq(kafka_error_outcome(cases[i].error, 5), cases[i].outcome, "%s", name);
    cr_expect_eq(kafka_error_verdict(cases[i].error, 5), cases[i].verdict, "%s", name);
    cr_expect_eq(kafka_error_explain(cases[i].error, "orders", &address, cases[i].verdict, &problem), cases[i].verdict);
    cr_expect_not_null(problem.cause, "%s", name);
    cr_expect_not_null(strstr(problem.text, "\"orders\""), "%s", name);
    if (cases[i].outcome == REPORT_REFUSED_ROW) {
      cr_expect_eq(problem.code, EXIT_POISON, "%s", name);
    }
    if (cases[i].outcome == REPORT_REFUSED_TOPIC) {
      cr_expect_eq(problem.code, EXIT_KAFKA_REFUSES, "%s", name);
    }
    if (cases[i].hint != NULL) {
      cr_expect_not_null(strstr(problem.hint, cases[i].hint), "%s: %s", name, problem.hint);
    }
  }
}

Test(kafka_error, partition_that_is_missing_is_the_rows_fault_only_if_the_row_named_one)
{
  cr_assert_eq(kafka_error_outcome(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, 0), REPORT_REFUSED_ROW);
  cr_assert_eq(kafka_error_outcome(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, RECORD_PARTITION_BY_KEY), REPORT_LOST);
}

Test(kafka_error, commands_take_client_settings_only_on_a_secured_cluster)
{
  struct kafka_address address;
  struct problem problem;

  kafka_address_init(&address, &secured);
  (void)kafka_error_explain(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "orders", &address, VERDICT_FATAL, &problem);
  cr_assert_str_eq(problem.hint, "kafka-topics.sh --bootstrap-server k1:9092 --command-config client.properties --create --topic orders");
  kafka_address_init(&address, &plain);
  (void)kafka_error_explain(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "orders", &address, VERDICT_FATAL, &problem);
  cr_assert_str_eq(problem.hint, "kafka-topics.sh --bootstrap-server k1:9092 --create --topic orders");
}

Test(kafka_error, fatal_error_is_retried_unless_a_person_is_needed)
{
  static const struct {
    rd_kafka_resp_err_t error;
    enum verdict verdict;
    const char *cause;
  } fatal[] = {
      {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, VERDICT_RETRY, "fatal_out_of_order"},
      {RD_KAFKA_RESP_ERR__FENCED, VERDICT_RETRY, "fatal_fenced"},
      {RD_KAFKA_RESP_ERR_UNKNOWN, VERDICT_RETRY, "fatal_producer"},
      {RD_KAFKA_RESP_ERR_INVALID_RECORD, VERDICT_RETRY, "fatal_producer"},
      {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, VERDICT_FATAL, "cluster_not_authorized"},
  };
  struct kafka_address address;

  kafka_address_init(&address, &secured);
  for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
    struct problem problem = {0};

    cr_expect_eq(kafka_error_explain_fatal(fatal[i].error, "words", &address, &problem), fatal[i].verdict);
    cr_expect_str_eq(problem.cause, fatal[i].cause);
    cr_expect_not_null(strstr(problem.text, "words"));
    cr_expect_eq(problem.code == EXIT_KAFKA_REFUSES, fatal[i].verdict == VERDICT_FATAL);
  }
}
