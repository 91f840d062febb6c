/* Secrets: the printed configuration, secret files, reading them again. */
#include <jansson.h>
#include <sys/stat.h>

#include "config/file_text.h"
#include "config_fixture.h"

/*
 * Stands in the place of the C library's explicit_bzero(), in both of its forms, and counts the secrets that it overwrites: what free() was given cannot be
 * looked at any more.
 */
static size_t overwritten_secrets;

void explicit_bzero(void *memory, size_t size);
// NOLINTNEXTLINE(readability-redundant-declaration): <string.h> declares it in optimised builds only
void __explicit_bzero_chk(void *memory, size_t size, size_t room);

void explicit_bzero(void *memory, size_t size)
{
  const void *before;

  __asm__("" : "=r"(before) : "0"(memory)); /* the compiler takes explicit_bzero() for a function that never reads */
  overwritten_secrets += memmem(before, size, "hunter2", strlen("hunter2")) != NULL;
  memset(memory, 0, size);
  __asm__ volatile("" : : "r"(memory) : "memory");
}

void __explicit_bzero_chk(void *memory, size_t size, size_t room)
{
  cr_assert_leq(size, room);
  explicit_bzero(memory, size);
}

static const char secret_configuration[] =
    "{\"postgres\":{\"url\":\"postgresql://relay:hunter2@h/shop\",\"admin_url\":\"host=h dbname=d password='hunter2'\",\"password\":\"hunter2\"},"
    "\"kafka\":{\"bootstrap.servers\":\"h:1\",\"sasl.password\":\"hunter2\",\"ssl.key.password\":\"hunter2\",\"ssl.keystore.password\":\"hunter2\","
    "\"ssl.key.pem\":\"-----\\nhunter2\\n\",\"sasl.oauthbearer.client.secret\":\"hunter2\",\"sasl.oauthbearer.config\":\"hunter2\","
    "\"ssl.later.passphrase\":\"hunter2\",\"sasl.later.secret\":\"hunter2\",\"sasl.oauthbearer.assertion.private.key.pem\":\"hunter2\"}}";

Test(config_secrets, nothing_secret_is_printed)
{
  struct attempt attempt;
  char *text;

  expect_loads(&attempt, secret_configuration, NULL, NULL);
  cr_assert_str_eq(attempt.config->postgres.password, "hunter2");
  cr_assert_str_eq(kafka_value(attempt.config, "ssl.key.pem"), "-----\nhunter2\n");
  text = printed(attempt.config);
  cr_assert_null(strstr(text, "hunter2"), "%s", text);
  cr_assert_not_null(strstr(text, "\"sasl.password\": {\"value\": \"***\", \"origin\": \"file "));
  cr_assert_not_null(strstr(text, "\"url\": {\"value\": \"postgresql://relay:***@h/shop\""));
  free(text);
  text = problems_text(&attempt.config->warnings);
  cr_assert_null(strstr(text, "hunter2"));
  cr_assert_not_null(strstr(text, "postgres.password: takes the place of the password in postgres.url"));
  free(text);
  attempt_end(&attempt);
}

Test(config_secrets, a_wrong_secret_is_not_told)
{
  static const char *const files[] = {
      "{\"postgres\":{\"url\":\"postgresql://h/d\",\"password\":\"hunter2\\u0001\"}," MINIMAL_KAFKA "}",
      "{\"postgres\":{\"url\":\"postgresql://u:hunter2\\u0001@h/d\"}," MINIMAL_KAFKA "}",
      "{\"postgres\":{\"url\":[\"hunter2\"]}," MINIMAL_KAFKA "}",
      "{" MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"h\",\"sasl.password\":[\"hunter2\"]}}",
      "{" MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"h\",\"sasl.jaas.config\":\"hunter2\"}}",
      "{" MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"h\",\"sasl.passwort\":\"hunter2\",\"sals.password\":\"hunter2\"}}",
      "{" MINIMAL ",\"pasword\":\"hunter2\"}",
      "{" MINIMAL ",\"outbox\":[{\"headers.static\":\"{\\\"a\\\" \\\"hunter2\\\"}\"}]}",
  };

  for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
    struct attempt attempt;
    char *text;

    attempt_begin(&attempt);
    attempt_load(&attempt, files[i], NULL, NULL);
    cr_assert_gt(attempt.problems->count, 0, "%s", files[i]);
    text = problems_text(attempt.problems);
    cr_assert_null(strstr(text, "hunter2"), "%s", text);
    free(text);
    attempt_end(&attempt);
  }
}

