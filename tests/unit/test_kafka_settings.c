/* test_kafka_settings.c - KAFKA_... of the environment: what becomes a property, what is refused, what is not meant for us. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "kafka_settings.h"

static struct kafka_settings settings;
static struct problem_list problems;

static void read_list(char *const *environment)
{
  for (size_t i = 0; i < settings.count; i++) {
    free(settings.settings[i].value); /* a program reads its settings once, and keeps them */
  }
  memset(&problems, 0, sizeof(problems));
  kafka_settings_read(&settings, environment, &problems);
}

static void read_one(const char *entry)
{
  char *const environment[] = {(char *)(uintptr_t)entry, NULL};

  read_list(environment);
}

Test(kafka_settings, names_become_properties)
{
  static const char *const cases[][2] = {{"KAFKA_SESSION_TIMEOUT_MS=300000", "session.timeout.ms"},
                                         {"KAFKA_SECURITY_PROTOCOL=sasl_ssl", "security.protocol"},
                                         {"KAFKA_LOG_LEVEL=3", "log_level"},
                                         {"KAFKA_PARTITION_ASSIGNMENT_STRATEGY=roundrobin", "partition.assignment.strategy"}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct problem problem;

    read_one(cases[i][0]);
    cr_assert_eq(problems.count, 0, "%s: %s", cases[i][0], problems.problems[0].text);
    cr_assert_eq(settings.count, 1);
    cr_expect_str_eq(settings.settings[0].property, cases[i][1]);
    cr_expect_eq(kafka_settings_apply(&settings, conf, &problem), VERDICT_OK);
    rd_kafka_conf_destroy(conf);
  }
}

Test(kafka_settings, what_the_runtime_needs_itself_is_refused)
{
  static const char *const entries[] = {"KAFKA_ENABLE_AUTO_COMMIT=true",
                                        "KAFKA_ENABLE_AUTO_OFFSET_STORE=true",
                                        "KAFKA_AUTO_OFFSET_RESET=latest",
                                        "KAFKA_ISOLATION_LEVEL=read_uncommitted",
                                        "KAFKA_GROUP_ID=g",
                                        "KAFKA_GROUP_INSTANCE_ID=i",
                                        "KAFKA_PLUGIN_LIBRARY_PATHS=/tmp/x.so",
                                        "KAFKA_SSL_ENGINE_LOCATION=/tmp/x.so",
                                        "KAFKA_TEST_MOCK_NUM_BROKERS=3",
                                        "KAFKA_OFFSET_STORE_METHOD=broker",
                                        "KAFKA_PARTITION_ASSIGNMENT_STRATEGY=cooperative-sticky",
                                        "KAFKA_PARTITION_ASSIGNMENT_STRATEGY=range,cooperative-sticky",
                                        "KAFKA_PARTITION_ASSIGNMENT_STRATEGY=sticky",
                                        "KAFKA_AUTO_COMMIT_ENABLE=true",
                                        "KAFKA_AUTO_COMMIT_INTERVAL_MS=100",
                                        "KAFKA_TOPIC_BLACKLIST=order",
                                        "KAFKA_API_VERSION_REQUEST=false",
                                        "KAFKA_BROKER_VERSION_FALLBACK=0.9.0",
                                        "KAFKA_ACKS=1",
                                        "KAFKA_REQUEST_REQUIRED_ACKS=0",
                                        "KAFKA_ENABLE_IDEMPOTENCE=false",
                                        "KAFKA_ENABLE_GAPLESS_GUARANTEE=true",
                                        "KAFKA_TRANSACTIONAL_ID=t",
                                        "KAFKA_MAX_IN_FLIGHT=6",
                                        "KAFKA_MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION=1000000",
                                        "KAFKA_RETRIES=0",
                                        "KAFKA_MESSAGE_TIMEOUT_MS=1",
                                        "KAFKA_DELIVERY_REPORT_ONLY_ERROR=true",
                                        "KAFKA_QUEUING_STRATEGY=lifo",
                                        "KAFKA_PARTITIONER=random",
                                        "KAFKA_LOG_QUEUE=true",
                                        "KAFKA_SSL_ENGINE_ID=x",
                                        "KAFKA_SASL_KERBEROS_KINIT_CMD=touch /tmp/x"};

  for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
    read_one(entries[i]);
    cr_expect_eq(problems.count, 1, "%s", entries[i]);
    cr_expect_eq(settings.count, 0, "%s", entries[i]);
    cr_expect_not_null(strstr(problems.problems[0].text, "cannot be set"), "%s", problems.problems[0].text);
  }
}

