#include <criterion/criterion.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "moment.h"
#include "service.h"
#include "workers.h"

enum { PATIENCE_MS = 20000 };

/* A task that says where it is, and may be held there. */
struct errand {
  struct task task; /* the first */
  struct database *database;
  enum task_database found;
  int runs;
  sem_t *begun; /* NULL: nobody waits for it */
  sem_t *goes_on;
};

static enum task_database run(struct task *task, struct database *database)
{
  struct errand *errand = (struct errand *)task;

  errand->database = database;
  errand->runs++;
  if (errand->begun != NULL) {
    (void)sem_post(errand->begun);
    (void)sem_wait(errand->goes_on);
  }
  return errand->found;
}

struct bench {
  struct workers *workers;
  int bell_fd;
  sem_t begun;
  sem_t goes_on;
};

static void bench_open(struct bench *bench, size_t size)
{
  (void)sem_init(&bench->begun, 0, 0);
  (void)sem_init(&bench->goes_on, 0, 0);
  bench->bell_fd = eventfd(0, EFD_NONBLOCK);
  bench->workers = workers_start(size, "host=/nowhere", "test", bench->bell_fd, run);
}

static void bench_close(struct bench *bench)
{
  workers_stop(bench->workers);
  (void)close(bench->bell_fd);
}

static struct errand held(struct bench *bench)
{
  return (struct errand){.begun = &bench->begun, .goes_on = &bench->goes_on};
}

static void put(struct bench *bench, struct errand *errand)
{
  cr_assert(workers_put(bench->workers, &errand->task, moment_now().mono_us));
}

/* Waits for the bell, and takes what is done. */
static struct task *take(struct bench *bench)
{
  struct pollfd bell = {.fd = bench->bell_fd, .events = POLLIN};
  eventfd_t rings;

  cr_assert_eq(poll(&bell, 1, PATIENCE_MS), 1);
  (void)eventfd_read(bench->bell_fd, &rings);
  return workers_take_done(bench->workers);
}

static void await_idle(struct bench *bench)
{
  while (workers_state(bench->workers).busy > 0) {
    (void)poll(NULL, 0, 1);
  }
}

Test(workers, all_that_is_put_is_done_once)
{
  struct errand errands[100] = {0};
  struct bench bench;
  size_t next = 0;

  bench_open(&bench, 2);
  for (size_t i = 0; i < 100; i++) {
    put(&bench, &errands[i]);
  }
  while (next < 100) {
    for (struct task *task = take(&bench); task != NULL; task = task->next) {
      cr_expect_not_null(((struct errand *)task)->database);
      cr_expect_eq(((struct errand *)task)->runs, 1);
      next++;
    }
  }
  cr_expect_eq(next, 100);
  await_idle(&bench);
  cr_expect_null(workers_take_done(bench.workers));
  bench_close(&bench);
}

/* Idle workers are not called for as long as there is little to do: what they saw last is no news. */
Test(workers, a_database_that_one_finds_is_away_for_nobody)
{
  struct errand together[4];
  struct errand bad = {.found = TASK_DATABASE_NOT_ASKED};
  struct errand good = {.found = TASK_DATABASE_THERE};
  struct bench bench;

  bench_open(&bench, 4);
  for (size_t i = 0; i < 4; i++) {
    together[i] = held(&bench);
    together[i].found = TASK_DATABASE_AWAY;
    put(&bench, &together[i]);
  }
  for (size_t i = 0; i < 4; i++) {
    (void)sem_wait(&bench.begun);
  }
  for (size_t i = 0; i < 4; i++) {
    (void)sem_post(&bench.goes_on);
  }
  await_idle(&bench);
  cr_expect_eq(workers_state(bench.workers).away, 4);
  put(&bench, &bad);
  await_idle(&bench);
  cr_expect_eq(workers_state(bench.workers).away, 4, "who did not ask knows nothing");
  put(&bench, &good);
  await_idle(&bench);
  cr_expect_eq(workers_state(bench.workers).away, 0);
  put(&bench, &bad);
  await_idle(&bench);
  cr_expect_eq(workers_state(bench.workers).away, 0, "nor does it bring back what was known before");
  bench_close(&bench);
}

Test(workers, one_worker_takes_the_queue_in_the_order_in_which_it_was_filled)
{
  struct errand first;
  struct errand errands[10] = {0};
  struct bench bench;
  struct task *task = NULL;

  bench_open(&bench, 1);
  first = held(&bench);
  put(&bench, &first);
  (void)sem_wait(&bench.begun);
  for (size_t i = 0; i < 10; i++) {
    put(&bench, &errands[i]);
  }
  cr_expect_eq(workers_state(bench.workers).queued, 10);
  cr_expect_eq(workers_state(bench.workers).busy, 1);
  (void)sem_post(&bench.goes_on);
  while ((task = take(&bench)) != &first.task) {
  }
  task = task->next;
  for (size_t i = 0; i < 10; i++) {
    task = task != NULL ? task : take(&bench);
    cr_expect_eq(task, &errands[i].task);
    task = task->next;
  }
  bench_close(&bench);
}

