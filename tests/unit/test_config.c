/* Loading: precedence, types, defaults, all mistakes at once, limits, and what depends on several options. */
#include "config_fixture.h"

Test(config, poison_once_has_a_limit)
{
  char json[4096] = "{" MINIMAL ",\"delivery\":{\"dead.letter.topic\":\"d\",\"poison_once\":\"0/1/0";

  for (int i = 1; i <= CONFIG_POISON_ONCE_MAX; i++) {
    size_t length = strlen(json);

    (void)snprintf(json + length, sizeof(json) - length, ",0/%X/18446744073709551615", (unsigned int)i + 1);
  }
  strcat(json, "\"}}");
  expect_problem(json, NULL, NULL, "delivery.poison_once", "more than 64 rows");
}

Test(config, two_addresses_are_enough)
{
  struct attempt attempt;
  const struct config *config;
  const struct config_outbox *outbox;

  expect_loads(&attempt, NULL, LIST("CDC_RELAY_POSTGRES_URL=postgresql://relay@localhost/shop", "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=localhost:9092"), NULL);
  config = attempt.config;
  cr_assert_str_eq(config->name, "cdc-relay");
  cr_assert_str_eq(config->postgres.url, "postgresql://relay@localhost/shop");
  cr_assert_null(config->postgres.password);
  cr_assert_null(config->postgres.admin_url);
  cr_assert_eq(config->postgres.plugin, PLUGIN_PGOUTPUT);
  cr_assert_str_eq(config->postgres.slot, "shop_outbox");
  cr_assert_str_eq(config->postgres.publication, "shop_outbox");
  cr_assert_eq(config->delivery.mode, DELIVERY_AT_LEAST_ONCE);
  cr_assert_eq(config->delivery.poison, POISON_STOP);
  cr_assert_null(config->delivery.dead_letter_topic);
  cr_assert(config->delivery.poison_once_count == 0);
  cr_assert_eq(config->delivery.drain_timeout_ms, 10000);
  cr_assert_eq(config->delivery.confirm_interval_ms, 100);
  cr_assert_str_eq(config->admin.host, "127.0.0.1");
  cr_assert_eq(config->admin.port, 9470);
  cr_assert_eq(config->log.level, LOG_INFO);
  cr_assert_eq(config->log.format, LOG_JSON);
  cr_assert_eq(config->outbox_count, 1);
  outbox = &config->outbox[0];
  cr_assert_str_eq(outbox->table, "public.outbox");
  cr_assert_str_eq(outbox->table_schema, "public");
  cr_assert_str_eq(outbox->table_name, "outbox");
  cr_assert_null(outbox->message_prefix);
  cr_assert_eq(config->warnings.count, 0);
  attempt_end(&attempt);
}

Test(config, command_line_beats_environment_beats_file_beats_default)
{
  static const char json[] = "{" MINIMAL ",\"log\":{\"level\":\"warn\"}}";
  struct attempt attempt;

  expect_loads(&attempt, "{" MINIMAL "}", NULL, NULL);
  cr_assert_eq(attempt.config->log.level, LOG_INFO);
  attempt_end(&attempt);
  expect_loads(&attempt, json, NULL, NULL);
  cr_assert_eq(attempt.config->log.level, LOG_WARN);
  attempt_end(&attempt);
  expect_loads(&attempt, json, LIST("CDC_RELAY_LOG_LEVEL=error"), NULL);
  cr_assert_eq(attempt.config->log.level, LOG_ERROR);
  attempt_end(&attempt);
  expect_loads(&attempt, json, LIST("CDC_RELAY_LOG_LEVEL=error"), LIST("log.level=debug"));
  cr_assert_eq(attempt.config->log.level, LOG_DEBUG);
  attempt_end(&attempt);
  expect_loads(&attempt, json, NULL, LIST("log.level=debug", "log.level=error"));
  cr_assert_eq(attempt.config->log.level, LOG_ERROR, "of two --set the later one counts");
  attempt_end(&attempt);
}

