/*
 * backlog.c - rows of a cursor through the relay's router and publisher.
 *
 *   FETCH --row--> route --record--> publish ... all of the batch are out --> wait for every report --> the caller marks --> the next batch
 *
 * One batch is in flight and no more: the rows of it are all that can come twice when this process dies. A batch of one row is a row alone, and what Kafka refuses
 * then is poison by itself; in company a refusal may be a neighbour's fault, as in session/poison.h.
 *
 * Blocks in poll() on the publisher's fd, and in libpq.
 */
#include "commands/backlog.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "commands/report.h"
#include "moment.h"
#include "publish/dead_letter.h"
#include "publish/kafka_publisher.h"
#include "route/router.h"
#include "session/poison.h"
#include "stream/pg_connection.h"

enum {
  ARENA_FIRST_BYTES = 65536,
  POLL_MS = 100,
  REPORTS_AT_ONCE = 10000,
  SILENCE_US = 30 * US_PER_S, /* of Kafka, before a warning */
};

struct backlog {
  const struct config *config;
  size_t entry;
  const char *id_column;
  size_t batch;
  struct log log;
  struct router *router;
  struct publisher *publisher;
  struct arena arena;
  struct relation relation;
  struct column *columns;
  struct value *values;
  struct route_transaction transaction;
  struct position position; /* of the next row */

  /* the batch; a row's token is its place here */
  char **ids;
  bool *is_delivered;
  const char **delivered;
  size_t fetched;
  size_t in_flight;
  enum verdict verdict; /* OK, or the first refusal of a report */
  struct problem problem;
};

/* ---- the batch ---- */

static void *array(size_t count, size_t size)
{
  void *memory = calloc(count + 1, size);

  if (memory == NULL) {
    abort();
  }
  return memory;
}

static void forget_batch(struct backlog *backlog)
{
  for (size_t i = 0; i < backlog->fetched; i++) {
    free(backlog->ids[i]);
    backlog->is_delivered[i] = false;
  }
  backlog->fetched = 0;
  backlog->verdict = VERDICT_OK;
}

const char *const *backlog_delivered(struct backlog *backlog, size_t *ret_count)
{
  *ret_count = 0;
  for (size_t i = 0; i < backlog->fetched; i++) {
    if (backlog->is_delivered[i]) {
      backlog->delivered[(*ret_count)++] = backlog->ids[i];
    }
  }
  return backlog->delivered;
}

/* ---- reports ---- */

static void on_report(void *context, const struct report *report, const struct problem *problem)
{
  struct backlog *backlog = context;
  enum verdict verdict = VERDICT_OK;

  backlog->in_flight--;
  switch (report->outcome) {
  case REPORT_DELIVERED:
    backlog->is_delivered[report->token] = true;
    break;
  case REPORT_REFUSED_ROW:
    verdict = VERDICT_POISON;
    break;
  case REPORT_REFUSED_TOPIC:
    verdict = VERDICT_FATAL;
    break;
  case REPORT_LOST:
    verdict = VERDICT_RETRY;
    break;
  }
  /* A refusal says more than the losses that follow from it. */
  if (verdict != VERDICT_OK && (backlog->verdict == VERDICT_OK || (backlog->verdict == VERDICT_RETRY && verdict != VERDICT_RETRY))) {
    backlog->verdict = verdict;
    backlog->problem = *problem;
  }
}

/* OK: some time has passed, or reports were served. */
static enum verdict serve_reports(struct backlog *backlog, int64_t *silent_since_us, struct problem *problem)
{
  struct pollfd fd = {.fd = publisher_fd(backlog->publisher), .events = POLLIN};
  size_t before = backlog->in_flight;
  int64_t now_us;
  enum verdict verdict;

  (void)poll(&fd, 1, POLL_MS);
  verdict = publisher_reports(backlog->publisher, REPORTS_AT_ONCE, on_report, backlog, problem);
  now_us = moment_now().mono_us;
  if (backlog->in_flight != before) {
    *silent_since_us = now_us;
  } else if (now_us - *silent_since_us > SILENCE_US) {
    *silent_since_us = now_us;
    report_warning("it goes on by itself once Kafka answers; interrupting and running it again is safe", "still waiting for Kafka, %zu rows in flight",
                   backlog->in_flight);
  }
  return verdict;
}

/* All that was accepted has its report, or the publisher is broken. */
static enum verdict await_reports(struct backlog *backlog, struct problem *problem)
{
  int64_t silent_since_us = moment_now().mono_us;
  enum verdict verdict = VERDICT_OK;

  publisher_hurry(backlog->publisher);
  while (backlog->in_flight > 0 && verdict == VERDICT_OK) {
    verdict = serve_reports(backlog, &silent_since_us, problem);
  }
  if (backlog->verdict != VERDICT_OK) {
    *problem = backlog->problem;
    verdict = backlog->verdict;
  }
  return verdict;
}

/* ---- one row ---- */

