/*
 * work.c - one transaction on the database's connection: queues, asks, ends.
 *
 *   open --> statements --> COMMIT Sync ----------------> closed
 *                 |              | failed
 *                 +--------------+--> (Sync) ROLLBACK Sync --> closed, or the connection is dropped
 *                                \--> (Sync) ROLLBACK, why was it refused?, Sync --> closed
 *
 * A unit that failed does nothing more: what is queued behind a failure goes nowhere, and its end is a rollback whatever the function says.
 */
#include "work.h"

#include <assert.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database_priv.h"
#include "work_priv.h"

/* A statement's plan was made before the table changed, or the session lost it: a new connection knows neither. */
static bool is_stale(const struct pipeline_failure *failure)
{
  return strcmp(failure->sqlstate, "0A000") == 0 || strcmp(failure->sqlstate, "26000") == 0 || strcmp(failure->sqlstate, "42P05") == 0;
}

static bool is_read_only(const struct pipeline_failure *failure)
{
  return strcmp(failure->sqlstate, "25006") == 0;
}

enum verdict work_judge(struct work *work, struct work_outcome *outcome)
{
  const struct pipeline *pipeline = &work->database->pipeline;
  const struct pipeline_failure *failure = &pipeline->failure;
  bool is_known = failure->is_server_word && (failure->kind != PIPELINE_COMMIT || !failure->is_last_word);
  enum verdict verdict;

  outcome->is_committed = pipeline->commit == PIPELINE_COMMIT_DONE;
  if (outcome->is_committed || (!failure->is_there && pipeline->commit == PIPELINE_COMMIT_UNSENT)) {
    return VERDICT_OK;
  }
  memcpy(outcome->sqlstate, failure->sqlstate, sizeof(outcome->sqlstate));
  memcpy(outcome->constraint, failure->constraint, sizeof(outcome->constraint));
  if (pipeline->commit == PIPELINE_COMMIT_SENT && !is_known) {
    outcome->is_unknown = true;
    return problem_set(&outcome->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "commit_unknown", "the transaction may have been committed or not: %s",
                       failure->text);
  }
  if (!failure->is_server_word) {
    return problem_set(&outcome->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "connection_lost", "%s", failure->text);
  }
  verdict = is_stale(failure) && work->is_reused ? VERDICT_RETRY : work_verdict_of(failure->sqlstate);
  switch (verdict) {
  case VERDICT_POISON:
    return problem_set(&outcome->problem, verdict, EXIT_POISON, "data_refused", "%s", failure->text);
  case VERDICT_FATAL:
    return problem_set(&outcome->problem, verdict, EXIT_DATABASE_REFUSES, "statement_refused", "%s", failure->text);
  case VERDICT_OK:
  case VERDICT_WAIT:
  case VERDICT_RETRY:
    break;
  }
  return problem_set(&outcome->problem, verdict, EXIT_UNEXPECTED, "conflict", "%s", failure->text);
}

enum verdict work_open(struct database *database, struct work **ret_work, struct work_outcome *outcome)
{
  struct work *work = &database->work;
  enum verdict verdict;

  assert(!work->is_open); /* one unit of work at a time */
  verdict = database_connect(database, &outcome->problem);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  work->is_open = true;
  work->is_reused = database->is_used;
  database->is_used = true;
  pipeline_begin(&database->pipeline);
  pipeline_send(&database->pipeline, PIPELINE_BEGIN);
  *ret_work = work;
  return VERDICT_OK;
}

static bool is_transaction_over(struct database *database)
{
  return !database->pipeline.is_unsynced && PQtransactionStatus(database->connection) == PQTRANS_IDLE;
}

/* Queues the end of a transaction; false: there is nothing to end. */
static bool roll_back(struct database *database)
{
  struct pipeline *pipeline = &database->pipeline;

  if (pipeline->is_broken || is_transaction_over(database)) {
    return false;
  }
  if (pipeline->is_unsynced) {
    pipeline_send(pipeline, PIPELINE_SYNC); /* ends the skipping behind an error, which would skip the ROLLBACK too */
  }
  pipeline_send(pipeline, PIPELINE_ROLLBACK);
  return true;
}

void work_leave(struct work *work)
{
  pipeline_go_on(&work->database->pipeline);
  (void)roll_back(work->database);
}