Test(config, a_value_beats_one_from_a_file_by_its_source_not_by_its_form)
{
  struct attempt attempt;
  char variable[160];

  attempt_begin(&attempt);
  attempt_write(&attempt, "secret", "from-file\n", 10);
  (void)snprintf(variable, sizeof(variable), "CDC_RELAY_POSTGRES_PASSWORD_FILE=%s/secret", attempt.folder);
  attempt_load(&attempt, "{\"postgres\":{\"url\":\"postgresql://h/shop\",\"password\":\"in-json\"}," MINIMAL_KAFKA "}", LIST(variable), NULL);
  cr_assert_not_null(attempt.config);
  cr_assert_str_eq(attempt.config->postgres.password, "from-file");
  attempt_end(&attempt);
}

Test(config, an_overridden_secret_file_need_not_exist)
{
  struct attempt attempt;

  expect_loads(&attempt, "{\"postgres\":{\"url\":\"postgresql://h/shop\",\"password_file\":\"/nonexistent/x\"}," MINIMAL_KAFKA "}",
               LIST("CDC_RELAY_POSTGRES_PASSWORD=direct"), NULL);
  cr_assert_str_eq(attempt.config->postgres.password, "direct");
  attempt_end(&attempt);
}

Test(config, every_scalar_is_read)
{
  struct attempt attempt;

  expect_loads(
      &attempt,
      "{\"name\":\"shop\",\"postgres\":{\"url\":\"host=/run/postgresql dbname=shop\",\"password\":\"p\",\"admin_url\":\"postgresql://a@h/shop\","
      "\"plugin\":\"wal2json\",\"slot\":\"s_1\",\"publication\":\"My Pub\"}," MINIMAL_KAFKA ",\"delivery\":{\"mode\":\"at-least-once\","
      "\"poison\":\"dead-letter\",\"dead.letter.topic\":\"dead\",\"poison_once\":\"0/1/0,16/B374D848/3\",\"drain_timeout_ms\":0,\"confirm_interval_ms\":"
      "10000},\"admin\":{\"listen\":\"[::1]:0\"},\"log\":{\"level\":\"error\",\"format\":\"text\"}}",
      NULL, NULL);
  cr_assert_str_eq(attempt.config->name, "shop");
  cr_assert_str_eq(attempt.config->postgres.password, "p");
  cr_assert_str_eq(attempt.config->postgres.admin_url, "postgresql://a@h/shop");
  cr_assert_eq(attempt.config->postgres.plugin, PLUGIN_WAL2JSON);
  cr_assert_str_eq(attempt.config->postgres.slot, "s_1");
  cr_assert_str_eq(attempt.config->postgres.publication, "My Pub");
  cr_assert_eq(attempt.config->delivery.poison, POISON_DEAD_LETTER);
  cr_assert_str_eq(attempt.config->delivery.dead_letter_topic, "dead");
  cr_assert_eq(attempt.config->delivery.poison_once_count, 2);
  cr_assert_eq(attempt.config->delivery.poison_once[0].commit_lsn, 1);
  cr_assert_eq(attempt.config->delivery.poison_once[1].commit_lsn, UINT64_C(0x16B374D848));
  cr_assert_eq(attempt.config->delivery.poison_once[1].index, 3);
  cr_assert_eq(attempt.config->delivery.drain_timeout_ms, 0);
  cr_assert_eq(attempt.config->delivery.confirm_interval_ms, 10000);
  cr_assert_str_eq(attempt.config->admin.host, "::1");
  cr_assert_eq(attempt.config->admin.port, 0);
  cr_assert_eq(attempt.config->log.format, LOG_TEXT);
  attempt_end(&attempt);
}

