/* Kafka properties: which pass, which do not and why, our defaults, aliases, forms of values. */
#include "config/kafka_properties.h"
#include "config_fixture.h"

#define WITH(property) "{" MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"h:1\"," property "}}"

Test(config_kafka, our_defaults_keep_the_promises)
{
  static const struct {
    const char *name;
    const char *value;
  } expected[] = {
      {"enable.idempotence", "true"},
      {"acks", "all"},
      {"message.timeout.ms", "0"},
      {"socket.nagle.disable", "true"},
      {"reconnect.backoff.max.ms", "2000"},
      {"topic.metadata.propagation.max.ms", "5000"},
      {"queue.buffering.max.kbytes", "16384"},
      {"queue.buffering.max.messages", "20000"},
      {"allow.auto.create.topics", "false"},
      {"linger.ms", "0"},
      {"client.id", "cdc-relay"},
      {"bootstrap.servers", "localhost:9092"},
  };
  struct attempt attempt;

  expect_loads(&attempt, "{" MINIMAL "}", NULL, NULL);
  cr_assert_eq(attempt.config->kafka_count, sizeof(expected) / sizeof(*expected));
  for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
    cr_assert_not_null(kafka_value(attempt.config, expected[i].name), "%s", expected[i].name);
    cr_assert_str_eq(kafka_value(attempt.config, expected[i].name), expected[i].value);
  }
  attempt_end(&attempt);
}

Test(config_kafka, a_given_value_takes_the_place_of_our_default)
{
  struct attempt attempt;
  size_t count = 0;

  expect_loads(&attempt, "{\"name\":\"shop\"," MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"h:1\",\"linger.ms\":25,\"client.id\":\"other\"}}", NULL,
               NULL);
  for (size_t i = 0; i < attempt.config->kafka_count; i++) {
    count += strcmp(attempt.config->kafka[i].name, "linger.ms") == 0;
  }
  cr_assert_eq(count, 1);
  cr_assert_str_eq(kafka_value(attempt.config, "linger.ms"), "25");
  cr_assert_str_eq(kafka_value(attempt.config, "client.id"), "other");
  attempt_end(&attempt);
}

Test(config_kafka, the_client_is_called_as_the_relay)
{
  struct attempt attempt;

  expect_loads(&attempt, "{\"name\":\"shop\"," MINIMAL "}", NULL, NULL);
  cr_assert_str_eq(kafka_value(attempt.config, "client.id"), "shop");
  attempt_end(&attempt);
}

Test(config_kafka, numbers_and_booleans_become_texts)
{
  struct attempt attempt;

  expect_loads(&attempt, WITH("\"linger.ms\":0,\"socket.keepalive.enable\":true,\"log.connection.close\":false,\"compression.level\":-1,\"client.rack\":\"\""),
               NULL, NULL);
  cr_assert_str_eq(kafka_value(attempt.config, "linger.ms"), "0");
  cr_assert_str_eq(kafka_value(attempt.config, "socket.keepalive.enable"), "true");
  cr_assert_str_eq(kafka_value(attempt.config, "log.connection.close"), "false");
  cr_assert_str_eq(kafka_value(attempt.config, "compression.level"), "-1");
  cr_assert_str_eq(kafka_value(attempt.config, "client.rack"), "");
  attempt_end(&attempt);
  expect_problem(WITH("\"linger.ms\":[1]"), NULL, NULL, "kafka.linger.ms", "expected a text, a number, true or false, got a list");
  expect_problem(WITH("\"linger.ms\":{}"), NULL, NULL, "kafka.linger.ms", "got an object");
  expect_problem(WITH("\"linger.ms\":null"), NULL, NULL, "kafka.linger.ms", "got null");
  expect_problem(WITH("\"sasl.username_file\":5"), NULL, NULL, "kafka.sasl.username_file", "expected the path of a file, got an integer");
  expect_problem(WITH("\"sasl.username\":\"a\\nb\""), NULL, NULL, "kafka.sasl.username", "control character");
}

