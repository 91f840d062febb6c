/*
 * readiness.c - one question at a time, and those who wait for its answer.
 *
 *   who asks      waiting: task -> task -> ...        told all at once, by the answer or when the question is READINESS_WAIT_MAX_MS old
 *   the thread    question ----------> answer         a database that hangs holds the thread for as long as work.h says, and the question stays
 *
 * Who asks while a question is already too old is told so at once: a database that does not answer one need not be asked again.
 */
#include "readiness.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "moment.h"
#include "work.h"

struct readiness {
  struct database *database;
  int bell_fd;
  pthread_t thread;
  /* Those who wait; the asking thread's alone. */
  struct task *first;
  struct task **end;
  int64_t asked_us; /* the question under way */
  /* Under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool is_asked; /* there is a question without an answer */
  bool is_ending;
  enum verdict verdict; /* the last answer */
  struct problem problem;
};

static enum work_end ask_database(struct work *work, void *context)
{
  static const struct statement question = {"http_ready", "SELECT 1"};

  (void)context;
  return work_query(work, &question, 0, NULL) != NULL ? WORK_ROLLBACK : WORK_FAILED;
}

/* False: the end. */
static bool await_question(struct readiness *readiness)
{
  bool goes_on;

  (void)pthread_mutex_lock(&readiness->lock);
  while (!readiness->is_asked && !readiness->is_ending) {
    (void)pthread_cond_wait(&readiness->changed, &readiness->lock);
  }
  goes_on = !readiness->is_ending;
  (void)pthread_mutex_unlock(&readiness->lock);
  return goes_on;
}

static void *answer(void *context)
{
  struct readiness *readiness = context;

  while (await_question(readiness)) {
    struct work_outcome outcome;
    enum verdict verdict = work_run(readiness->database, ask_database, NULL, &outcome);

    (void)pthread_mutex_lock(&readiness->lock);
    readiness->verdict = verdict;
    readiness->problem = outcome.problem;
    readiness->is_asked = false;
    (void)pthread_mutex_unlock(&readiness->lock);
    (void)eventfd_write(readiness->bell_fd, 1);
  }
  return NULL;
}

struct readiness *readiness_start(const char *conninfo, const char *program, int bell_fd)
{
  struct readiness *readiness = calloc(1, sizeof(*readiness));

  if (readiness == NULL) {
    abort();
  }
  readiness->database = database_new(conninfo, program);
  readiness->bell_fd = bell_fd;
  readiness->end = &readiness->first;
  (void)pthread_mutex_init(&readiness->lock, NULL);
  (void)pthread_cond_init(&readiness->changed, NULL);
  if (pthread_create(&readiness->thread, NULL, answer, readiness) != 0) {
    abort();
  }
  return readiness;
}

bool readiness_stop(struct readiness *readiness)
{
  struct timespec until;

  if (readiness == NULL) {
    return true;
  }
  (void)pthread_mutex_lock(&readiness->lock);
  readiness->is_ending = true;
  (void)pthread_cond_signal(&readiness->changed);
  (void)pthread_mutex_unlock(&readiness->lock);
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += READINESS_STOP_MAX_S;
  if (pthread_clockjoin_np(readiness->thread, NULL, CLOCK_MONOTONIC, &until) != 0) {
    return false;
  }
  database_free(readiness->database);
  (void)pthread_cond_destroy(&readiness->changed);
  (void)pthread_mutex_destroy(&readiness->lock);
  free(readiness);
  return true;
}

void readiness_ask(struct readiness *readiness, struct task *task, int64_t now_us)
{
  task->since_us = now_us;
  task->next = NULL;
  if (readiness->first == NULL) {
    (void)pthread_mutex_lock(&readiness->lock);
    if (!readiness->is_asked) { /* else the thread is at an older one still */
      readiness->is_asked = true;
      readiness->asked_us = now_us;
      (void)pthread_cond_signal(&readiness->changed);
    }
    (void)pthread_mutex_unlock(&readiness->lock);
  }
  *readiness->end = task;
  readiness->end = &task->next;
}

int64_t readiness_due_us(const struct readiness *readiness)
{
  return readiness->first != NULL ? readiness->asked_us + (int64_t)READINESS_WAIT_MAX_MS * US_PER_MS : INT64_MAX;
}

struct task *readiness_take(struct readiness *readiness, int64_t now_us, enum verdict *ret_verdict, struct problem *problem)
{
  struct task *task = readiness->first;
  bool is_answered;

  if (task == NULL) {
    return NULL;
  }
  (void)pthread_mutex_lock(&readiness->lock);
  is_answered = !readiness->is_asked;
  if (is_answered) {
    *ret_verdict = readiness->verdict;
    *problem = readiness->problem;
  }
  (void)pthread_mutex_unlock(&readiness->lock);
  if (!is_answered) {
    if (now_us < readiness_due_us(readiness)) {
      return NULL;
    }
    *ret_verdict =
        problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "database_hangs", "the database has not answered within %d ms", (int)READINESS_WAIT_MAX_MS);
  }
  readiness->first = task->next;
  if (readiness->first == NULL) {
    readiness->end = &readiness->first;
  }
  return task;
}