Test(config, a_wrong_value_is_told_with_path_type_and_source)
{
  static const struct {
    const char *json;
    const char *path;
    const char *words;
  } cases[] = {
      {"{" MINIMAL ",\"name\":7}", "name", "expected a text, got an integer (file "},
      {"{" MINIMAL ",\"name\":null}", "name", "expected a text, got null"},
      {"{" MINIMAL ",\"name\":\"\"}", "name", "must not be empty"},
      {"{" MINIMAL ",\"name\":\"a b\"}", "name", "letters, digits"},
      {"{" MINIMAL ",\"name\":\"a\\u0007b\"}", "name", "control character"},
      {"{" MINIMAL ",\"log\":{\"level\":\"loud\"}}", "log.level", "expected one of debug, info, warn, error, got \"loud\""},
      {"{" MINIMAL ",\"log\":{\"level\":3}}", "log.level", "expected one of debug, info, warn, error, got an integer"},
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":\"soon\"}}", "delivery.drain_timeout_ms", "expected an integer from 0 to 3600000, got \"soon\""},
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":-1}}", "delivery.drain_timeout_ms", "expected an integer from 0 to 3600000, got -1"},
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":3600001}}", "delivery.drain_timeout_ms", "got 3600001"},
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":1.5}}", "delivery.drain_timeout_ms", "got a number with a fraction"},
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":true}}", "delivery.drain_timeout_ms", "got true"},
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":\"5 \"}}", "delivery.drain_timeout_ms", "got \"5 \""},
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":\" 5\"}}", "delivery.drain_timeout_ms", "got \" 5\""},
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":\"99999999999999999999\"}}", "delivery.drain_timeout_ms", "expected an integer"},
      /* shortened, not in the middle of a character */
      {"{" MINIMAL ",\"delivery\":{\"drain_timeout_ms\":\"0123456789012345678901234567890123456789012345678901234567\xE2\x82\xAC\"}}",
       "delivery.drain_timeout_ms", "got \"0123456789012345678901234567890123456789012345678901234567...\""},
      {"{" MINIMAL ",\"delivery\":{\"confirm_interval_ms\":0}}", "delivery.confirm_interval_ms", "from 1 to 10000, got 0"},
      {"{" MINIMAL ",\"delivery\":{\"confirm_interval_ms\":10001}}", "delivery.confirm_interval_ms", "got 10001"},
      {"{" MINIMAL ",\"delivery\":{\"mode\":\"exactly-once\"}}", "delivery.mode", "not available in this version"},
      {"{" MINIMAL ",\"delivery\":{\"mode\":\"at-most-once\"}}", "delivery.mode", "expected one of at-least-once, exactly-once"},
      {"{" MINIMAL ",\"delivery\":{\"dead.letter.topic\":\"a b\"}}", "delivery.dead.letter.topic", "not a topic's name"},
      {"{" MINIMAL ",\"delivery\":{\"dead.letter.topic\":\"__x\"}}", "delivery.dead.letter.topic", "not a topic's name"},
      {"{" MINIMAL ",\"delivery\":{\"dead.letter.topic\":\"d\",\"poison_once\":\"16/B374D848\"}}", "delivery.poison_once", "expected positions"},
      {"{" MINIMAL ",\"delivery\":{\"dead.letter.topic\":\"d\",\"poison_once\":\"0/1/0, 0/2/0\"}}", "delivery.poison_once", "expected positions"},
      {"{" MINIMAL ",\"delivery\":{\"dead.letter.topic\":\"d\",\"poison_once\":\"0/1/0,\"}}", "delivery.poison_once", "expected positions"},
      {"{" MINIMAL ",\"delivery\":{\"dead.letter.topic\":\"d\",\"poison_once\":\"\"}}", "delivery.poison_once", "must not be empty"},
      {"{" MINIMAL ",\"delivery\":{\"poison_once\":\"16/B374D848/0\"}}", "delivery.poison_once", "needs a dead.letter.topic"},
      {"{" MINIMAL ",\"delivery\":{\"poison\":\"dead-letter\"}}", "outbox[0].dead.letter.topic", "is required with poison dead-letter"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\"9470\"}}", "admin.listen", "expected host:port"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\":9470\"}}", "admin.listen", "expected host:port"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\"h:\"}}", "admin.listen", "expected host:port"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\"h:1x\"}}", "admin.listen", "expected host:port"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\"::1:9470\"}}", "admin.listen", "expected host:port"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\"[::1]\"}}", "admin.listen", "expected host:port"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\"[::1:9470\"}}", "admin.listen", "expected host:port"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\"h:65536\"}}", "admin.listen", "from 0 to 65535"},
      {"{" MINIMAL ",\"admin\":{\"listen\":\"h:999999999999999999999\"}}", "admin.listen", "from 0 to 65535"},
      {"{" MINIMAL ",\"admin\":[]}", "admin", "expected an object"},
      {"{" MINIMAL ",\"outbox\":{}}", "outbox", "expected a list of objects"},
      {"{" MINIMAL ",\"outbox\":[]}", "outbox", "must not be empty"},
      {"{" MINIMAL ",\"outbox\":[3]}", "outbox[0]", "expected an object"},
      {"{\"postgres\":{\"url\":\"postgresql://h/d\",\"slot\":\"Shop\"}," MINIMAL_KAFKA "}", "postgres.slot", "lower-case letters, digits and _"},
      {"{\"postgres\":{\"url\":\"postgresql://h/d\",\"slot\":\"a-b\"}," MINIMAL_KAFKA "}", "postgres.slot", "lower-case letters, digits and _"},
      {"{\"postgres\":{\"url\":\"what is this\"}," MINIMAL_KAFKA "}", "postgres.url", "not a libpq connection string"},
      {"{\"postgres\":{\"url\":\"host=h\"}," MINIMAL_KAFKA "}", "postgres.slot", "does not name the database"},
      {"{" MINIMAL_POSTGRES "}", "kafka.bootstrap.servers", "is required"},
      {"{" MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"\"}}", "kafka.bootstrap.servers", "must not be empty"},
      {"{" MINIMAL_KAFKA "}", "postgres.url", "is required"},
      {"{" MINIMAL_KAFKA ",\"postgres\":{\"url\":5}}", "postgres.url", "expected a text, got an integer"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    expect_problem(cases[i].json, NULL, NULL, cases[i].path, cases[i].words);
  }
}

