/*
 * work_run.c - does a unit of work until it succeeds, fails for good, or has been tried for long enough; and what a SQLSTATE means.
 *
 *   attempt ---- OK, POISON, FATAL, or nobody knows whether it was committed ----> told
 *      ^  `----- RETRY -- a pause of 10 to 200 ms, none if it was only that an old connection had died --,
 *      `------------------------------------------------------------------------------------------------'
 *
 * A database that cannot be reached is told at once: whoever asks can wait better than a thread that holds a request.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "database_priv.h"
#include "moment.h"
#include "work.h"
#include "work_priv.h"

enum { PAUSE_FIRST_MS = 20, PAUSE_MAX_MS = 200 };

enum verdict work_verdict_of(const char *sqlstate)
{
  static const struct {
    const char *sqlstate; /* five characters, or two for a class */
    enum verdict verdict;
  } table[] = {
      {"08", VERDICT_RETRY},    /* connection */
      {"40", VERDICT_RETRY},    /* serialization failure, deadlock */
      {"53", VERDICT_RETRY},    /* resources */
      {"55P03", VERDICT_RETRY}, /* lock_timeout */
      {"57", VERDICT_RETRY},    /* operator: shutdown, cancelled, statement_timeout */
      {"58", VERDICT_RETRY},    /* the server's system */
      {"XX", VERDICT_RETRY},    /* the server's own faults */
      {"25006", VERDICT_RETRY}, /* read only: a standby, which is promoted soon or which is not the one to talk to */
      {"25P03", VERDICT_RETRY}, /* we were silent in a transaction for too long: stopped, or short of time */
      {"25P04", VERDICT_RETRY}, /* transaction_timeout */
      {"22", VERDICT_POISON},   /* data */
      {"23", VERDICT_POISON},   /* constraint */
  };

  if (sqlstate == NULL || sqlstate[0] == '\0') {
    return VERDICT_RETRY;
  }
  for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
    if (strncmp(sqlstate, table[i].sqlstate, strlen(table[i].sqlstate)) == 0) {
      return table[i].verdict;
    }
  }
  return VERDICT_FATAL;
}

static void pause_us(int64_t us)
{
  struct timespec rest = {.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000};

  while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
  }
}

/* Of a unit that says that it failed. */
static enum verdict judge_failure(struct work *work, struct work_outcome *outcome)
{
  enum verdict verdict = work_judge(work, outcome);

  return verdict != VERDICT_OK ? verdict
                               : problem_set(&outcome->problem, VERDICT_FATAL, EXIT_INVARIANT, "work_invariant",
                                             "a unit of work says that it failed, and no statement of it has");
}

/* The refusal stays what it was, unless `look` fails: then that is what became of the unit. */
static enum verdict look_behind(struct work *work, WorkLook look, void *context, struct work_outcome *outcome)
{
  struct work_outcome lost = {.attempts = outcome->attempts};
  enum verdict verdict;

  work_leave(work);
  if (look(work, outcome, context)) {
    return VERDICT_POISON;
  }
  verdict = judge_failure(work, &lost);
  *outcome = lost;
  return verdict;
}

static enum verdict run_once(struct work *work, WorkFunction function, WorkLook look, void *context, struct work_outcome *outcome)
{
  enum work_end end = function(work, context);
  enum verdict verdict;

  if (end == WORK_COMMIT) {
    work_try_commit(work);
  }
  verdict = end == WORK_FAILED ? judge_failure(work, outcome) : work_judge(work, outcome);
  if (look != NULL && verdict == VERDICT_POISON && strcmp(outcome->sqlstate, "23505") == 0) {
    verdict = look_behind(work, look, context, outcome);
  }
  work_close(work);
  return verdict;
}

enum verdict work_run_and_look(struct database *database, WorkFunction function, WorkLook look, void *context, struct work_outcome *ret_outcome)
{
  int64_t began_us = moment_now().mono_us;
  struct backoff backoff;
  uint32_t attempts = 0;

  backoff_init(&backoff, (int64_t)PAUSE_FIRST_MS * US_PER_MS, (int64_t)PAUSE_MAX_MS * US_PER_MS);
  for (;;) {
    struct work *work;
    enum verdict verdict;
    bool had_died;

    *ret_outcome = (struct work_outcome){.attempts = attempts};
    verdict = work_open(database, &work, ret_outcome);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
    ret_outcome->attempts = ++attempts;
    verdict = run_once(work, function, look, context, ret_outcome);
    if (verdict != VERDICT_RETRY || ret_outcome->is_unknown || attempts == WORK_ATTEMPTS_MAX ||
        moment_now().mono_us - began_us >= (int64_t)WORK_RETRY_TIME_MAX_MS * US_PER_MS) {
      return verdict;
    }
    had_died = work->is_reused && database->connection == NULL;
    if (!had_died) {
      pause_us(backoff_next_us(&backoff, chance_next(&database->chance)));
    }
  }
}

enum verdict work_run(struct database *database, WorkFunction function, void *context, struct work_outcome *ret_outcome)
{
  return work_run_and_look(database, function, NULL, context, ret_outcome);
}

enum verdict work_begin(struct database *database, struct work **ret_work, struct work_outcome *ret_outcome)
{
  *ret_outcome = (struct work_outcome){.attempts = 1};
  return work_open(database, ret_work, ret_outcome);
}

enum verdict work_sync(struct work *work, struct work_outcome *ret_outcome)
{
  struct pipeline *pipeline = &work->database->pipeline;

  *ret_outcome = (struct work_outcome){.attempts = 1};
  pipeline_send(pipeline, PIPELINE_SYNC);
  (void)pipeline_settle(pipeline);
  return work_judge(work, ret_outcome);
}

enum verdict work_commit(struct work *work, struct work_outcome *ret_outcome)
{
  enum verdict verdict;

  *ret_outcome = (struct work_outcome){.attempts = 1};
  work_try_commit(work);
  verdict = work_judge(work, ret_outcome);
  work_close(work);
  return verdict;
}

void work_rollback(struct work *work)
{
  work_close(work);
}
