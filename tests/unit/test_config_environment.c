/* Names in the environment and on the command line. */
#include "config/kafka_properties.h"
#include "config/nearest.h"
#include "config/options.h"
#include "config_fixture.h"

Test(config_environment, every_option_has_a_name_of_its_own)
{
  char names[SCALAR_OPTION_COUNT + OUTBOX_OPTION_COUNT + KAFKA_PROPERTY_COUNT][160];
  char path[160];
  size_t count = 0;

  for (size_t i = 0; i < SCALAR_OPTION_COUNT; i++) {
    environment_name(scalar_options[i].name, names[count++], sizeof(names[0]));
  }
  for (size_t i = 0; i < OUTBOX_OPTION_COUNT; i++) {
    (void)snprintf(path, sizeof(path), "outbox.0.%s", outbox_options[i].name);
    environment_name(path, names[count++], sizeof(names[0]));
  }
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    (void)snprintf(path, sizeof(path), "kafka.%s", kafka_properties[i].name);
    environment_name(path, names[count++], sizeof(names[0]));
  }
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < count; j++) {
      size_t length = strlen(names[j]);

      cr_assert(i == j || strcmp(names[i], names[j]) != 0, "%s stands for two options", names[i]);
      cr_assert(strncmp(names[i], names[j], length) != 0 || strcmp(names[i] + length, "_FILE") != 0, "%s is another's file", names[i]);
    }
  }
}

Test(config_environment, names_are_paths_in_capitals)
{
  struct attempt attempt;
  const struct config *config;

  expect_loads(&attempt, NULL,
               LIST("CDC_RELAY_POSTGRES_URL=postgresql://h/d", "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=h:1", "CDC_RELAY_KAFKA_SASL_USERNAME=ann",
                    "CDC_RELAY_KAFKA_QUEUE_BUFFERING_MAX_KBYTES=77", "CDC_RELAY_DELIVERY_DEAD_LETTER_TOPIC=dead", "CDC_RELAY_OUTBOX_0_TABLE=a",
                    "CDC_RELAY_OUTBOX_1_TABLE=b", "CDC_RELAY_OUTBOX_1_TABLE_FIELD_EVENT_KEY=k", "CDC_RELAY_OUTBOX_1_ROUTE_TOPIC_ALLOW=x, y*",
                    "CDC_RELAY_OUTBOX_1_HEADERS_STATIC={\"source\":\"shop\"}", "CDC_RELAY_OUTBOX_1_HEADERS_TRANSACTION=true", "PATH=/bin", "CDC_RELAYX=1",
                    "cdc_relay_name=1"),
               NULL);
  config = attempt.config;
  cr_assert_str_eq(kafka_value(config, "sasl.username"), "ann");
  cr_assert_str_eq(kafka_value(config, "queue.buffering.max.kbytes"), "77");
  cr_assert_str_eq(config->delivery.dead_letter_topic, "dead");
  cr_assert_eq(config->outbox_count, 2);
  cr_assert_str_eq(config->outbox[1].table, "public.b");
  cr_assert_str_eq(config->outbox[1].field_key, "k");
  cr_assert_eq(config->outbox[1].allow_count, 2);
  cr_assert_str_eq(config->outbox[1].allow[0], "x");
  cr_assert_str_eq(config->outbox[1].allow[1], "y*");
  cr_assert_eq(config->outbox[1].static_header_count, 1);
  cr_assert_str_eq(config->outbox[1].static_headers[0].value, "shop");
  cr_assert(config->outbox[1].transaction_header);
  attempt_end(&attempt);
}

Test(config_environment, a_variable_overrides_one_option_of_an_entry_in_the_file)
{
  struct attempt attempt;

  expect_loads(&attempt, "{" MINIMAL ",\"outbox\":[{\"table\":\"a\",\"route.by.field\":\"f\"},{\"table\":\"b\"}]}", LIST("CDC_RELAY_OUTBOX_0_ROUTE_BY_FIELD=g"),
               NULL);
  cr_assert_str_eq(attempt.config->outbox[0].table, "public.a");
  cr_assert_str_eq(attempt.config->outbox[0].route_by_field, "g");
  cr_assert_eq(attempt.config->outbox_count, 2);
  attempt_end(&attempt);
}

