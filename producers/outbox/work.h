/*
 * work.h - a unit of work: what a request or an event does to the database, in one transaction, in as few round trips as it has questions.
 *
 *     static enum work_end ship(struct work *work, void *context)
 *     {
 *       const PGresult *order = work_ask(work, &LOCK_ORDER, id);        first round trip: BEGIN, SELECT ... FOR UPDATE
 *       if (order == NULL) { return WORK_FAILED; }
 *       ...
 *       work_do(work, &SET_STATUS, id, "25");                           queued
 *       outbox_publish(work, &event);                                   queued
 *       return WORK_COMMIT;                                             second round trip: UPDATE, INSERT, COMMIT
 *     }
 *
 * libpq's pipeline mode (PostgreSQL, "Pipeline Mode"): statements are sent without waiting for the answers of those before; one that fails lets the server skip
 * the rest up to the next Sync, so that nothing behind an error happens. Statements are prepared under their names at their first use on a connection, in the
 * same trip.
 *
 * What failed for a reason that passes (serialization failure, deadlock, a connection that broke before COMMIT was sent) is done again, the function included:
 * it must change nothing but the database and what `context` lets it write anew each time.
 */
#ifndef OUTBOX_WORK_H
#define OUTBOX_WORK_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database.h"
#include "span.h"
#include "verdict.h"

enum {
  WORK_ATTEMPTS_MAX = 6,           /* of a unit of work that failed for a reason that passes */
  WORK_RETRY_TIME_MAX_MS = 5000,   /* since the first began; no attempt begins later */
  WORK_PARAMETERS_MAX = 24,        /* of one statement */
  WORK_STATEMENTS_MAX = 256,       /* prepared ones of a connection */
  WORK_QUEUED_MAX_BYTES = 1048576, /* so much is queued, then sent without being asked for */
};

struct work;

/* Static. `name` is unique in the program: the prepared statement's. */
struct statement {
  const char *name;
  const char *sql;
};

/* A parameter: text as PostgreSQL reads it, or bytes for bytea. The null span is SQL's NULL. */
struct parameter {
  struct span value;
  bool is_binary;
};
static inline struct parameter parameter_text(const char *text)
{
  return (struct parameter){.value = span_of_text(text)};
}
static inline struct parameter parameter_bytes(struct span bytes)
{
  return (struct parameter){.value = bytes, .is_binary = true};
}

/*
 * Queues a statement (no COPY, and nothing that ends the transaction). What it answers does not matter; an error of it shows at the next round trip. Copies
 * the parameters.
 */
void work_queue(struct work *work, const struct statement *statement, size_t count, const struct parameter *parameters);
/*
 * Queues, sends all that is queued, and waits. NULL: it or something before failed, and the function should return WORK_FAILED. The result is borrowed until
 * the unit's end.
 */
const PGresult *work_query(struct work *work, const struct statement *statement, size_t count, const struct parameter *parameters);

/* The same with texts (const char *, NULL for SQL's NULL) as arguments, which may be none. */
#define work_do(work, statement, ...)                                                                                                                          \
  work_queue_texts((work), (statement), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})
#define work_ask(work, statement, ...)                                                                                                                         \
  work_query_texts((work), (statement), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})
void work_queue_texts(struct work *work, const struct statement *statement, size_t count, const char *const *texts);
const PGresult *work_query_texts(struct work *work, const struct statement *statement, size_t count, const char *const *texts);

/* Text of the unit's own memory, borrowed until its end. */
const char *work_text(struct work *work, const char *format, ...) PRINTF_LIKE(2, 3);

enum work_end {
  WORK_COMMIT,
  WORK_ROLLBACK, /* as asked: the outcome is OK and nothing happened, unless something had failed before */
  WORK_FAILED,   /* what work_query() answered NULL for */
};
typedef enum work_end (*WorkFunction)(struct work *work, void *context);

struct work_outcome {
  bool is_committed;
  bool is_unknown; /* the connection broke behind COMMIT: it may have happened or not */
  uint32_t attempts;
  char sqlstate[6];       /* of the refusal; empty: none */
  char constraint[64];    /* of a violated constraint; empty: none */
  struct problem problem; /* in any case but OK */
};

/*
 * OK: the function said COMMIT and it is, or ROLLBACK. POISON: the server refused the data (SQLSTATE classes 22 and 23). FATAL: it refused something else
 * (privilege, syntax, missing table), or refuses us. RETRY: the database is away, or the reason that passes did not pass in WORK_ATTEMPTS_MAX attempts or in
 * WORK_RETRY_TIME_MAX_MS, or it is unknown whether COMMIT happened, which is never tried again. One unit of work at a time on a database.
 */
enum verdict MUST_CHECK work_run(struct database *database, WorkFunction function, void *context, struct work_outcome *ret_outcome);

/*
 * The same, and where a unique constraint refuses the unit, `look` asks what is there, as often as it wants: behind the unit, outside of a transaction, its first question in the
 * round trip that rolls the unit back. `outcome` is that of the refusal, and stays the unit's. False: what work_query() answered NULL for; the verdict is that of this failure then,
 * and where it is RETRY, both are done again. NULL: nothing is asked.
 */
typedef bool (*WorkLook)(struct work *work, const struct work_outcome *outcome, void *context);
enum verdict MUST_CHECK work_run_and_look(struct database *database, WorkFunction function, WorkLook look, void *context, struct work_outcome *ret_outcome);

/*
 * For those who hold a transaction open across several calls (a consumer with a batch of events). work_begin() connects where necessary and queues BEGIN;
 * commit and rollback end it and free it. No attempt is made again. A broken unit can only be rolled back.
 */
enum verdict MUST_CHECK work_begin(struct database *database, struct work **ret_work, struct work_outcome *ret_outcome);
/* Sends what is queued and waits: an error of anything before shows here. A function of work_run() may call it, too, and returns WORK_FAILED behind any other verdict than OK. */
enum verdict MUST_CHECK work_sync(struct work *work, struct work_outcome *ret_outcome);
enum verdict MUST_CHECK work_commit(struct work *work, struct work_outcome *ret_outcome);
void work_rollback(struct work *work);

/*
 * What a SQLSTATE means to a unit of work: RETRY (08, 40, 53, 55P03, 57, 58, XX, 25006, 25P03, 25P04), POISON (22, 23), else FATAL. NULL or empty: RETRY.
 * Pure.
 */
enum verdict work_verdict_of(const char *sqlstate);

#endif
