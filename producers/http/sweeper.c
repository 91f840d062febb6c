/*
 * sweeper.c - looks ten times in the lifetime of an answer, and at least once in SWEEPER_PAUSE_MAX_S; at once again where there was more than one sweep takes, so
 * that no load makes answers faster than they go. Several services on one table do not wait for each other: rows that another one has locked are skipped. A sweep
 * that fails is said once, and tried again next time.
 */
#include "sweeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct sweeper {
  struct site *site;
  struct database *database;
  int64_t ttl_s;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t stopped;
  bool is_stopping;
};

/* False: it is time to end. */
static bool pause_for(struct sweeper *sweeper, int64_t seconds)
{
  struct timespec until;
  int error = 0;
  bool goes_on;

  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += seconds;
  (void)pthread_mutex_lock(&sweeper->lock);
  while (!sweeper->is_stopping && error == 0) {
    error = pthread_cond_timedwait(&sweeper->stopped, &sweeper->lock, &until);
  }
  goes_on = !sweeper->is_stopping;
  (void)pthread_mutex_unlock(&sweeper->lock);
  return goes_on;
}

static void *sweep(void *context)
{
  struct sweeper *sweeper = context;
  struct site *site = sweeper->site;
  int64_t pause_s = sweeper->ttl_s / 10 < 1 ? 1 : sweeper->ttl_s / 10;
  bool has_failed = false;
  bool is_behind = false; /* as many as one sweep may remove, and perhaps more */

  if (pause_s > SWEEPER_PAUSE_MAX_S) {
    pause_s = SWEEPER_PAUSE_MAX_S;
  }
  while (pause_for(sweeper, is_behind ? 0 : pause_s)) {
    struct problem problem;
    size_t removed;
    enum verdict verdict = idempotency_sweep(site->idempotency, sweeper->database, sweeper->ttl_s, &removed, &problem);

    instrument_add(site->figures.answers_swept, (double)removed);
    if (verdict != VERDICT_OK && !has_failed) {
      log_event(&site->log, LOG_WARN, "stored_answers_not_removed", log_text("reason", problem.text));
    }
    has_failed = verdict != VERDICT_OK;
    is_behind = verdict == VERDICT_OK && removed == (size_t)IDEMPOTENCY_BATCH * IDEMPOTENCY_BATCHES_MAX;
  }
  return NULL;
}

struct sweeper *sweeper_start(struct site *site, const char *conninfo, int64_t ttl_s)
{
  struct sweeper *sweeper = calloc(1, sizeof(*sweeper));
  pthread_condattr_t monotonic;

  if (sweeper == NULL) {
    abort();
  }
  sweeper->site = site;
  sweeper->ttl_s = ttl_s;
  sweeper->database = database_new(conninfo, site->service->name);
  (void)pthread_mutex_init(&sweeper->lock, NULL);
  (void)pthread_condattr_init(&monotonic);
  (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&sweeper->stopped, &monotonic);
  (void)pthread_condattr_destroy(&monotonic);
  if (pthread_create(&sweeper->thread, NULL, sweep, sweeper) != 0) {
    abort();
  }
  return sweeper;
}

bool sweeper_stop(struct sweeper *sweeper)
{
  struct timespec until;

  if (sweeper == NULL) {
    return true;
  }
  (void)pthread_mutex_lock(&sweeper->lock);
  sweeper->is_stopping = true;
  (void)pthread_cond_signal(&sweeper->stopped);
  (void)pthread_mutex_unlock(&sweeper->lock);
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += SWEEPER_STOP_MAX_S;
  if (pthread_clockjoin_np(sweeper->thread, NULL, CLOCK_MONOTONIC, &until) != 0) {
    return false; /* a database that neither answers nor goes away holds it */
  }
  database_free(sweeper->database);
  (void)pthread_cond_destroy(&sweeper->stopped);
  (void)pthread_mutex_destroy(&sweeper->lock);
  free(sweeper);
  return true;
}