Test(config_environment, any_name_reads_a_file)
{
  struct attempt attempt;
  char variables[4][160];

  attempt_begin(&attempt);
  attempt_write(&attempt, "url", "postgresql://h/d\r\n", 18);
  attempt_write(&attempt, "level", "warn", 4);
  attempt_write(&attempt, "table", "a\n", 2);
  attempt_write(&attempt, "linger", "7\n", 2);
  (void)snprintf(variables[0], sizeof(variables[0]), "CDC_RELAY_POSTGRES_URL_FILE=%s/url", attempt.folder);
  (void)snprintf(variables[1], sizeof(variables[1]), "CDC_RELAY_LOG_LEVEL_FILE=%s/level", attempt.folder);
  (void)snprintf(variables[2], sizeof(variables[2]), "CDC_RELAY_OUTBOX_0_TABLE_FILE=%s/table", attempt.folder);
  (void)snprintf(variables[3], sizeof(variables[3]), "CDC_RELAY_KAFKA_LINGER_MS_FILE=%s/linger", attempt.folder);
  attempt_load(&attempt, NULL, LIST(variables[0], variables[1], variables[2], variables[3], "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=h"), NULL);
  cr_assert_not_null(attempt.config);
  cr_assert_str_eq(attempt.config->postgres.url, "postgresql://h/d");
  cr_assert_eq(attempt.config->log.level, LOG_WARN);
  cr_assert_str_eq(attempt.config->outbox[0].table, "public.a");
  cr_assert_str_eq(kafka_value(attempt.config, "linger.ms"), "7");
  attempt_end(&attempt);
}

Test(config_environment, what_fits_nothing_names_the_nearest)
{
  static const struct {
    const char *variable;
    const char *nearest;
  } cases[] = {
      {"CDC_RELAY_POSTGRES_URI", "CDC_RELAY_POSTGRES_URL "},
      {"CDC_RELAY_POSTGRES_PASWORD_FILE", "CDC_RELAY_POSTGRES_PASSWORD_FILE "},
      {"CDC_RELAY_KAFKA_SASL_USER_NAME", "CDC_RELAY_KAFKA_SASL_USERNAME "},
      {"CDC_RELAY_OUTBOX_3_TABEL", "CDC_RELAY_OUTBOX_3_TABLE "},
      {"CDC_RELAY_OUTBOX_TABLE", "CDC_RELAY_OUTBOX_0_TABLE "},
      {"CDC_RELAY_KAFKA_SSL_NEW_THING", "CDC_RELAY_KAFKA_SSL_"},
      {"CDC_RELAY_", "CDC_RELAY_NAME "},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char pair[160];

    (void)snprintf(pair, sizeof(pair), "%s=hunter2", cases[i].variable);
    expect_problem("{" MINIMAL "}", LIST(pair), NULL, cases[i].variable, cases[i].nearest);
  }
}

Test(config_environment, shapes_of_kubernetes_are_left_alone)
{
  struct attempt attempt;

  expect_loads(&attempt, "{" MINIMAL "}",
               LIST("CDC_RELAY_SERVICE_HOST=10.0.0.1", "CDC_RELAY_SERVICE_PORT=9470", "CDC_RELAY_SERVICE_PORT_HTTP=9470", "CDC_RELAY_PORT=tcp://10.0.0.1:9470",
                    "CDC_RELAY_PORT_9470_TCP=tcp://10.0.0.1:9470", "CDC_RELAY_PORT_9470_TCP_PROTO=tcp", "CDC_RELAY_PORT_9470_TCP_PORT=9470",
                    "CDC_RELAY_PORT_9470_TCP_ADDR=10.0.0.1", "CDC_RELAY_PORT_53_UDP_ADDR=10.0.0.1", "CDC_RELAY_METRICS_SERVICE_HOST=10.0.0.2",
                    "CDC_RELAY_METRICS_PORT_80_TCP=tcp://10.0.0.2:80", "CDC_RELAY_METRICS_PORT=tcp://10.0.0.2:80"),
               NULL);
  attempt_end(&attempt);
}