Test(kafka_settings, what_becomes_a_part_of_a_command_is_no_command)
{
  static const char *const wrong[] = {"KAFKA_SASL_KERBEROS_PRINCIPAL=me;touch /tmp/x", "KAFKA_SASL_KERBEROS_KEYTAB=$(id)",
                                      "KAFKA_SASL_KERBEROS_SERVICE_NAME=a b"};

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    read_one(wrong[i]);
    cr_expect_eq(problems.count, 1, "%s", wrong[i]);
    cr_expect_not_null(strstr(problems.problems[0].text, "shell command"), "%s", problems.problems[0].text);
  }
  read_one("KAFKA_SASL_KERBEROS_PRINCIPAL=me/host.example.com@EXAMPLE.COM");
  cr_assert_eq(problems.count, 0, "%s", problems.problems[0].text);
}

Test(kafka_settings, every_mistake_is_reported_at_once)
{
  char *const environment[] = {"KAFKA_NO_SUCH_THING=1", "KAFKA_SESSION_TIMEOUT_MS=soon", "KAFKA_GROUP_ID=g", "KAFKA_SOCKET_TIMEOUT_MS=1000", "KAFKA_=x", NULL};

  read_list(environment);
  cr_assert_eq(problems.count, 4);
  cr_assert_eq(settings.count, 1);
  cr_assert_str_eq(problems.problems[0].path, "KAFKA_NO_SUCH_THING");
}

Test(kafka_settings, what_is_meant_for_others_is_left_alone)
{
  char *const environment[] = {"KAFKA_BOOTSTRAP_SERVERS=b:9092",
                               "KAFKA_SERVICE_HOST=10.0.0.1",
                               "KAFKA_SERVICE_PORT=9092",
                               "KAFKA_SERVICE_PORT_CLIENT=9092",
                               "KAFKA_PORT=tcp://10.0.0.1:9092",
                               "KAFKA_PORT_9092_TCP_ADDR=10.0.0.1",
                               "KAFKA_SASL_USERNAME=",
                               "OTHER=1",
                               NULL};

  read_list(environment);
  cr_assert_eq(problems.count, 0, "%s: %s", problems.problems[0].path, problems.problems[0].text);
  cr_assert_eq(settings.count, 0);
}

Test(kafka_settings, a_secret_comes_from_a_file_and_is_never_shown)
{
  char path[] = "/tmp/kafka_settings.XXXXXX";
  int fd = mkstemp(path);
  char entry[128];
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  cr_assert_eq(write(fd, "p4ss word\n", 10), 10);
  (void)close(fd);
  (void)snprintf(entry, sizeof(entry), "KAFKA_SASL_PASSWORD_FILE=%s", path);
  read_one(entry);
  (void)unlink(path);
  cr_assert_eq(problems.count, 0, "%s", problems.problems[0].text);
  cr_assert_str_eq(settings.settings[0].property, "sasl.password");
  cr_assert_str_eq(settings.settings[0].value, "p4ss word");
  kafka_settings_print(&settings, &problems, out);
  (void)fclose(out);
  cr_assert_null(strstr(text, "p4ss"));
  cr_assert_not_null(strstr(text, "***"));
  free(text);

  read_one("KAFKA_SASL_PASSWORD_FILE=/nowhere/at/all");
  cr_assert_eq(problems.count, 1);
}

