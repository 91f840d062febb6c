/* test_settings.c - which variables a consumer has, with and without a database, and what IDEMPOTENCY means to each. */
#include "settings.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct subscription subscriptions[] = {{.topic = "things"}, {0}};
static const struct consumer with = {.name = "with", .group = "g", .listen = ":0", .subscriptions = subscriptions, .inbox_table = "inbox"};
static const struct consumer without = {.name = "without", .group = "g", .listen = ":0", .subscriptions = subscriptions, .has_no_database = true};

static struct settings settings;
static struct problem_list problems;

static void setup(void)
{
  static const char *const ours[] = {"DATABASE_URL", "DATABASE_URL_FILE", "IDEMPOTENCY", "REDIS_URL"};

  for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
    (void)unsetenv(ours[i]);
  }
  (void)setenv("KAFKA_BOOTSTRAP_SERVERS", "b:1", 1);
}

TestSuite(settings, .init = setup);

static void read_of(const struct consumer *consumer)
{
  problems = (struct problem_list){0};
  settings_init(&settings, consumer);
  settings_read(&settings, environ, &problems);
}

static void assert_only_problem(const char *name, const char *words)
{
  cr_assert_eq(problems.count, 1, "%zu problems, the first: %s: %s", problems.count, problems.problems[0].path, problems.problems[0].text);
  cr_expect_str_eq(problems.problems[0].path, name);
  cr_expect(strstr(problems.problems[0].text, words) != NULL, "%s", problems.problems[0].text);
}

static bool has_variable(const char *name)
{
  for (const struct variable *variable = settings.table; variable->name != NULL; variable++) {
    if (strcmp(variable->name, name) == 0) {
      return true;
    }
  }
  return false;
}

/* How settings are shown, in memory that the caller frees. */
static char *shown(void)
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  cr_assert_not_null(out);
  settings_print(&settings, &problems, out);
  cr_assert_eq(fclose(out), 0);
  return text;
}

Test(settings, with_a_database_the_program_says_what_idempotency_is_by_default)
{
  struct consumer by_redis = with;

  (void)setenv("DATABASE_URL", "dbname=shop", 1);
  read_of(&with);
  cr_assert_eq(problems.count, 0, "%s", problems.problems[0].text);
  cr_expect_eq(settings.idempotence, IDEMPOTENCE_INBOX);
  cr_expect_str_eq(settings.database_url, "dbname=shop");
  by_redis.idempotence = IDEMPOTENCE_REDIS;
  read_of(&by_redis);
  cr_expect_eq(settings.idempotence, IDEMPOTENCE_REDIS);
  (void)setenv("IDEMPOTENCY", "inbox", 1);
  read_of(&by_redis);
  cr_expect_eq(settings.idempotence, IDEMPOTENCE_INBOX);
}

Test(settings, with_a_database_nobody_can_do_without_idempotence)
{
  (void)setenv("DATABASE_URL", "dbname=shop", 1);
  (void)setenv("IDEMPOTENCY", "none", 1);
  read_of(&with);
  assert_only_problem("IDEMPOTENCY", "must be inbox or redis, is \"none\"");
}

Test(settings, a_table_of_its_own_leaves_no_choice)
{
  struct consumer own = with;

  own.idempotence = IDEMPOTENCE_HANDLER;
  (void)setenv("DATABASE_URL", "dbname=shop", 1);
  (void)setenv("IDEMPOTENCY", "redis", 1);
  read_of(&own);
  cr_assert_eq(problems.count, 0, "%s", problems.problems[0].text);
  cr_expect_eq(settings.idempotence, IDEMPOTENCE_HANDLER);
  cr_expect_not(has_variable("IDEMPOTENCY"));
}

Test(settings, without_a_database_idempotency_must_be_said)
{
  read_of(&without);
  assert_only_problem("IDEMPOTENCY", "is not set: ");
  (void)setenv("IDEMPOTENCY", "redis", 1);
  read_of(&without);
  cr_assert_eq(problems.count, 0, "%s", problems.problems[0].text);
  cr_expect_eq(settings.idempotence, IDEMPOTENCE_REDIS);
  (void)setenv("IDEMPOTENCY", "none", 1);
  read_of(&without);
  cr_assert_eq(problems.count, 0, "%s", problems.problems[0].text);
  cr_expect_eq(settings.idempotence, IDEMPOTENCE_HANDLER);
  cr_expect_null(settings.database_url);
  cr_expect_not(has_variable("DATABASE_URL"));
}

Test(settings, without_a_database_there_is_no_inbox)
{
  (void)setenv("IDEMPOTENCY", "inbox", 1);
  read_of(&without);
  assert_only_problem("IDEMPOTENCY", "must be redis or none, is \"inbox\"");
}

Test(settings, a_database_of_a_consumer_that_has_none_is_refused_and_not_shown)
{
  char *text;

  (void)setenv("IDEMPOTENCY", "none", 1);
  (void)setenv("DATABASE_URL", "postgresql://u:hush@h/d", 1);
  read_of(&without);
  assert_only_problem("DATABASE_URL", "has no database");
  text = shown();
  cr_expect(strstr(text, "\nDATABASE_URL=***  # environment  # WRONG: ") != NULL, "%s", text);
  cr_expect(strstr(text, "hush") == NULL);
  free(text);
  (void)unsetenv("DATABASE_URL");
  (void)setenv("DATABASE_URL_FILE", "/nowhere", 1);
  read_of(&without);
  assert_only_problem("DATABASE_URL_FILE", "has no database");
  (void)setenv("DATABASE_URL_FILE", "", 1);
  read_of(&without);
  cr_expect_eq(problems.count, 0, "an empty variable counts as none");
}
