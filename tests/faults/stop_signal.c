/* stop_signal.c - a flag that the handler sets. */
#include "stop_signal.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t sent;
static _Atomic int64_t noticed_us;

static void take(int signal)
{
  (void)signal;
  sent = 1;
}

void stop_signal_install(void)
{
  struct sigaction action = {.sa_handler = take};

  (void)sigemptyset(&action.sa_mask);
  (void)sigaction(SIGTERM, &action, NULL);
  (void)sigaction(SIGINT, &action, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
}

bool stop_signal_was_sent(void)
{
  return sent != 0;
}

int64_t stop_signal_clock_us(void)
{
  struct timespec now;

  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int64_t stop_signal_age_us(void)
{
  int64_t never = 0, now = stop_signal_clock_us();

  if (!stop_signal_was_sent()) {
    return 0;
  }
  (void)atomic_compare_exchange_strong(&noticed_us, &never, now);
  return now - noticed_us + 1;
}

void stop_signal_sleep_until(int64_t us)
{
  enum { SLICE_US = 50000 };

  for (int64_t now = stop_signal_clock_us(); now < us && !stop_signal_was_sent(); now = stop_signal_clock_us()) {
    int64_t until = us - now < SLICE_US ? us : now + SLICE_US;
    const struct timespec moment = {.tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000};

    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL);
  }
}