void work_close(struct work *work)
{
  struct database *database = work->database;
  struct pipeline *pipeline = &database->pipeline;

  if (roll_back(database)) {
    pipeline_send(pipeline, PIPELINE_SYNC);
    (void)pipeline_settle(pipeline);
  }
  while (work->results != NULL) {
    PQclear(work->results->result);
    work->results = work->results->older;
  }
  arena_reset(&work->texts);
  arena_reset(&work->parameters);
  work->is_open = false;
  if (pipeline->is_broken || pipeline->is_doomed || !is_transaction_over(database) || is_stale(&pipeline->failure) || is_read_only(&pipeline->failure)) {
    database_drop(database);
  }
}

void work_try_commit(struct work *work)
{
  struct pipeline *pipeline = &work->database->pipeline;

  if (!pipeline->failure.is_there && pipeline_look(pipeline) && !pipeline->failure.is_there) {
    pipeline_send(pipeline, PIPELINE_COMMIT);
    pipeline_send(pipeline, PIPELINE_SYNC);
    (void)pipeline_settle(pipeline);
  }
}

static void queue(struct work *work, const struct statement *statement, const struct pipeline_values *values, PGresult **ret_result)
{
  assert(work->is_open && values->count <= WORK_PARAMETERS_MAX);
  if (!work->database->pipeline.failure.is_there) {
    pipeline_send_statement(&work->database->pipeline, statement, values, ret_result);
  }
}

static const PGresult *ask(struct work *work, const struct statement *statement, const struct pipeline_values *values)
{
  struct kept_result *kept = arena_alloc(&work->texts, sizeof(*kept));

  *kept = (struct kept_result){.older = work->results};
  work->results = kept;
  queue(work, statement, values, &kept->result);
  pipeline_send(&work->database->pipeline, PIPELINE_SYNC);
  return pipeline_settle(&work->database->pipeline) ? kept->result : NULL;
}

/* Parameters as libpq takes them. Of texts libpq counts the bytes itself, so that each needs a zero behind it, and none within. */
struct parameter_arrays {
  struct pipeline_values values;
  const char *data[WORK_PARAMETERS_MAX];
  int lengths[WORK_PARAMETERS_MAX];
  int formats[WORK_PARAMETERS_MAX];
};

static bool convert(struct work *work, const struct statement *statement, size_t count, const struct parameter *parameters, struct parameter_arrays *arrays)
{
  struct pipeline_failure *failure = &work->database->pipeline.failure;

  assert(count <= WORK_PARAMETERS_MAX);
  arena_reset(&work->parameters);
  for (size_t i = 0; i < count && !failure->is_there; i++) {
    struct span value = parameters[i].value;
    const char *mistake = value.length > INT_MAX / 2                                                                         ? "is too large"
                          : value.data != NULL && !parameters[i].is_binary && memchr(value.data, '\0', value.length) != NULL ? "has a zero byte"
                                                                                                                             : NULL;

    if (mistake != NULL) {
      *failure = (struct pipeline_failure){.is_there = true, .kind = PIPELINE_STATEMENT, .is_server_word = true, .sqlstate = "22021"};
      (void)snprintf(failure->text, sizeof(failure->text), "could not run statement \"%s\": parameter $%zu %s", statement->name, i + 1, mistake);
      return false;
    }
    arrays->data[i] = parameters[i].is_binary ? value.data : arena_copy(&work->parameters, value).data;
    arrays->lengths[i] = (int)value.length;
    arrays->formats[i] = parameters[i].is_binary;
  }
  arrays->values = (struct pipeline_values){.count = count, .values = arrays->data, .lengths = arrays->lengths, .formats = arrays->formats};
  return !failure->is_there;
}

void work_queue(struct work *work, const struct statement *statement, size_t count, const struct parameter *parameters)
{
  struct parameter_arrays arrays;

  if (convert(work, statement, count, parameters, &arrays)) {
    queue(work, statement, &arrays.values, NULL);
  }
}

const PGresult *work_query(struct work *work, const struct statement *statement, size_t count, const struct parameter *parameters)
{
  struct parameter_arrays arrays;

  return convert(work, statement, count, parameters, &arrays) ? ask(work, statement, &arrays.values) : NULL;
}

void work_queue_texts(struct work *work, const struct statement *statement, size_t count, const char *const *texts)
{
  queue(work, statement, &(struct pipeline_values){.count = count, .values = texts}, NULL);
}

const PGresult *work_query_texts(struct work *work, const struct statement *statement, size_t count, const char *const *texts)
{
  return ask(work, statement, &(struct pipeline_values){.count = count, .values = texts});
}

const char *work_text(struct work *work, const char *format, ...)
{
  va_list arguments;
  va_list again;
  char *text;
  int length;

  va_start(arguments, format);
  va_copy(again, arguments);
  length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) {
    abort();
  }
  text = arena_alloc(&work->texts, (size_t)length + 1);
  (void)vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}