Test(config_secrets, a_file_in_the_wrong_place_is_not_told)
{
  static const char *const variables[] = {"CDC_RELAY_LOG_LEVEL_FILE",    "CDC_RELAY_DELIVERY_DRAIN_TIMEOUT_MS_FILE",    "CDC_RELAY_NAME_FILE",
                                          "CDC_RELAY_ADMIN_LISTEN_FILE", "CDC_RELAY_OUTBOX_0_HEADERS_TRANSACTION_FILE", "CDC_RELAY_OUTBOX_0_TABLE_FILE",
                                          "CDC_RELAY_KAFKA_ACKS_FILE"};

  for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
    struct attempt attempt;
    char *text, variable[160];

    attempt_begin(&attempt);
    attempt_write(&attempt, "s", "hunter2 !", 9);
    (void)snprintf(variable, sizeof(variable), "%s=%s/s", variables[i], attempt.folder);
    attempt_load(&attempt, "{" MINIMAL "}", LIST(variable), NULL);
    cr_assert_eq(attempt.problems->count, 1, "%s", variables[i]);
    text = problems_text(attempt.problems);
    cr_assert_null(strstr(text, "hunter2"), "%s", text);
    free(text);
    attempt_end(&attempt);
  }
}

Test(config_secrets, the_command_line_is_no_place_for_a_secret)
{
  struct attempt attempt;
  char set[160];

  expect_problem("{" MINIMAL "}", NULL, LIST("postgres.password=hunter2"), "postgres.password", "use postgres.password_file");
  expect_problem("{" MINIMAL "}", NULL, LIST("kafka.sasl.password=hunter2"), "kafka.sasl.password", "use kafka.sasl.password_file");
  expect_problem("{" MINIMAL_KAFKA "}", NULL, LIST("postgres.url=postgresql://u:hunter2@h/d"), "postgres.url", "can be read by everybody");
  expect_problem("{" MINIMAL_KAFKA "}", NULL, LIST("postgres.url=nonsense"), "postgres.url", "not a libpq connection string");
  expect_loads(&attempt, "{" MINIMAL_KAFKA "}", NULL, LIST("postgres.url=postgresql://u@h/d"));
  attempt_end(&attempt);
  attempt_begin(&attempt);
  attempt_write(&attempt, "s", "hunter2", 7);
  (void)snprintf(set, sizeof(set), "kafka.sasl.password_file=%s/s", attempt.folder);
  attempt_load(&attempt, "{" MINIMAL "}", NULL, LIST(set));
  cr_assert_not_null(attempt.config);
  cr_assert_str_eq(kafka_value(attempt.config, "sasl.password"), "hunter2");
  attempt_end(&attempt);
}

