/*
 * topics_file.c - reads the list, strictly: a member that is mistyped would be one that is not compared.
 */
#include "commands/topics_file.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/report.h"
#include "config/file_text.h"
#include "config/texts.h"
#include "route/router.h"

enum { PARTITIONS_MAX = 100000, HINT_SIZE = 768 };

struct topic_plan {
  const char *name; /* the document's, as is `cleanup` */
  int partitions;
  int64_t retention_ms; /* as Kafka has it: -1 is for ever */
  bool has_retention;
  const char *cleanup; /* NULL: not said */
};

struct topics_file {
  json_t *document;
  size_t count;
  struct topic_plan *plans;
};

/* NULL, or what is wrong with the entry. */
static const char *read_plan(json_t *entry, struct topic_plan *plan)
{
  json_t *retention = json_object_get(entry, "retention_ms");
  json_t *cleanup = json_object_get(entry, "cleanup");
  json_int_t partitions = json_integer_value(json_object_get(entry, "partitions"));
  const char *name;
  json_t *value;

  json_object_foreach(entry, name, value)
  {
    if (strcmp(name, "name") != 0 && strcmp(name, "partitions") != 0 && strcmp(name, "replication") != 0 && strcmp(name, "retention_ms") != 0 &&
        strcmp(name, "cleanup") != 0) {
      return "has a member other than name, partitions, replication, retention_ms and cleanup";
    }
  }
  plan->name = json_string_value(json_object_get(entry, "name"));
  if (plan->name == NULL || !topic_is_legal(span_of_text(plan->name))) {
    return "has no \"name\" that a topic may have";
  }
  if (partitions < 1 || partitions > PARTITIONS_MAX) {
    return "has no \"partitions\" from 1 to 100000";
  }
  if (retention != NULL && (!json_is_integer(retention) || json_integer_value(retention) < -1)) {
    return "has a \"retention_ms\" that is no whole number from -1";
  }
  if (cleanup != NULL && (!json_is_string(cleanup) || json_string_length(cleanup) >= KAFKA_TOPIC_CLEANUP_SIZE)) {
    return "has a \"cleanup\" that is no policy";
  }
  plan->partitions = (int)partitions;
  plan->has_retention = retention != NULL;
  plan->retention_ms = json_integer_value(retention);
  plan->cleanup = json_string_value(cleanup);
  return NULL;
}

static enum verdict read_document(const char *path, struct topics_file *file, struct problem *problem)
{
  struct texts texts = {0};
  const char *text;
  size_t length;
  json_error_t error;
  enum verdict verdict = file_text_read(path, TOPICS_FILE_MAX_BYTES, &texts, &text, &length, problem);

  if (verdict != VERDICT_OK) {
    problem->code = EXIT_USAGE;
    texts_done(&texts);
    return VERDICT_FATAL;
  }
  file->document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  texts_done(&texts);
  if (file->document == NULL) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "topics_file", "could not read file \"%s\": line %d: %s", path, error.line, error.text);
  }
  if (!json_is_array(file->document) || json_array_size(file->document) > TOPICS_FILE_MAX) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "topics_file", "file \"%s\" is no list of at most %d topics", path, TOPICS_FILE_MAX);
  }
  return VERDICT_OK;
}

enum verdict topics_file_read(const char *path, struct topics_file **ret_file, struct problem *problem)
{
  struct topics_file *file = calloc(1, sizeof(*file));
  enum verdict verdict;

  if (file == NULL) {
    abort();
  }
  verdict = read_document(path, file, problem);
  if (verdict == VERDICT_OK) {
    file->count = json_array_size(file->document);
    file->plans = calloc(file->count + 1, sizeof(*file->plans));
    if (file->plans == NULL) {
      abort();
    }
  }
  for (size_t i = 0; i < file->count && verdict == VERDICT_OK; i++) {
    const char *refusal = read_plan(json_array_get(file->document, i), &file->plans[i]);

    if (refusal != NULL) {
      verdict = problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "topics_file", "file \"%s\": entry %zu %s", path, i, refusal);
    }
  }
  if (verdict != VERDICT_OK) {
    topics_file_free(file);
    return verdict;
  }
  *ret_file = file;
  return VERDICT_OK;
}

void topics_file_free(struct topics_file *file)
{
  if (file != NULL) {
    json_decref(file->document);
    free(file->plans);
    free(file);
  }
}

static size_t warn_missing(const struct topic_plan *plan)
{
  char hint[HINT_SIZE];
  int length = snprintf(hint, sizeof(hint), "kafka-topics.sh --create --topic %s --partitions %d", plan->name, plan->partitions);

  if (plan->has_retention) {
    length += snprintf(hint + length, sizeof(hint) - (size_t)length, " --config retention.ms=%" PRId64, plan->retention_ms);
  }
  if (plan->cleanup != NULL) {
    (void)snprintf(hint + length, sizeof(hint) - (size_t)length, " --config cleanup.policy=%s", plan->cleanup);
  }
  report_warning(hint, "topic \"%s\" of the topics file does not exist, or the relay may not see it", plan->name);
  return 1;
}

static size_t compare(const struct topic_plan *plan, const struct kafka_topic *topic)
{
  char hint[HINT_SIZE];
  size_t warnings = 0;

  if (!topic->exists) {
    return warn_missing(plan);
  }
  if (topic->partitions < plan->partitions) {
    (void)snprintf(hint, sizeof(hint),
                   "kafka-topics.sh --alter --topic %s --partitions %d: keys move to other partitions then, and lose their order for that once", plan->name,
                   plan->partitions);
  } else {
    (void)snprintf(hint, sizeof(hint), "let the file say %d: Kafka takes no partition away", topic->partitions);
  }
  if (topic->partitions != plan->partitions) {
    report_warning(hint, "topic \"%s\" has %d partitions, and %d in the topics file", plan->name, topic->partitions, plan->partitions);
    warnings++;
  }
  if (plan->has_retention && topic->has_retention && topic->retention_ms != plan->retention_ms) {
    (void)snprintf(hint, sizeof(hint), "kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config retention.ms=%" PRId64, plan->name,
                   plan->retention_ms);
    report_warning(hint, "topic \"%s\" keeps records for %" PRId64 " ms, and %" PRId64 " in the topics file", plan->name, topic->retention_ms,
                   plan->retention_ms);
    warnings++;
  }
  if (plan->cleanup != NULL && topic->cleanup[0] != '\0' && strcmp(topic->cleanup, plan->cleanup) != 0) {
    (void)snprintf(hint, sizeof(hint), "kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config cleanup.policy=[%s]", plan->name,
                   plan->cleanup);
    report_warning(hint, "topic \"%s\" has cleanup.policy %s, and %s in the topics file", plan->name, topic->cleanup, plan->cleanup);
    warnings++;
  }
  return warnings;
}

enum verdict topics_file_compare(const struct topics_file *file, struct kafka_admin *admin, size_t *ret_warnings, struct problem *problem)
{
  struct kafka_topic *topics = calloc(file->count + 1, sizeof(*topics));
  enum verdict verdict;

  if (topics == NULL) {
    abort();
  }
  for (size_t i = 0; i < file->count; i++) {
    topics[i].name = file->plans[i].name;
  }
  verdict = kafka_admin_describe(admin, topics, file->count, problem);
  *ret_warnings = 0;
  for (size_t i = 0; i < file->count && verdict == VERDICT_OK; i++) {
    *ret_warnings += compare(&file->plans[i], &topics[i]);
  }
  free(topics);
  return verdict;
}