static enum verdict publish(struct backlog *backlog, const struct record *record, struct problem *problem)
{
  int64_t silent_since_us = moment_now().mono_us;
  enum verdict verdict;

  while ((verdict = publisher_publish(backlog->publisher, record, backlog->fetched - 1, problem)) == VERDICT_WAIT) {
    verdict = serve_reports(backlog, &silent_since_us, problem);
    if (verdict == VERDICT_OK && backlog->verdict != VERDICT_OK) {
      *problem = backlog->problem;
      verdict = backlog->verdict;
    }
    if (verdict != VERDICT_OK) {
      return verdict == VERDICT_POISON ? VERDICT_FATAL : verdict; /* an older row's refusal, not this one's */
    }
  }
  if (verdict == VERDICT_OK) {
    backlog->in_flight++;
  }
  return verdict;
}

/* *ret_reason: of POISON. */
static enum verdict publish_alone(struct backlog *backlog, const struct record *record, enum route_reason *ret_reason, struct problem *problem)
{
  enum verdict verdict = publish(backlog, record, problem);

  *ret_reason = verdict == VERDICT_POISON ? dead_letter_reason(problem) : ROUTE_REASON_REFUSED_BY_BROKER;
  if (verdict == VERDICT_OK && backlog->batch == 1) {
    verdict = await_reports(backlog, problem);
    backlog->verdict = VERDICT_OK;
  }
  return verdict;
}

static enum verdict bury(struct backlog *backlog, enum route_reason reason, const struct record *row, struct problem *problem)
{
  const struct config_outbox *outbox = &backlog->config->outbox[backlog->entry];
  const struct dead_letter_cause cause = {
      .reason = route_reason_name(reason), .error = arena_copy(&backlog->arena, span_of_text(problem->text)).data, .table = outbox->table};
  struct record letter;
  enum verdict verdict;

  if (poison_decide(backlog->config, outbox, row->position, problem) != POISON_DECISION_DEAD_LETTER) {
    /* Its position is another one in the next run, so that delivery.poison_once is no way out here; and what is read here is the table, not the log. */
    problem_hint(problem,
                 "change the row whose \"%s\" is %s in the table, or set delivery.poison to dead-letter and delivery.dead.letter.topic, and run this again",
                 backlog->id_column, backlog->ids[backlog->fetched - 1]);
    return VERDICT_FATAL;
  }
  report_warning(NULL, "a row becomes a dead letter in topic %s (%s): %s", outbox->dead_letter_topic, cause.reason, cause.error);
  dead_letter_build(row, &cause, outbox->dead_letter_topic, &backlog->arena, &letter);
  verdict = publish_alone(backlog, &letter, &reason, problem);
  return verdict == VERDICT_POISON ? VERDICT_FATAL : verdict;
}

/* Values in the canonical form of decode/change.h. The first field is the id. */
static void read_values(struct backlog *backlog, const PGresult *row)
{
  for (size_t i = 0; i < backlog->relation.column_count; i++) {
    int field = (int)i + 1;
    struct span text = span_of(PQgetvalue(row, 0, field), (size_t)PQgetlength(row, 0, field));

    if (PQgetisnull(row, 0, field)) {
      backlog->values[i] = (struct value){.state = VALUE_NULL};
      continue;
    }
    if (backlog->columns[i].type_oid == PG_BOOL) {
      text = text.data[0] == 't' ? span_of("true", 4) : span_of("false", 5);
    } else if (backlog->columns[i].type_oid == PG_BYTEA) {
      text = span_of(text.data + 2, text.length - 2);
    }
    backlog->values[i] = (struct value){.state = VALUE_PRESENT, .text = text};
  }
}

static enum verdict carry_row(struct backlog *backlog, const PGresult *row, struct problem *problem)
{
  const struct change change = {.kind = CHANGE_INSERT, .relation = &backlog->relation, .values = backlog->values};
  struct position position = backlog->position;
  enum route_outcome outcome = ROUTE_NOTHING;
  enum route_reason reason = ROUTE_REASON_REFUSED_BY_BROKER;
  struct record record = {0};
  enum verdict verdict;

  backlog->ids[backlog->fetched] = strdup(PQgetvalue(row, 0, 0));
  if (backlog->ids[backlog->fetched++] == NULL) {
    abort();
  }
  backlog->position.index++;
  read_values(backlog, row);
  arena_reset(&backlog->arena);
  verdict = router_route(backlog->router, &change, &backlog->transaction, position, moment_now().wall_us, &backlog->arena, &outcome, &record, &reason, problem);
  if (verdict == VERDICT_OK && outcome == ROUTE_NOTHING) {
    return problem_set(problem, VERDICT_FATAL, EXIT_INVARIANT, "not_routed", "a row of %s was not taken for an event",
                       backlog->config->outbox[backlog->entry].table);
  }
  if (verdict == VERDICT_OK) {
    verdict = publish_alone(backlog, &record, &reason, problem);
  }
  if (verdict == VERDICT_POISON) {
    verdict = bury(backlog, reason, &record, problem);
  }
  return verdict;
}

