/*
 * hurry.c - a semaphore and a thread that waits for it.
 *
 *   loop's thread                    this thread                              the client's broker threads
 *   produce, produce
 *   hurry_now() ----sem_post()-----> rd_kafka_flush(): flag up, wakes them -> send whatever is queued, and all that comes while the flag is up
 *   produce, hurry_now()             waits for the reports or linger_ms
 *   reports are taken                flag down
 *
 * A post that comes during a flush makes another one behind it, so that no hurry is lost between the last look of one and its end. A flush ends after linger_ms
 * at the latest: what is queued by then has waited so long anyway. When this thread gets no processor, an event waits for linger_ms, which is all that can go wrong.
 */
#include "publish/hurry.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

struct hurry {
  rd_kafka_t *producer;
  int linger_ms;
  pthread_t thread;
  sem_t wanted;
  atomic_bool is_wanted; /* since the last flush began: saves the posts that would change nothing */
  atomic_bool is_ending;
};

static void *run(void *argument)
{
  struct hurry *hurry = argument;

  while (!atomic_load(&hurry->is_ending)) {
    while (sem_wait(&hurry->wanted) != 0 && errno == EINTR) {
    }
    atomic_store(&hurry->is_wanted, false);
    if (!atomic_load(&hurry->is_ending)) {
      (void)rd_kafka_flush(hurry->producer, hurry->linger_ms);
    }
  }
  return NULL;
}

struct hurry *hurry_new(rd_kafka_t *producer, int linger_ms)
{
  struct hurry *hurry = calloc(1, sizeof(*hurry));
  sigset_t all, before;
  int error;

  if (hurry == NULL) {
    abort();
  }
  hurry->producer = producer;
  hurry->linger_ms = linger_ms;
  (void)sem_init(&hurry->wanted, 0, 0);
  /* Signals are the loop's. */
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(&hurry->thread, NULL, run, hurry);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error != 0) {
    (void)sem_destroy(&hurry->wanted);
    free(hurry);
    return NULL;
  }
  return hurry;
}

void hurry_now(struct hurry *hurry)
{
  if (!atomic_exchange(&hurry->is_wanted, true)) {
    (void)sem_post(&hurry->wanted);
  }
}

void hurry_free(struct hurry *hurry)
{
  if (hurry == NULL) {
    return;
  }
  atomic_store(&hurry->is_ending, true);
  (void)sem_post(&hurry->wanted);
  (void)pthread_join(hurry->thread, NULL);
  (void)sem_destroy(&hurry->wanted);
  free(hurry);
}
