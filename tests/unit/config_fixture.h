/*
 * config_fixture.h - loads configurations in tests: the file is written to a folder of the test's own, problems are sought by path and words.
 */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"

#define MINIMAL_POSTGRES "\"postgres\":{\"url\":\"postgresql://relay@localhost:5432/shop\"}"
#define MINIMAL_KAFKA    "\"kafka\":{\"bootstrap.servers\":\"localhost:9092\"}"
#define MINIMAL          MINIMAL_POSTGRES "," MINIMAL_KAFKA

/* One attempt: its folder, its result. Texts for file, environment and --set may be NULL. */
struct attempt {
  char folder[64];
  char file[80];
  struct problem_list *problems;
  struct config *config;
};

static inline void attempt_write(const struct attempt *attempt, const char *name, const char *data, size_t length)
{
  char path[128];
  FILE *file;

  (void)snprintf(path, sizeof(path), "%s/%s", attempt->folder, name);
  file = fopen(path, "w");
  cr_assert_not_null(file);
  cr_assert_eq(fwrite(data, 1, length, file), length);
  cr_assert_eq(fclose(file), 0);
}

static inline void attempt_begin(struct attempt *attempt)
{
  memset(attempt, 0, sizeof(*attempt));
  (void)snprintf(attempt->folder, sizeof(attempt->folder), "/tmp/test_config.XXXXXX");
  cr_assert_not_null(mkdtemp(attempt->folder));
  attempt->problems = calloc(1, sizeof(*attempt->problems));
}

static inline void attempt_load(struct attempt *attempt, const char *json, const char *const *environment, const char *const *sets)
{
  struct config_sources sources = {.environment = environment, .sets = sets};

  while (sets != NULL && sets[sources.set_count] != NULL) {
    sources.set_count++;
  }
  if (json != NULL) {
    attempt_write(attempt, "c.json", json, strlen(json));
    (void)snprintf(attempt->file, sizeof(attempt->file), "%s/c.json", attempt->folder);
    sources.file = attempt->file;
  }
  attempt->config = config_load(&sources, attempt->problems);
  cr_assert_eq(attempt->config == NULL, attempt->problems->count > 0, "a configuration or a problem, never both or neither");
}

static inline void attempt_end(struct attempt *attempt)
{
  char command[96];

  config_free(attempt->config);
  free(attempt->problems);
  (void)snprintf(command, sizeof(command), "rm -rf '%s'", attempt->folder);
  cr_assert_eq(system(command), 0);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Whether a problem at exactly `path` holds `words`. */
static inline bool has_problem(const struct problem_list *problems, const char *path, const char *words)
{
  for (size_t i = 0; i < problems->count && i < PROBLEM_LIST_MAX; i++) {
    if (strcmp(problems->problems[i].path, path) == 0 && strstr(problems->problems[i].text, words) != NULL) {
      return true;
    }
  }
  return false;
}

/* All problems as one text, for messages of assertions; the caller's. */
static inline char *problems_text(const struct problem_list *problems)
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  problem_list_print(problems, out);
  cr_assert_eq(fclose(out), 0);
  return text;
}

/* Loads; exactly one problem, at `path`, with `words` in it. */
static inline void expect_problem(const char *json, const char *const *environment, const char *const *sets, const char *path, const char *words)
{
  struct attempt attempt;
  char *text;

  attempt_begin(&attempt);
  attempt_load(&attempt, json, environment, sets);
  text = problems_text(attempt.problems);
  cr_expect(has_problem(attempt.problems, path, words), "expected %s: ...%s..., got:\n%s\nfor %s", path, words, text, json != NULL ? json : "(no file)");
  cr_expect_eq(attempt.problems->count, 1, "expected one problem, got:\n%s", text);
  free(text);
  attempt_end(&attempt);
}

/* Loads; must succeed. */
static inline void expect_loads(struct attempt *attempt, const char *json, const char *const *environment, const char *const *sets)
{
  char *text;

  attempt_begin(attempt);
  attempt_load(attempt, json, environment, sets);
  text = problems_text(attempt->problems);
  cr_assert_not_null(attempt->config, "did not load:\n%s", text);
  free(text);
}

static inline const char *kafka_value(const struct config *config, const char *name)
{
  const char *value = NULL;

  for (size_t i = 0; i < config->kafka_count; i++) { /* the last one counts */
    if (strcmp(config->kafka[i].name, name) == 0) {
      value = config->kafka[i].value;
    }
  }
  return value;
}

/* config_print() as a text; the caller's. */
static inline char *printed(const struct config *config)
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  config_print(config, out);
  cr_assert_eq(fclose(out), 0);
  return text;
}

#endif