Test(kafka_settings, a_property_is_set_once)
{
  char *const environment[] = {"KAFKA_SASL_PASSWORD=a", "KAFKA_SASL_PASSWORD_FILE=/tmp/b", NULL};

  read_list(environment);
  cr_assert_eq(problems.count, 1);
  cr_assert_eq(settings.count, 1);
}

/* What a deployment that serves producers and consumers says of both, and what changes nothing. */
Test(kafka_settings, what_breaks_no_promise_passes)
{
  static const char *const entries[] = {"KAFKA_ACKS=all",
                                        "KAFKA_ACKS=-1",
                                        "KAFKA_ENABLE_IDEMPOTENCE=true",
                                        "KAFKA_MAX_IN_FLIGHT=5",
                                        "KAFKA_DELIVERY_REPORT_ONLY_ERROR=false",
                                        "KAFKA_PARTITION_ASSIGNMENT_STRATEGY=range,roundrobin",
                                        "KAFKA_COMPRESSION_TYPE=lz4",
                                        "KAFKA_LINGER_MS=5",
                                        "KAFKA_CHECK_CRCS=true",
                                        "KAFKA_MAX_POLL_INTERVAL_MS=600000",
                                        "KAFKA_FETCH_MIN_BYTES=1",
                                        "KAFKA_CLIENT_RACK=r1"};

  for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
    read_one(entries[i]);
    cr_expect_eq(problems.count, 0, "%s: %s", entries[i], problems.problems[0].text);
    cr_expect_eq(settings.count, 1, "%s", entries[i]);
  }
}

/* The client that a dead letter is produced by is made of the same settings; a property that passes must not stop it. */
Test(kafka_settings, a_producer_can_be_made_of_what_passes)
{
  char *const environment[] = {"KAFKA_ACKS=all", "KAFKA_MAX_IN_FLIGHT=5", "KAFKA_SESSION_TIMEOUT_MS=6000", "KAFKA_QUEUING_STRATEGY=fifo", NULL};
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  struct problem problem;
  rd_kafka_t *producer;
  char error[512];

  read_list(environment);
  cr_assert_eq(problems.count, 0, "%s", problems.problems[0].text);
  cr_assert_eq(kafka_settings_apply(&settings, conf, &problem), VERDICT_OK);
  cr_assert_eq(rd_kafka_conf_set(conf, "enable.idempotence", "true", error, sizeof(error)), RD_KAFKA_CONF_OK);
  producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
  cr_assert_not_null(producer, "%s", error);
  rd_kafka_destroy(producer);
}

Test(kafka_settings, what_is_wrong_is_printed_marked_and_without_its_value)
{
  char *const environment[] = {"KAFKA_SESSION_TIMEOUT_MS=6000", "KAFKA_SASL_PASSWORT=hunter2", "KAFKA_ACKS=1", "KAFKA_SASL_PASSWORD_FILE=/nowhere/at/all",
                               NULL};
  const char *begin = "KAFKA_SESSION_TIMEOUT_MS=6000  # environment\nKAFKA_SASL_PASSWORT=***  # environment  # WRONG: librdkafka ";
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  read_list(environment);
  problem_list_add(&problems, "KAFKA_BOOTSTRAP_SERVERS", "is not set"); /* of the table of variables, which shows it */
  kafka_settings_print(&settings, &problems, out);
  (void)fclose(out);
  cr_assert_eq(strncmp(text, begin, strlen(begin)), 0, "%s", text);
  cr_assert_not_null(strstr(text, "\nKAFKA_ACKS=***  # environment  # WRONG: property \"acks\" cannot be set to anything but all|-1: "), "%s", text);
  cr_assert_not_null(strstr(text, "\nKAFKA_SASL_PASSWORD_FILE=***  # environment  # WRONG: could not open \"/nowhere/at/all\""), "%s", text);
  cr_assert_null(strstr(text, "hunter2"));
  cr_assert_null(strstr(text, "BOOTSTRAP"));
  free(text);
}