Test(config_kafka, what_is_refused_says_why)
{
  static const struct {
    const char *property;
    const char *path;
    const char *reason;
  } cases[] = {
      {"\"plugin.library.paths\":\"x.so\"", "plugin.library.paths", "refused: loads code"},
      {"\"interceptors\":\"x\"", "interceptors", "refused: loads code"},
      {"\"ssl.engine.location\":\"x.so\"", "ssl.engine.location", "refused: loads code"},
      {"\"ssl.engine.location_file\":\"x.so\"", "ssl.engine.location_file", "refused: loads code"},
      {"\"ssl.engine.id\":\"x\"", "ssl.engine.id", "refused: loads code"},
      {"\"ssl.engine.later\":\"x\"", "ssl.engine.later", "refused: loads code"},
      {"\"ssl.providers\":\"x\"", "ssl.providers", "refused: loads code"},
      {"\"ssl.providers.later\":\"x\"", "ssl.providers.later", "refused: loads code"},
      {"\"plugin.later\":\"x\"", "plugin.later", "refused: loads code"},
      {"\"sasl.kerberos.kinit.cmd\":\"rm\"", "sasl.kerberos.kinit.cmd", "refused: runs a shell command"},
      {"\"sasl.kerberos.kinit.later\":\"rm\"", "sasl.kerberos.kinit.later", "refused: runs a shell command"},
      {"\"sasl.kerberos.principal\":\"a;rm\"", "sasl.kerberos.principal", "into a shell command"},
      {"\"sasl.kerberos.keytab\":\"$(rm)\"", "sasl.kerberos.keytab", "into a shell command"},
      {"\"sasl.kerberos.service.name\":\"a b\"", "sasl.kerberos.service.name", "into a shell command"},
      {"\"acks\":1", "acks", "must be all: an event that one broker alone has seen"},
      {"\"acks\":\"0\"", "acks", "must be all"},
      {"\"request.required.acks\":1", "request.required.acks", "must be all"},
      {"\"enable.idempotence\":false", "enable.idempotence", "must be true: without it a retry can repeat or reorder"},
      {"\"message.timeout.ms\":300000", "message.timeout.ms", "must be 0: an event that times out leaves a gap"},
      {"\"delivery.timeout.ms\":\"1\"", "delivery.timeout.ms", "must be 0"},
      {"\"max.in.flight\":6", "max.in.flight", "at most five"},
      {"\"max.in.flight\":0", "max.in.flight", "at most five"},
      {"\"max.in.flight.requests.per.connection\":1000", "max.in.flight.requests.per.connection", "at most five"},
      {"\"retries\":5", "retries", "would give up"},
      {"\"message.send.max.retries\":5", "message.send.max.retries", "would give up"},
      {"\"transactional.id\":\"x\"", "transactional.id", "exactly-once"},
      {"\"transaction.timeout.ms\":1000", "transaction.timeout.ms", "exactly-once"},
      {"\"delivery.report.only.error\":true", "delivery.report.only.error", "must be false: a position is confirmed by reports of success"},
      {"\"enable.gapless.guarantee\":true", "enable.gapless.guarantee", "experimental"},
      {"\"queuing.strategy\":\"lifo\"", "queuing.strategy", "must be fifo"},
      {"\"allow.auto.create.topics\":true", "allow.auto.create.topics", "must be false: a mistyped topic"},
      {"\"partitioner\":\"random\"", "partitioner", "Java's default partitioner"},
      {"\"queue.buffering.max.messages\":0", "queue.buffering.max.messages", "bound on memory"},
      {"\"test.mock.num.brokers\":3", "test.mock.num.brokers", "acknowledges into nowhere"},
      {"\"test.mock.later\":3", "test.mock.later", "acknowledges into nowhere"},
      {"\"enable.sasl.oauthbearer.unsecure.jwt\":true", "enable.sasl.oauthbearer.unsecure.jwt", "without a signature"},
      {"\"group.id\":\"x\"", "group.id", "consumers"},
      {"\"ssl.truststore.location\":\"x\"", "ssl.truststore.location", "Java"},
      {"\"sasl.jaas.config\":\"x\"", "sasl.jaas.config", "sasl.username"},
      {"\"sasl.login.callback.handler.class\":\"x\"", "sasl.login.callback.handler.class", "Java"},
      {"\"dr_cb\":\"x\"", "dr_cb", "not a property that the relay passes"},
      {"\"opaque\":\"x\"", "opaque", "not a property that the relay passes"},
      {"\"fetch.min.bytes\":1", "fetch.min.bytes", "not a property that the relay passes"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char json[512], path[128];

    (void)snprintf(json, sizeof(json), WITH("%s"), cases[i].property);
    (void)snprintf(path, sizeof(path), "kafka.%s", cases[i].path);
    expect_problem(json, NULL, NULL, path, cases[i].reason);
  }
}

Test(config_kafka, what_keeps_the_promises_may_be_said)
{
  struct attempt attempt;

  expect_loads(
      &attempt,
      WITH("\"acks\":-1,\"enable.idempotence\":\"true\",\"message.timeout.ms\":0,\"max.in.flight\":1,\"retries\":2147483647,\"queuing.strategy\":\"fifo\","
           "\"allow.auto.create.topics\":false,\"delivery.report.only.error\":false"),
      NULL, NULL);
  cr_assert_str_eq(kafka_value(attempt.config, "acks"), "-1");
  cr_assert_str_eq(kafka_value(attempt.config, "max.in.flight"), "1");
  attempt_end(&attempt);
}

Test(config_kafka, every_refusal_has_a_reason_and_every_alias_a_target)
{
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    const struct kafka_property *property = &kafka_properties[i];

    switch (property->rule) {
    case KAFKA_PASS:
      break;
    case KAFKA_ALIAS:
      cr_assert_not_null(kafka_property_find(property->argument, strlen(property->argument)), "%s", property->name);
      break;
    case KAFKA_ONLY:
    case KAFKA_EXCEPT:
      cr_assert_not_null(property->argument);
      cr_assert_gt(strlen(property->doc), 10, "%s", property->name);
      break;
    case KAFKA_REFUSED:
      cr_assert_gt(strlen(property->doc), 10, "%s", property->name);
      cr_assert_null(property->preset);
      break;
    }
    cr_assert(property->preset == NULL || kafka_value_refusal(property, property->preset) == NULL, "our own default of %s is refused", property->name);
  }
}

