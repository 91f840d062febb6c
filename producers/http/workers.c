/*
 * workers.c - a queue, a stack of idle workers and a list of what is done, under one lock.
 *
 *   put     the last worker that fell idle gets the task in hand, or the queue gets it: there is never an idle worker beside a queue
 *   worker  runs it; under the lock again it adds it to the list of what is done and takes the next from the queue, or falls idle
 *
 * So a request costs two wake-ups while there is little to do, that of its worker and that of the thread that answers, and none while there is much: a busy
 * worker finds the next task by itself, and the bell rings only for a list that was empty. An idle worker sleeps at a semaphore of its own: who is woken is
 * the one that was chosen, and nobody else.
 */
#include "workers.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "moment.h"
#include "service.h"

struct worker {
  struct workers *workers;
  struct database *database;
  struct task *task; /* put into its hands while it was idle; NULL: it is to end */
  sem_t called;
  pthread_t thread;
  bool is_away; /* the database, for the last task that asked for it, and for all that were done since; under the lock */
};

/* Tasks one behind the other. */
struct chain {
  struct task *first;
  struct task **end;
  size_t count;
};

struct workers {
  pthread_mutex_t lock;
  TaskFunction run;
  int bell_fd;
  bool is_ending;
  struct chain queue;
  struct chain done;
  size_t size;
  size_t queue_max;
  size_t idle_count;
  struct worker *idle[HTTP_WORKERS_MAX]; /* the last one is called first */
  struct worker each[HTTP_WORKERS_MAX];
};

static void chain_init(struct chain *chain)
{
  *chain = (struct chain){.end = &chain->first};
}

static void chain_add(struct chain *chain, struct task *task)
{
  task->next = NULL;
  *chain->end = task;
  chain->end = &task->next;
  chain->count++;
}

static struct task *chain_take(struct chain *chain)
{
  struct task *task = chain->first;

  if (task != NULL) {
    chain->first = task->next;
    chain->end = chain->first != NULL ? chain->end : &chain->first;
    chain->count--;
  }
  return task;
}

/* Whom one worker finds, all would find: the idle ones, who may not be called for hours, cannot say so themselves. */
static void note_database(struct worker *worker, enum task_database database)
{
  switch (database) {
  case TASK_DATABASE_NOT_ASKED:
    break;
  case TASK_DATABASE_AWAY:
    worker->is_away = true;
    break;
  case TASK_DATABASE_THERE:
    for (size_t i = 0; i < worker->workers->size; i++) {
      worker->workers->each[i].is_away = false;
    }
    break;
  }
}

/* Hands in what is done (NULL: nothing) and waits for the next task; NULL: the end. */
static struct task *next_task(struct worker *worker, struct task *done, enum task_database database)
{
  struct workers *workers = worker->workers;
  struct task *task;
  bool is_first_done = false;
  bool is_idle;

  (void)pthread_mutex_lock(&workers->lock);
  if (done != NULL) {
    is_first_done = workers->done.count == 0;
    note_database(worker, database);
    chain_add(&workers->done, done);
  }
  task = workers->is_ending ? NULL : chain_take(&workers->queue);
  is_idle = task == NULL && !workers->is_ending;
  if (is_idle) {
    workers->idle[workers->idle_count++] = worker;
  }
  (void)pthread_mutex_unlock(&workers->lock);
  if (is_first_done) {
    (void)eventfd_write(workers->bell_fd, 1);
  }
  if (is_idle) {
    while (sem_wait(&worker->called) != 0) { /* a signal's handler ran */
    }
    task = worker->task;
  }
  return task;
}

static void *work(void *context)
{
  struct worker *worker = context;
  struct task *task = NULL;
  enum task_database database = TASK_DATABASE_NOT_ASKED;

  while ((task = next_task(worker, task, database)) != NULL) {
    database = worker->workers->run(task, worker->database);
  }
  return NULL;
}