Test(config, what_is_no_json_is_told_with_line_and_column_and_without_its_text)
{
  expect_problem("{\n  \"name\": \"x\",\n}", NULL, NULL, "", "line 3, column 1");
  expect_problem("{\"name\":\"a\",\n\"name\":\"b\"}", NULL, NULL, "", "duplicate object key at line 2");
  expect_problem("[]", NULL, NULL, "", "expected an object");
  expect_problem("", NULL, NULL, "", "not valid JSON");
  expect_problem("{\"name\":\"\\u0000\"}", NULL, NULL, "", "not valid JSON");
}

Test(config, a_secret_beside_a_mistake_of_syntax_is_not_told)
{
  static const char *const files[] = {"{\"sasl.password\" \"hunter2\"}", "{\"a\":hunter2}", "{\"a\":\"hunter2\n\"}", "{\"hunter2\":1,\"hunter2\":2}"};

  for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
    struct attempt attempt;
    char *text;

    attempt_begin(&attempt);
    attempt_load(&attempt, files[i], NULL, NULL);
    text = problems_text(attempt.problems);
    cr_assert_not_null(strstr(text, "not valid JSON"));
    cr_assert_null(strstr(text, "hunter2"), "%s", text);
    free(text);
    attempt_end(&attempt);
  }
}