Test(config_secrets, every_line_printed_has_value_and_origin)
{
  struct attempt attempt;
  json_t *document, *section, *value;
  const char *name, *key;
  char *text;

  expect_loads(&attempt,
               "{" MINIMAL ",\"outbox\":[{\"table\":\"a\",\"route.topic.allow\":[\"x\",\"y*\"],\"headers.static\":{\"s\":\"\\\"q\\\"\"},"
               "\"table.field.additional.missing\":\"ignore\"},{\"message.prefix\":\"m\"}]}",
               LIST("CDC_RELAY_ADMIN_LISTEN=[::1]:8"),
               LIST("delivery.drain_timeout_ms=5", "delivery.dead.letter.topic=d", "delivery.poison_once=16/B374D848/2"));
  text = printed(attempt.config);
  document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  cr_assert_not_null(document, "%s", text);
  json_object_foreach(document, name, section)
  {
    if (strcmp(name, "name") == 0 || strcmp(name, "outbox") == 0) {
      continue;
    }
    json_object_foreach(section, key, value)
    {
      cr_assert_not_null(json_object_get(value, "value"), "%s.%s", name, key);
      cr_assert(json_is_string(json_object_get(value, "origin")), "%s.%s", name, key);
    }
  }
  cr_assert_eq(json_array_size(json_object_get(document, "outbox")), 2);
  json_decref(document);
  cr_assert_not_null(strstr(text, "\n  \"name\": {\"value\": \"cdc-relay\", \"origin\": \"default\"}"));
  cr_assert_not_null(strstr(text, "\"listen\": {\"value\": \"[::1]:8\", \"origin\": \"environment CDC_RELAY_ADMIN_LISTEN\"}"));
  cr_assert_not_null(strstr(text, "\"drain_timeout_ms\": {\"value\": 5, \"origin\": \"--set\"}"));
  cr_assert_not_null(strstr(text, "\"poison_once\": {\"value\": \"16/B374D848/2\", \"origin\": \"--set\"}"));
  cr_assert_not_null(strstr(text, "\"slot\": {\"value\": \"shop_outbox\", \"origin\": \"default\"}"));
  cr_assert_not_null(strstr(text, "\"password\": {\"value\": null, \"origin\": \"default\"}"));
  cr_assert_not_null(strstr(text, "\"level\": {\"value\": \"info\", \"origin\": \"default\"}"));
  cr_assert_not_null(strstr(text, "\"linger.ms\": {\"value\": \"0\", \"origin\": \"default\"}"));
  cr_assert_not_null(strstr(text, "\"table\": {\"value\": \"public.a\", \"origin\": \"file "));
  cr_assert_not_null(strstr(text, "\"table\": {\"value\": null, \"origin\": \"default\"}"));
  cr_assert_not_null(strstr(text, "\"message.prefix\": {\"value\": \"m\", \"origin\": \"file "));
  cr_assert_not_null(strstr(text, "\"route.topic.allow\": {\"value\": [\"x\", \"y*\"], \"origin\": \"file "));
  cr_assert_not_null(strstr(text, "\"headers.static\": {\"value\": {\"s\": \"\\\"q\\\"\"}, \"origin\": \"file "));
  cr_assert_not_null(strstr(text, "\"table.field.additional.missing\": {\"value\": \"ignore\", \"origin\": \"file "));
  cr_assert_not_null(strstr(text, "\"table.field.additional.missing\": {\"value\": \"error\", \"origin\": \"default\"}"));
  cr_assert_not_null(strstr(text, "\"headers.transaction\": {\"value\": false, \"origin\": \"default\"}"));
  cr_assert_null(strstr(text, "predicate"));
  free(text);
  attempt_end(&attempt);
}

/* An attempt with postgres.password and two properties from files in its folder. */
static void load_with_files(struct attempt *attempt)
{
  char json[600];

  (void)snprintf(
      json, sizeof(json),
      "{\"postgres\":{\"url_file\":\"%s/url\",\"password_file\":\"%s/pg\"},\"kafka\":{\"bootstrap.servers\":\"h\",\"sasl.password_file\":\"%s/kafka\","
      "\"ssl.key.pem_file\":\"%s/pem\",\"sasl.username_file\":\"%s/user\",\"acks_file\":\"%s/acks\"}}",
      attempt->folder, attempt->folder, attempt->folder, attempt->folder, attempt->folder, attempt->folder);
  attempt_load(attempt, json, NULL, NULL);
}

static void write_files(struct attempt *attempt)
{
  attempt_write(attempt, "url", "host=h dbname=one", 17);
  attempt_write(attempt, "pg", "first\n", 6);
  attempt_write(attempt, "kafka", "second\r\n", 8);
  attempt_write(attempt, "pem", "a\nb\n\n", 5);
  attempt_write(attempt, "user", "ann\n", 4);
  attempt_write(attempt, "acks", "all\n", 4);
}

Test(config_secrets, a_file_is_read_without_its_last_newline)
{
  struct attempt attempt;
  char *text, wanted[160];

  attempt_begin(&attempt);
  write_files(&attempt);
  load_with_files(&attempt);
  cr_assert_not_null(attempt.config);
  cr_assert_str_eq(attempt.config->postgres.password, "first");
  cr_assert_str_eq(attempt.config->postgres.slot, "one_outbox");
  cr_assert_str_eq(kafka_value(attempt.config, "sasl.password"), "second");
  cr_assert_str_eq(kafka_value(attempt.config, "ssl.key.pem"), "a\nb\n", "one newline is cut, no more");
  cr_assert_str_eq(kafka_value(attempt.config, "sasl.username"), "ann");
  text = printed(attempt.config);
  (void)snprintf(wanted, sizeof(wanted), "read from %s/pg\"}", attempt.folder);
  cr_assert_not_null(strstr(text, wanted), "%s", text);
  cr_assert_null(strstr(text, "first"));
  cr_assert_null(strstr(text, "second"));
  free(text);
  attempt_end(&attempt);
}