struct workers *workers_start(size_t size, const char *conninfo, const char *program, int bell_fd, TaskFunction run)
{
  struct workers *workers = calloc(1, sizeof(*workers));

  assert(size > 0 && size <= HTTP_WORKERS_MAX);
  if (workers == NULL) {
    abort();
  }
  (void)pthread_mutex_init(&workers->lock, NULL);
  chain_init(&workers->queue);
  chain_init(&workers->done);
  workers->run = run;
  workers->bell_fd = bell_fd;
  workers->size = size;
  workers->queue_max = size * HTTP_QUEUE_PER_WORKER < HTTP_QUEUE_MAX ? size * HTTP_QUEUE_PER_WORKER : HTTP_QUEUE_MAX;
  for (size_t i = 0; i < size; i++) {
    struct worker *worker = &workers->each[i];

    worker->workers = workers;
    worker->database = database_new(conninfo, program);
    if (sem_init(&worker->called, 0, 0) != 0 || pthread_create(&worker->thread, NULL, work, worker) != 0) {
      abort();
    }
  }
  return workers;
}

void workers_stop(struct workers *workers)
{
  if (workers == NULL) {
    return;
  }
  (void)pthread_mutex_lock(&workers->lock);
  workers->is_ending = true;
  while (workers->idle_count > 0) {
    struct worker *worker = workers->idle[--workers->idle_count];

    worker->task = NULL;
    (void)sem_post(&worker->called);
  }
  (void)pthread_mutex_unlock(&workers->lock);
  for (size_t i = 0; i < workers->size; i++) {
    (void)pthread_join(workers->each[i].thread, NULL);
    database_free(workers->each[i].database);
    (void)sem_destroy(&workers->each[i].called);
  }
  (void)pthread_mutex_destroy(&workers->lock);
  free(workers);
}

bool workers_put(struct workers *workers, struct task *task, int64_t now_us)
{
  struct worker *worker = NULL;
  bool is_taken = true;

  task->since_us = now_us;
  (void)pthread_mutex_lock(&workers->lock);
  if (workers->idle_count > 0) {
    worker = workers->idle[--workers->idle_count];
    worker->task = task;
  } else if (workers->queue.count < workers->queue_max) {
    chain_add(&workers->queue, task);
  } else {
    is_taken = false;
  }
  (void)pthread_mutex_unlock(&workers->lock);
  if (worker != NULL) {
    (void)sem_post(&worker->called);
  }
  return is_taken;
}

struct task *workers_take_done(struct workers *workers)
{
  struct task *first;

  (void)pthread_mutex_lock(&workers->lock);
  first = workers->done.first;
  chain_init(&workers->done);
  (void)pthread_mutex_unlock(&workers->lock);
  return first;
}

static int64_t due_us(const struct workers *workers)
{
  return workers->queue.first != NULL ? workers->queue.first->since_us + (int64_t)HTTP_QUEUE_WAIT_MAX_MS * US_PER_MS : INT64_MAX;
}

struct task *workers_take_overdue(struct workers *workers, int64_t now_us)
{
  struct task *task;

  (void)pthread_mutex_lock(&workers->lock);
  task = now_us >= due_us(workers) ? chain_take(&workers->queue) : NULL;
  (void)pthread_mutex_unlock(&workers->lock);
  return task;
}

int64_t workers_due_us(struct workers *workers)
{
  int64_t due;

  (void)pthread_mutex_lock(&workers->lock);
  due = due_us(workers);
  (void)pthread_mutex_unlock(&workers->lock);
  return due;
}

struct workers_state workers_state(struct workers *workers)
{
  struct workers_state state = {0};

  (void)pthread_mutex_lock(&workers->lock);
  state.busy = workers->size - workers->idle_count;
  state.queued = workers->queue.count;
  for (size_t i = 0; i < workers->size; i++) {
    state.away += workers->each[i].is_away;
  }
  (void)pthread_mutex_unlock(&workers->lock);
  return state;
}
