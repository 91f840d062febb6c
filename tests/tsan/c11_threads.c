/*
 * c11_threads.c - C11's threads by way of POSIX's, for a relay with ThreadSanitizer alone. librdkafka uses <threads.h>, which the sanitizer does not know: a thread that
 * it did not see begin has no state of its own and dies at its first malloc(), and locks that it does not see look like races. These take the place of the C library's
 * functions in the whole process, and call what it does know. Only what librdkafka uses.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

/* The C library's own types are of the same size, and made of the same parts. */
static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "a mutex is a mutex");
static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "a condition is a condition");

struct beginning {
  thrd_start_t function;
  void *argument;
};

static pthread_mutex_t *mutex_of(mtx_t *mutex)
{
  return (pthread_mutex_t *)(void *)mutex;
}

static pthread_cond_t *condition_of(cnd_t *condition)
{
  return (pthread_cond_t *)(void *)condition;
}

static int answer(int error)
{
  switch (error) {
  case 0:
    return thrd_success;
  case ETIMEDOUT:
    return thrd_timedout;
  case EBUSY:
    return thrd_busy;
  case ENOMEM:
    return thrd_nomem;
  default:
    return thrd_error;
  }
}

static void *begin(void *context)
{
  struct beginning beginning = *(struct beginning *)context;

  free(context);
  return (void *)(intptr_t)beginning.function(beginning.argument);
}

int thrd_create(thrd_t *ret_thread, thrd_start_t function, void *argument)
{
  struct beginning *beginning = malloc(sizeof(*beginning));
  int error;

  if (beginning == NULL) {
    return thrd_nomem;
  }
  *beginning = (struct beginning){function, argument};
  error = pthread_create(ret_thread, NULL, begin, beginning);
  if (error != 0) {
    free(beginning);
  }
  return answer(error);
}

int thrd_join(thrd_t thread, int *ret_result)
{
  void *result = NULL;
  int error = pthread_join(thread, &result);

  if (error == 0 && ret_result != NULL) {
    *ret_result = (int)(intptr_t)result;
  }
  return answer(error);
}

int mtx_init(mtx_t *mutex, int type)
{
  pthread_mutexattr_t attributes;
  int error;

  (void)pthread_mutexattr_init(&attributes);
  (void)pthread_mutexattr_settype(&attributes, (type & mtx_recursive) != 0 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
  error = pthread_mutex_init(mutex_of(mutex), &attributes);
  (void)pthread_mutexattr_destroy(&attributes);
  return answer(error);
}

int mtx_lock(mtx_t *mutex)
{
  return answer(pthread_mutex_lock(mutex_of(mutex)));
}

int mtx_unlock(mtx_t *mutex)
{
  return answer(pthread_mutex_unlock(mutex_of(mutex)));
}

void mtx_destroy(mtx_t *mutex)
{
  (void)pthread_mutex_destroy(mutex_of(mutex));
}

int cnd_init(cnd_t *condition)
{
  return answer(pthread_cond_init(condition_of(condition), NULL));
}

int cnd_signal(cnd_t *condition)
{
  return answer(pthread_cond_signal(condition_of(condition)));
}

int cnd_broadcast(cnd_t *condition)
{
  return answer(pthread_cond_broadcast(condition_of(condition)));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
  return answer(pthread_cond_wait(condition_of(condition), mutex_of(mutex)));
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
  return answer(pthread_cond_timedwait(condition_of(condition), mutex_of(mutex), until));
}

void cnd_destroy(cnd_t *condition)
{
  (void)pthread_cond_destroy(condition_of(condition));
}