Test(config_secrets, a_file_that_cannot_be_used_is_told_with_its_name)
{
  static const struct {
    const char *name;
    size_t length;
    const char *data;
    const char *words;
  } cases[] = {
      {"missing", 0, NULL, "No such file or directory"},
      {"empty", 0, "", "it is empty"},
      {"newline", 1, "\n", "it is empty"},
      {"two", 7, "hunt\ner", "control character"},
      {"zero", 7, "hunt\0er", "zero byte"},
      {"escape", 7,
       "hunt\x1b"
       "er",
       "control character"},
  };
  struct attempt attempt;

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char set[160];

    attempt_begin(&attempt);
    if (cases[i].data != NULL) {
      attempt_write(&attempt, cases[i].name, cases[i].data, cases[i].length);
    }
    (void)snprintf(set, sizeof(set), "postgres.password_file=%s/%s", attempt.folder, cases[i].name);
    expect_problem("{" MINIMAL "}", NULL, LIST(set), "postgres.password_file", cases[i].words);
    expect_problem("{" MINIMAL "}", NULL, LIST(set), "postgres.password_file", cases[i].name);
    attempt_end(&attempt);
  }
  expect_problem("{" MINIMAL "}", NULL, LIST("postgres.password_file=/tmp"), "postgres.password_file", "not a regular file");
  expect_problem("{" MINIMAL "}", NULL, LIST("postgres.password_file="), "postgres.password_file", "expected the path of a file, got an empty text");
}

Test(config_secrets, a_fifo_in_the_place_of_a_file_does_not_block)
{
  struct attempt attempt;
  char path[80], set[160];

  attempt_begin(&attempt);
  (void)snprintf(path, sizeof(path), "%s/fifo", attempt.folder);
  cr_assert_eq(mkfifo(path, 0600), 0);
  (void)snprintf(set, sizeof(set), "postgres.password_file=%s", path);
  expect_problem("{" MINIMAL "}", NULL, LIST(set), "postgres.password_file", "not a regular file");
  attempt_end(&attempt);
}

Test(config_secrets, a_secret_file_has_a_limit)
{
  char *data = malloc(CONFIG_SECRET_MAX_BYTES + 1);
  struct attempt attempt;
  char set[160];

  memset(data, 'x', CONFIG_SECRET_MAX_BYTES + 1);
  attempt_begin(&attempt);
  attempt_write(&attempt, "s", data, CONFIG_SECRET_MAX_BYTES);
  (void)snprintf(set, sizeof(set), "postgres.password_file=%s/s", attempt.folder);
  attempt_load(&attempt, "{" MINIMAL "}", NULL, LIST(set));
  cr_assert_not_null(attempt.config);
  cr_assert_eq(strlen(attempt.config->postgres.password), CONFIG_SECRET_MAX_BYTES);
  attempt_write(&attempt, "s", data, CONFIG_SECRET_MAX_BYTES + 1);
  expect_problem("{" MINIMAL "}", NULL, LIST(set), "postgres.password_file", "larger than 65536 bytes");
  attempt_end(&attempt);
  free(data);
}

Test(config_secrets, a_secret_need_not_be_utf8_but_what_is_shown_must)
{
  struct attempt attempt;
  char variable[160];

  expect_loads(&attempt, "{" MINIMAL "}", LIST("CDC_RELAY_POSTGRES_PASSWORD=\xFF\xFE"), NULL);
  cr_assert_str_eq(attempt.config->postgres.password, "\xFF\xFE");
  attempt_end(&attempt);
  expect_problem("{" MINIMAL "}", LIST("CDC_RELAY_KAFKA_SASL_USERNAME=\xFF"), NULL, "kafka.sasl.username", "not valid UTF-8");
  attempt_begin(&attempt);
  attempt_write(&attempt, "u", "\xFF", 1);
  (void)snprintf(variable, sizeof(variable), "CDC_RELAY_KAFKA_SASL_USERNAME_FILE=%s/u", attempt.folder);
  expect_problem("{" MINIMAL "}", LIST(variable), NULL, "kafka.sasl.username_file", "not valid UTF-8");
  attempt_end(&attempt);
}