Test(config_kafka, properties_of_later_versions_pass_under_an_allowed_prefix)
{
  struct attempt attempt;

  expect_loads(&attempt, WITH("\"reconnect.backoff.later\":5,\"client.dns.lookup\":\"use_all_dns_ips\""), NULL, LIST("kafka.ssl.later.thing=x"));
  cr_assert_str_eq(kafka_value(attempt.config, "reconnect.backoff.later"), "5");
  cr_assert_str_eq(kafka_value(attempt.config, "client.dns.lookup"), "use_all_dns_ips");
  cr_assert_str_eq(kafka_value(attempt.config, "ssl.later.thing"), "x");
  attempt_end(&attempt);
}

Test(config_kafka, another_name_is_the_same_property_across_sources)
{
  struct attempt attempt;

  expect_loads(&attempt, WITH("\"sasl.mechanisms\":\"PLAIN\",\"compression.codec\":\"lz4\",\"queue.buffering.max.ms\":5"),
               LIST("CDC_RELAY_KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "CDC_RELAY_KAFKA_COMPRESSION_TYPE=zstd"), LIST("kafka.linger.ms=7"));
  cr_assert_str_eq(kafka_value(attempt.config, "sasl.mechanism"), "SCRAM-SHA-512");
  cr_assert_null(kafka_value(attempt.config, "sasl.mechanisms"));
  cr_assert_str_eq(kafka_value(attempt.config, "compression.type"), "zstd");
  cr_assert_str_eq(kafka_value(attempt.config, "linger.ms"), "7");
  attempt_end(&attempt);
}

Test(config_kafka, an_unverified_certificate_deserves_a_warning)
{
  struct attempt attempt;

  expect_loads(&attempt, WITH("\"enable.ssl.certificate.verification\":false"), NULL, NULL);
  cr_assert(has_problem(&attempt.config->warnings, "kafka.enable.ssl.certificate.verification", "not verified"));
  attempt_end(&attempt);
  expect_loads(&attempt, WITH("\"enable.ssl.certificate.verification\":true"), NULL, NULL);
  cr_assert_eq(attempt.config->warnings.count, 0);
  attempt_end(&attempt);
}

Test(config_kafka, properties_have_a_limit)
{
  struct attempt attempt;
  char *json = malloc(64 << 10);

  for (int extra = 0; extra < 2; extra++) {
    size_t length = (size_t)sprintf(json, "{" MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"h\"");

    for (int i = 1; i < 256 + extra; i++) {
      length += (size_t)sprintf(json + length, ",\"client.x%d\":1", i);
    }
    (void)sprintf(json + length, "}}");
    if (extra == 0) {
      expect_loads(&attempt, json, NULL, NULL);
      cr_assert_str_eq(kafka_value(attempt.config, "client.x255"), "1");
      attempt_end(&attempt);
    } else {
      expect_problem(json, NULL, NULL, "kafka", "more than 256 properties");
    }
  }
  free(json);
}