Test(config, all_mistakes_are_told_at_once)
{
  struct attempt attempt;

  attempt_begin(&attempt);
  attempt_load(
      &attempt,
      "{\"nam\":1,\"postgres\":{\"slot\":\"A\",\"port\":1},\"kafka\":{\"acks\":1},\"outbox\":[{\"tabel\":\"x\"},{\"poison\":\"skip\",\"table\":\"b\"}],"
      "\"log\":{\"level\":\"x\"}}",
      LIST("CDC_RELAY_LOG_FORMAT=xml", "CDC_RELAY_WHAT=1"), LIST("admin.listen=x", "y=z", "nothing"));
  cr_assert(has_problem(attempt.problems, "nam", "nearest known one is name"));
  cr_assert(has_problem(attempt.problems, "postgres.slot", "lower-case"));
  cr_assert(has_problem(attempt.problems, "postgres.port", "nearest known one is postgres."));
  cr_assert(has_problem(attempt.problems, "postgres.url", "is required"));
  cr_assert(has_problem(attempt.problems, "kafka.acks", "must be all"));
  cr_assert(has_problem(attempt.problems, "kafka.bootstrap.servers", "is required"));
  cr_assert(has_problem(attempt.problems, "outbox[0].tabel", "nearest known one is table"));
  cr_assert(has_problem(attempt.problems, "outbox[0].table", "is required"));
  cr_assert(has_problem(attempt.problems, "outbox[1].poison", "expected one of stop, dead-letter"));
  cr_assert(has_problem(attempt.problems, "log.level", "expected one of"));
  cr_assert(has_problem(attempt.problems, "log.format", "(environment CDC_RELAY_LOG_FORMAT)"));
  cr_assert(has_problem(attempt.problems, "CDC_RELAY_WHAT", "nearest known one is"));
  cr_assert(has_problem(attempt.problems, "admin.listen", "(--set)"));
  cr_assert(has_problem(attempt.problems, "y", "unknown key"));
  cr_assert(has_problem(attempt.problems, "", "--set number 3: expected PATH=VALUE"));
  cr_assert_eq(attempt.problems->count, 15);
  attempt_end(&attempt);
}

Test(config, problems_that_were_there_before_do_not_fail_a_load)
{
  struct attempt attempt;
  struct config_sources sources = {.environment = LIST("CDC_RELAY_POSTGRES_URL=postgresql://h/d", "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=h")};

  attempt_begin(&attempt);
  problem_list_add(attempt.problems, "other", "of another module");
  attempt.config = config_load(&sources, attempt.problems);
  cr_assert_not_null(attempt.config);
  cr_assert_eq(attempt.problems->count, 1);
  attempt_end(&attempt);
}