Test(workers, a_full_queue_takes_no_more)
{
  struct errand first;
  struct errand errands[HTTP_QUEUE_PER_WORKER + 1] = {0};
  struct bench bench;

  bench_open(&bench, 1);
  first = held(&bench);
  put(&bench, &first);
  (void)sem_wait(&bench.begun);
  for (size_t i = 0; i < HTTP_QUEUE_PER_WORKER; i++) {
    put(&bench, &errands[i]);
  }
  cr_expect_not(workers_put(bench.workers, &errands[HTTP_QUEUE_PER_WORKER].task, moment_now().mono_us));
  cr_expect_eq(workers_state(bench.workers).queued, HTTP_QUEUE_PER_WORKER);
  (void)sem_post(&bench.goes_on);
  bench_close(&bench);
}

Test(workers, who_has_waited_too_long_is_given_back_the_first_first)
{
  const int64_t limit_us = (int64_t)HTTP_QUEUE_WAIT_MAX_MS * US_PER_MS;
  struct errand first;
  struct errand second = {0};
  struct errand third = {0};
  struct bench bench;

  bench_open(&bench, 1);
  cr_expect_eq(workers_due_us(bench.workers), INT64_MAX);
  first = held(&bench);
  cr_assert(workers_put(bench.workers, &first.task, 1000));
  (void)sem_wait(&bench.begun);
  cr_expect_eq(workers_due_us(bench.workers), INT64_MAX, "what a worker has in hand is not waited for");
  cr_assert(workers_put(bench.workers, &second.task, 2000));
  cr_assert(workers_put(bench.workers, &third.task, 3000));
  cr_expect_eq(workers_due_us(bench.workers), 2000 + limit_us);
  cr_expect_null(workers_take_overdue(bench.workers, 1999 + limit_us));
  cr_expect_eq(workers_take_overdue(bench.workers, 2000 + limit_us), &second.task);
  cr_expect_null(workers_take_overdue(bench.workers, 2000 + limit_us));
  cr_expect_eq(workers_take_overdue(bench.workers, 3000 + limit_us), &third.task);
  cr_expect_eq(workers_due_us(bench.workers), INT64_MAX);
  (void)sem_post(&bench.goes_on);
  cr_expect_eq(take(&bench), &first.task);
  put(&bench, &second); /* an empty queue can be filled again */
  cr_expect_eq(take(&bench), &second.task);
  bench_close(&bench);
}

Test(workers, one_thing_after_the_other_is_one_workers)
{
  struct bench bench;
  struct database *database = NULL;

  bench_open(&bench, 4);
  await_idle(&bench);
  for (int i = 0; i < 20; i++) {
    struct errand errand = {0};

    put(&bench, &errand);
    cr_expect_eq(take(&bench), &errand.task);
    await_idle(&bench);
    cr_expect(database == NULL || errand.database == database);
    database = errand.database;
  }
  bench_close(&bench);
}

Test(workers, the_bell_rings_once_for_a_list_that_nobody_takes)
{
  struct errand errands[5] = {0};
  struct bench bench;
  eventfd_t rings = 0;

  bench_open(&bench, 1);
  await_idle(&bench);
  for (size_t i = 0; i < 5; i++) {
    put(&bench, &errands[i]);
    await_idle(&bench);
  }
  workers_stop(bench.workers);
  cr_expect_eq(eventfd_read(bench.bell_fd, &rings), 0);
  cr_expect_eq(rings, 1);
  (void)close(bench.bell_fd);
}

Test(workers, many_workers_leave_connections_to_others)
{
  enum { MANY = 2 * HTTP_QUEUE_MAX / HTTP_QUEUE_PER_WORKER };
  static struct errand errands[MANY + HTTP_QUEUE_MAX + 1];
  struct bench bench;

  bench_open(&bench, MANY);
  for (size_t i = 0; i < MANY; i++) {
    errands[i] = held(&bench);
    put(&bench, &errands[i]);
  }
  for (size_t i = 0; i < MANY; i++) {
    (void)sem_wait(&bench.begun);
  }
  for (size_t i = 0; i < HTTP_QUEUE_MAX; i++) {
    put(&bench, &errands[MANY + i]);
  }
  cr_expect_not(workers_put(bench.workers, &errands[MANY + HTTP_QUEUE_MAX].task, moment_now().mono_us));
  for (size_t i = 0; i < MANY; i++) {
    (void)sem_post(&bench.goes_on);
  }
  bench_close(&bench);
}