Test(config_secrets, reload_takes_what_has_changed)
{
  struct attempt attempt;
  struct problem problem;
  const char *old;
  bool changed = true;

  attempt_begin(&attempt);
  write_files(&attempt);
  load_with_files(&attempt);
  cr_assert_eq(config_reload_secrets(attempt.config, &changed, &problem), VERDICT_OK);
  cr_assert(!changed, "the same files, no change");
  old = attempt.config->postgres.password;
  attempt_write(&attempt, "pg", "new\n", 4);
  attempt_write(&attempt, "kafka", "newer", 5);
  attempt_write(&attempt, "url", "host=h dbname=two", 17);
  cr_assert_eq(config_reload_secrets(attempt.config, &changed, &problem), VERDICT_OK);
  cr_assert(changed);
  cr_assert_str_eq(attempt.config->postgres.password, "new");
  cr_assert_str_eq(kafka_value(attempt.config, "sasl.password"), "newer");
  cr_assert_str_eq(attempt.config->postgres.url, "host=h dbname=two");
  cr_assert_str_eq(attempt.config->postgres.slot, "one_outbox", "the slot is the position: it never moves by itself");
  cr_assert_str_eq(old, "first", "whoever holds the old text may go on reading it");
  attempt_end(&attempt);
}

Test(config_secrets, reload_changes_all_or_nothing)
{
  static const struct {
    const char *file;
    const char *data;
    const char *words;
  } cases[] = {
      {"kafka", "", "it is empty"},
      {"url", "nonsense", "for postgres.url_file: not a libpq connection string"},
      {"user", "\xFF", "for kafka.sasl.username_file: it is not valid UTF-8"},
      {"acks", "1", "for kafka.acks_file: an event that one broker alone"},
      {"pem", "\x01", "control character"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct attempt attempt;
    struct problem problem;
    bool changed = true; /* stays as it was */

    attempt_begin(&attempt);
    write_files(&attempt);
    load_with_files(&attempt);
    attempt_write(&attempt, "pg", "new\n", 4);
    attempt_write(&attempt, cases[i].file, cases[i].data, strlen(cases[i].data));
    cr_assert_eq(config_reload_secrets(attempt.config, &changed, &problem), VERDICT_RETRY);
    cr_assert_not_null(strstr(problem.text, cases[i].words), "%s", problem.text);
    cr_assert(changed);
    cr_assert_str_eq(attempt.config->postgres.password, "first");
    attempt_end(&attempt);
  }
}

Test(config_secrets, reload_without_files_changes_nothing)
{
  struct attempt attempt;
  struct problem problem;
  bool changed = true;

  expect_loads(&attempt, "{" MINIMAL "}", NULL, NULL);
  cr_assert_eq(config_reload_secrets(attempt.config, &changed, &problem), VERDICT_OK);
  cr_assert(!changed);
  attempt_end(&attempt);
}

Test(config_secrets, secrets_are_overwritten_before_they_are_given_back)
{
  struct attempt attempt;
  struct config *config;

  attempt_begin(&attempt);
  overwritten_secrets = 0;
  attempt_load(&attempt, secret_configuration, NULL, NULL);
  cr_assert_geq(overwritten_secrets, 12, "the texts in the parsed file, %zu", overwritten_secrets);
  config = attempt.config;
  attempt.config = NULL;
  overwritten_secrets = 0;
  config_free(config);
  cr_assert_geq(overwritten_secrets, 13, "the configuration's own texts and the file's bytes, %zu", overwritten_secrets);
  attempt_end(&attempt);
}

Test(config_secrets, a_file_is_read_through_a_buffer_that_is_overwritten)
{
  struct attempt attempt;
  struct texts texts = {0};
  struct problem problem;
  const char *text;
  char path[80];

  attempt_begin(&attempt);
  attempt_write(&attempt, "s", "hunter2", 7);
  (void)snprintf(path, sizeof(path), "%s/s", attempt.folder);
  overwritten_secrets = 0;
  cr_assert_eq(secret_file_read(path, false, &texts, &text, &problem), VERDICT_OK);
  cr_assert_eq(overwritten_secrets, 1);
  cr_assert_str_eq(text, "hunter2");
  texts_done(&texts);
  attempt_end(&attempt);
}