Test(config, unknown_keys_name_the_nearest)
{
  static const struct {
    const char *set;
    const char *path;
    const char *nearest;
  } cases[] = {
      {"postgres.ulr=x", "postgres.ulr", "postgres.url"},
      {"postgres.pasword_file=x", "postgres.pasword_file", "postgres.password_file"},
      {"delivery.drain_timeout=1", "delivery.drain_timeout", "delivery.drain_timeout_ms"},
      {"delivery.dead_letter_topic=x", "delivery.dead_letter_topic", "delivery.dead.letter.topic"},
      {"outbox[0].route.topic.regx=x", "outbox[0].route.topic.regx", "route.topic.regex"},
      {"outbox[0].table.field.event.payloda=x", "outbox[0].table.field.event.payloda", "table.field.event.payload"},
      {"kafka.lingerms=1", "kafka.lingerms", "linger.ms"},
      {"kafka.compresion.type=1", "kafka.compresion.type", "compression.type"},
      {"log.level_file=x", "log.level_file", "log.level"},
      {"kafkaa.x=1", "kafkaa.x", "name"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    expect_problem("{" MINIMAL "}", NULL, LIST(cases[i].set), cases[i].path, cases[i].nearest);
  }
}

Test(config, one_option_twice_in_one_source_is_a_mistake)
{
  expect_problem("{\"postgres\":{\"url\":\"postgresql://h/d\",\"password\":\"a\",\"password_file\":\"/x\"}," MINIMAL_KAFKA "}", NULL, NULL,
                 "postgres.password_file", "given twice, the other time as postgres.password");
  expect_problem("{" MINIMAL "}", LIST("CDC_RELAY_NAME=a", "CDC_RELAY_NAME_FILE=/x"), NULL, "name_file", "given twice");
  expect_problem("{" MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"a\",\"metadata.broker.list\":\"b\"}}", NULL, NULL, "kafka.metadata.broker.list",
                 "given twice, the other time as kafka.bootstrap.servers");
}

Test(config, listens_where_it_is_told)
{
  static const struct {
    const char *text;
    const char *host;
    uint16_t port;
  } cases[] = {
      {"0.0.0.0:80", "0.0.0.0", 80}, {"localhost:65535", "localhost", 65535}, {"[::]:1", "::", 1}, {"[fe80::1%eth0]:9", "fe80::1%eth0", 9}, {"off", NULL, 0},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct attempt attempt;
    char set[80];

    (void)snprintf(set, sizeof(set), "admin.listen=%s", cases[i].text);
    expect_loads(&attempt, "{" MINIMAL "}", NULL, LIST(set));
    if (cases[i].host == NULL) {
      cr_assert_null(attempt.config->admin.host);
    } else {
      cr_assert_str_eq(attempt.config->admin.host, cases[i].host);
    }
    cr_assert_eq(attempt.config->admin.port, cases[i].port);
    attempt_end(&attempt);
  }
}

Test(config, slot_and_publication_follow_the_database)
{
  static const struct {
    const char *url;
    const char *environment;
    const char *slot;
  } cases[] = {
      {"postgresql://u@h/Shop-2", "X=1", "shop_2_outbox"},
      {"host=h dbname='a b'", "X=1", "a_b_outbox"},
      {"host=h user=u", "PGDATABASE=Env", "env_outbox"},
      {"host=h dbname=d user=u", "PGDATABASE=Env", "d_outbox"},
      {"host=h user=Ann", "PGDATABASE=", "ann_outbox"},
      {"host=h", "PGUSER=ben", "ben_outbox"},
      {"postgresql://h1:1,h2:2/%C3%A4x", "X=1", "__x_outbox"},
      {"dbname=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "X=1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_outbox"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct attempt attempt;
    char variable[160];

    (void)snprintf(variable, sizeof(variable), "CDC_RELAY_POSTGRES_URL=%s", cases[i].url);
    expect_loads(&attempt, NULL, LIST(variable, cases[i].environment, "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=h"), NULL);
    cr_assert_str_eq(attempt.config->postgres.slot, cases[i].slot);
    cr_assert_str_eq(attempt.config->postgres.publication, cases[i].slot);
    cr_assert_leq(strlen(attempt.config->postgres.slot), CONFIG_SLOT_NAME_MAX_BYTES);
    attempt_end(&attempt);
  }
}

Test(config, a_service_may_name_any_database_so_the_slot_must_be_named)
{
  struct attempt attempt;

  expect_problem("{\"postgres\":{\"url\":\"service=x user=u\"}," MINIMAL_KAFKA "}", NULL, NULL, "postgres.slot", "cannot be derived");
  expect_loads(&attempt, "{\"postgres\":{\"url\":\"service=x\",\"slot\":\"s\",\"publication\":\"p\"}," MINIMAL_KAFKA "}", NULL, NULL);
  cr_assert_str_eq(attempt.config->postgres.slot, "s");
  attempt_end(&attempt);
}

Test(config, a_file_that_cannot_be_read_is_told)
{
  struct config_sources sources = {.file = "/nonexistent/shop.json"};
  struct attempt attempt;

  attempt_begin(&attempt);
  cr_assert_null(config_load(&sources, attempt.problems));
  cr_assert(has_problem(attempt.problems, "", "could not read file \"/nonexistent/shop.json\": No such file or directory"));
  sources.file = "/dev/null";
  attempt.problems->count = 0;
  cr_assert_null(config_load(&sources, attempt.problems));
  cr_assert(has_problem(attempt.problems, "", "not a regular file"));
  attempt_end(&attempt);
}

/* `filler` in front of, and behind, a configuration that is right. */
static char *padded_file(size_t total)
{
  char *text = malloc(total + 1);
  size_t length = (size_t)snprintf(text, total + 1, "{" MINIMAL "}");

  memset(text + length, ' ', total - length);
  text[total] = '\0';
  return text;
}

Test(config, the_file_has_a_limit)
{
  char *text = padded_file(CONFIG_FILE_MAX_BYTES);
  struct attempt attempt;

  expect_loads(&attempt, text, NULL, NULL);
  attempt_end(&attempt);
  free(text);
  text = padded_file(CONFIG_FILE_MAX_BYTES + 1);
  attempt_begin(&attempt);
  attempt_load(&attempt, text, NULL, NULL);
  cr_assert(has_problem(attempt.problems, "", "larger than 1048576 bytes"));
  attempt_end(&attempt);
  free(text);
}

Test(config, many_unknown_keys_are_counted_quickly)
{
  struct attempt attempt;
  char *text = malloc(CONFIG_FILE_MAX_BYTES);
  size_t length = (size_t)sprintf(text, "{" MINIMAL);
  int i;

  for (i = 0; length < CONFIG_FILE_MAX_BYTES - 64; i++) {
    length += (size_t)sprintf(text + length, ",\"k%d\":1", i);
  }
  (void)sprintf(text + length, "}");
  attempt_begin(&attempt);
  attempt_load(&attempt, text, NULL, NULL);
  cr_assert_eq(attempt.problems->count, (size_t)i);
  attempt_end(&attempt);
  free(text);
}

Test(config, a_value_has_a_limit)
{
  char *variable = malloc(70000);
  struct attempt attempt;

  (void)strcpy(variable, "CDC_RELAY_OUTBOX_0_ROUTE_BY_FIELD=");
  (void)sprintf(variable + strlen(variable), "%065536d", 0);
  expect_loads(&attempt, "{" MINIMAL "}", LIST(variable), NULL);
  cr_assert_eq(strlen(attempt.config->outbox[0].route_by_field), 65536);
  attempt_end(&attempt);
  (void)strcat(variable, "x");
  expect_problem("{" MINIMAL "}", LIST(variable), NULL, "outbox[0].route.by.field", "longer than 65536 bytes");
  free(variable);
}

Test(config, free_takes_null)
{
  config_free(NULL);
}

static void complain_of_outbox(const struct config *config, struct problem_list *problems)
{
  cr_assert_eq(config->outbox_count, 1);
  problem_list_add(problems, "outbox[0].route.topic.regex", "from a stage");
}

static void complain_of_kafka(const struct config *config, struct problem_list *problems)
{
  cr_assert_gt(config->kafka_count, 0);
  problem_list_add(problems, "kafka.linger.ms", "from a stage");
}

static size_t problems_with(const char *set)
{
  static const char *const environment[] = {"CDC_RELAY_POSTGRES_URL=postgresql://h/d", "CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=h:1", NULL};
  const struct config_sources sources = {
      .environment = environment, .set_count = 1, .sets = &set, .check_outbox = complain_of_outbox, .check_kafka = complain_of_kafka};
  struct problem_list problems = {0};

  cr_assert_null(config_load(&sources, &problems));
  return problems.count;
}

Test(config, stages_are_asked_also_when_another_part_is_wrong)
{
  cr_assert_eq(problems_with("name=x"), 2);
  cr_assert_eq(problems_with("delivery.drain_timeout_ms=soon"), 3);
}

Test(config, a_stage_never_sees_a_part_that_is_not_sound)
{
  cr_assert_eq(problems_with("outbox=[{\"table\": \"a.b.c\"}]"), 2, "the outbox's own problem and Kafka's");
  cr_assert_eq(problems_with("kafka.acks=1"), 2, "Kafka's own problem and the outbox's");
}
