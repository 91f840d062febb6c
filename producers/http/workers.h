/*
 * workers.h - threads that run what may wait for a database, each with a connection of its own, and the queue before them.
 *
 *     one thread    workers_put()         -> queue -> | a worker      TaskFunction, with its connection
 *                   workers_take_done()   <-  done <- |
 *                   workers_take_overdue() <- queue      what no worker came for in time
 *
 * One thread puts and takes; it is woken by a descriptor. A task belongs to it before workers_put() and once it was taken back, and to a worker in between.
 */
#ifndef HTTP_WORKERS_H
#define HTTP_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database.h"

struct task {
  struct task *next;
  int64_t since_us; /* put there */
};

/* What a task has learnt of the database. */
enum task_database {
  TASK_DATABASE_NOT_ASKED,
  TASK_DATABASE_THERE,
  TASK_DATABASE_AWAY, /* the last attempt to connect failed */
};

/* On a worker's thread; may block. */
typedef enum task_database (*TaskFunction)(struct task *task, struct database *database);

struct workers;

/*
 * `size` threads (1 to HTTP_WORKERS_MAX), none of which connects yet, and a queue of HTTP_QUEUE_PER_WORKER for each, HTTP_QUEUE_MAX in all. `bell_fd`, an eventfd, is written to when
 * there is something done and was nothing before. `conninfo` and `program` are borrowed until workers_stop().
 */
struct workers *workers_start(size_t size, const char *conninfo, const char *program, int bell_fd, TaskFunction run);
/* Ends the threads and waits for them: for as long as a task in hand takes. What is in the queue, or done and not taken, is left alone. Takes NULL. */
void workers_stop(struct workers *workers);

/* Under little load the same few workers run all, so that few connections are opened. False: the queue is full; the task stays the caller's. */
bool MUST_CHECK workers_put(struct workers *workers, struct task *task, int64_t now_us);
/* All that is done, in the order in which it was, by `next`; NULL: nothing. To be called behind the bell's clearing. */
struct task *workers_take_done(struct workers *workers);
/* The first in the queue if it has waited for HTTP_QUEUE_WAIT_MAX_MS; NULL: it has not. */
struct task *workers_take_overdue(struct workers *workers, int64_t now_us);
/* When workers_take_overdue() is to be called next; INT64_MAX: not before something is put. */
int64_t workers_due_us(struct workers *workers);

struct workers_state {
  size_t busy;   /* workers */
  size_t queued; /* tasks */
  size_t away;   /* workers whose last attempt to connect failed, and since then no other's succeeded */
};
struct workers_state workers_state(struct workers *workers);

#endif