Test(config_environment, what_only_resembles_kubernetes_is_a_mistake)
{
  static const char *const variables[] = {"CDC_RELAY_PORT=9470",          "CDC_RELAY_ADMIN_PORT=9470", "CDC_RELAY_PORT_9470=x", "CDC_RELAY_PORT_9470_TCP_X=x",
                                          "CDC_RELAY_PORT_TCP=tcp://h:1", "CDC_RELAY_SERVICE_PORT_=1", "CDC_RELAY_SERVICE=x",   "CDC_RELAY_SERVICE_HOSTS=x"};

  for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
    char name[80];

    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(variables[i], "="), variables[i]);
    expect_problem("{" MINIMAL "}", LIST(variables[i]), NULL, name, "unknown variable");
  }
}

Test(config_environment, entries_are_numbered_within_the_limit)
{
  expect_problem("{" MINIMAL "}", LIST("CDC_RELAY_OUTBOX_128_TABLE=x"), NULL, "CDC_RELAY_OUTBOX_128_TABLE", "numbered from 0 to 127");
  expect_problem("{" MINIMAL "}", NULL, LIST("outbox[128].table=x"), "outbox[128].table", "numbered from 0 to 127");
  expect_problem("{" MINIMAL "}", NULL, LIST("outbox[99999999999999999999].table=x"), "outbox[99999999999999999999].table", "numbered from 0 to 127");
  expect_problem("{" MINIMAL "}", LIST("CDC_RELAY_OUTBOX_0_TABLE=a", "CDC_RELAY_OUTBOX_2_TABLE=c"), NULL, "outbox[1].table", "is required");
}

Test(config_environment, paths_on_the_command_line)
{
  static const char *const wrong[] = {"outbox=x", "outbox.table=x", "outbox[0]=x", "outbox[x].table=x", "outbox[0.table=x", "outbox[0]table=x", "outbox.0.=x"};
  struct attempt attempt;

  expect_loads(&attempt, "{" MINIMAL "}", NULL,
               LIST("outbox[0].table=a", "outbox.1.table=b", "kafka.linger.ms=9", "kafka.sasl.mechanisms=PLAIN", "outbox[1].route.topic.regex=x=(.*)"));
  cr_assert_str_eq(attempt.config->outbox[0].table, "public.a");
  cr_assert_str_eq(attempt.config->outbox[1].table, "public.b");
  cr_assert_str_eq(attempt.config->outbox[1].route_regex, "x=(.*)", "only the first = separates");
  cr_assert_str_eq(kafka_value(attempt.config, "linger.ms"), "9");
  attempt_end(&attempt);
  for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
    char path[80];

    (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(wrong[i], "="), wrong[i]);
    expect_problem("{" MINIMAL "}", NULL, LIST(wrong[i]), path, "such as outbox[0].table");
  }
  expect_problem("{" MINIMAL "}", NULL, LIST("=x"), "", "expected PATH=VALUE");
}

Test(config_environment, edit_distance_counts_letters)
{
  static const struct {
    const char *a;
    const char *b;
    size_t distance;
  } cases[] = {{"", "", 0},      {"", "abc", 3},     {"abc", "", 3},    {"abc", "abc", 0},        {"abc", "abd", 1},
               {"abc", "ab", 1}, {"abc", "xabc", 1}, {"ulr", "url", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_assert_eq(edit_distance(cases[i].a, cases[i].b), cases[i].distance, "%s, %s", cases[i].a, cases[i].b);
  }
}

Test(config_environment, edit_distance_takes_long_names)
{
  char a[1000], b[1000];

  memset(a, 'a', sizeof(a));
  memset(b, 'b', sizeof(b));
  a[999] = b[999] = '\0';
  cr_assert_eq(edit_distance(a, b), NEAREST_NAME_MAX_BYTES);
}

Test(config_environment, the_variable_that_names_the_file_is_no_setting)
{
  struct attempt attempt;

  expect_loads(&attempt, "{" MINIMAL "}", LIST("CDC_RELAY_CONFIG=/etc/cdc-relay.json"), NULL);
  attempt_end(&attempt);
}