/* ---- a batch ---- */

static enum verdict fetch_and_publish(struct backlog *backlog, PGconn *reader, struct problem *problem)
{
  enum verdict verdict = VERDICT_OK;
  PGresult *row;
  char sql[64];

  (void)snprintf(sql, sizeof(sql), "FETCH FORWARD %zu FROM backlog", backlog->batch);
  if (PQsendQuery(reader, sql) == 0 || PQsetSingleRowMode(reader) == 0) {
    return pg_problem(reader, NULL, "read the backlog", problem);
  }
  while (verdict == VERDICT_OK && (row = PQgetResult(reader)) != NULL) {
    if (PQresultStatus(row) == PGRES_SINGLE_TUPLE) {
      verdict = carry_row(backlog, row, problem);
    } else if (PQresultStatus(row) != PGRES_TUPLES_OK) {
      verdict = pg_problem(reader, row, "read the backlog", problem);
    }
    PQclear(row);
  }
  return verdict;
}

enum verdict backlog_carry_batch(struct backlog *backlog, PGconn *reader, size_t *ret_fetched, struct problem *problem)
{
  struct problem refusal;
  enum verdict verdict;
  enum verdict reports;

  forget_batch(backlog);
  verdict = fetch_and_publish(backlog, reader, problem);
  /* Whatever stopped the batch: what is out is waited for, so that it is marked and does not come again. */
  reports = await_reports(backlog, &refusal);
  if (verdict == VERDICT_OK && reports != VERDICT_OK) {
    *problem = refusal;
    verdict = reports;
    if (verdict == VERDICT_POISON) {
      verdict = VERDICT_FATAL;
      problem_hint(problem, "to find the row, and with delivery.poison = dead-letter to put it aside: run the take-over again with --batch 1");
    }
  }
  *ret_fetched = backlog->fetched;
  return verdict;
}

/* ---- life ---- */

static enum verdict open_publisher(struct backlog *backlog, struct problem *problem)
{
  enum verdict verdict;

  while ((verdict = publisher_open(backlog->publisher, problem)) == VERDICT_WAIT) {
    struct pollfd fd = {.fd = publisher_fd(backlog->publisher), .events = POLLIN};

    (void)poll(&fd, 1, POLL_MS);
  }
  return verdict;
}

enum verdict backlog_new(const struct config *config, size_t entry, const char *id_column, const struct catalog_table *table, Lsn start, size_t batch,
                         struct backlog **ret_backlog, struct problem *problem)
{
  struct problem_list problems = {0};
  struct backlog *backlog = array(1, sizeof(*backlog));
  enum verdict verdict = VERDICT_OK;

  backlog->config = config;
  backlog->entry = entry;
  backlog->id_column = id_column;
  backlog->batch = batch;
  backlog->log = (struct log){.level = LOG_WARN, .format = LOG_TEXT, .fd = STDERR_FILENO};
  backlog->columns = array(table->column_count, sizeof(*backlog->columns));
  backlog->values = array(table->column_count, sizeof(*backlog->values));
  backlog->ids = array(batch, sizeof(*backlog->ids));
  backlog->is_delivered = array(batch, sizeof(*backlog->is_delivered));
  backlog->delivered = array(batch, sizeof(*backlog->delivered));
  for (size_t i = 0; i < table->column_count; i++) {
    backlog->columns[i] = (struct column){.name = span_of_text(table->columns[i].name), .type_oid = table->columns[i].type_oid};
  }
  backlog->relation = (struct relation){.version = 1,
                                        .schema = span_of_text(config->outbox[entry].table_schema),
                                        .table = span_of_text(config->outbox[entry].table_name),
                                        .column_count = table->column_count,
                                        .columns = backlog->columns};
  backlog->transaction.commit_time_us = moment_now().wall_us;
  backlog->position.commit_lsn = start;
  arena_init(&backlog->arena, ARENA_FIRST_BYTES);
  backlog->router = router_new(config, &problems);
  backlog->publisher = backlog->router != NULL ? kafka_publisher_new(config, &backlog->log, &problems) : NULL;
  if (backlog->publisher == NULL) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "configuration", "%s: %s", problems.count > 0 ? problems.problems[0].path : "configuration",
                          problems.count > 0 ? problems.problems[0].text : "cannot be used");
  } else {
    verdict = open_publisher(backlog, problem);
  }
  if (verdict == VERDICT_OK) {
    *ret_backlog = backlog;
  } else {
    backlog_free(backlog);
  }
  return verdict;
}

void backlog_free(struct backlog *backlog)
{
  if (backlog == NULL) {
    return;
  }
  forget_batch(backlog);
  publisher_free(backlog->publisher);
  router_free(backlog->router);
  arena_done(&backlog->arena);
  free(backlog->columns);
  free(backlog->values);
  free(backlog->ids);
  free(backlog->is_delivered);
  free((void *)backlog->delivered);
  free(backlog);
}
