/*
 * wall_clock.c - LD_PRELOAD: this process sees a wall clock that jumps. The monotonic clock goes on as it is.
 *
 *   WALL_CLOCK_FILE=FILE    its first 32 bytes are a number of seconds, with sign, that are added to CLOCK_REALTIME; it is looked at in each call
 *
 * Whoever waits for a time of day waits by the same clock, as in the kernel: cnd_timedwait() with a deadline that a jump backward moved a day away waits a
 * day. It does so in slices, each of which looks like a spurious wake-up to the caller.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES = 32, SLICE_MS = 50 };
#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static const volatile char *text;

static void __attribute__((constructor)) begin(void)
{
  const char *file = getenv("WALL_CLOCK_FILE");
  int fd = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : -1;
  void *mapped = fd >= 0 ? mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

  text = mapped != MAP_FAILED ? mapped : NULL;
  if (fd >= 0) {
    (void)close(fd);
  }
}

static int64_t offset_s(void)
{
  char copy[FILE_BYTES + 1] = {0};

  for (size_t i = 0; text != NULL && i < FILE_BYTES; i++) {
    copy[i] = text[i];
  }
  return strtoll(copy, NULL, 10);
}

static struct timespec kernel_clock(clockid_t clock)
{
  struct timespec now = {0};

  (void)syscall(SYS_clock_gettime, clock, &now);
  return now;
}

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
  long result = syscall(SYS_clock_gettime, clock, ret_now);

  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    ret_now->tv_sec += offset_s();
  }
  return (int)result;
}

int gettimeofday(struct timeval *restrict ret_now, void *restrict zone)
{
  struct timespec now = kernel_clock(CLOCK_REALTIME);

  (void)zone;
  *ret_now = (struct timeval){now.tv_sec + offset_s(), now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *ret_now)
{
  time_t now = kernel_clock(CLOCK_REALTIME).tv_sec + offset_s();

  if (ret_now != NULL) {
    *ret_now = now;
  }
  return now;
}

int timespec_get(struct timespec *ret_now, int standard)
{
  return standard == TIME_UTC && clock_gettime(CLOCK_REALTIME, ret_now) == 0 ? standard : 0;
}

/* The kernel's time of day at which to look again; *ret_is_over when the deadline is reached by the clock that the process sees. */
static struct timespec next_look(const struct timespec *deadline, bool *ret_is_over)
{
  struct timespec now = kernel_clock(CLOCK_REALTIME);
  int64_t now_ns = now.tv_sec * NS_PER_S + now.tv_nsec;
  int64_t deadline_ns = (deadline->tv_sec - offset_s()) * NS_PER_S + deadline->tv_nsec;
  int64_t slice_ns = now_ns + SLICE_MS * NS_PER_MS;

  *ret_is_over = deadline_ns <= slice_ns;
  slice_ns = *ret_is_over ? deadline_ns : slice_ns;
  return slice_ns < 0 ? (struct timespec){0} : (struct timespec){slice_ns / NS_PER_S, slice_ns % NS_PER_S};
}

typedef int (*CndTimedwait)(cnd_t *restrict, mtx_t *restrict, const struct timespec *restrict);

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict deadline)
{
  static _Atomic(CndTimedwait) real;
  bool is_over;
  struct timespec until = next_look(deadline, &is_over);
  int result;

  if (real == NULL) {
    real = (CndTimedwait)dlsym(RTLD_NEXT, "cnd_timedwait");
  }
  result = real(condition, mutex, &until);
  return result == thrd_timedout && !is_over ? thrd_success : result;
}
