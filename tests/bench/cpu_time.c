/* cpu_time.c - as the kernel has it. */
#include "cpu_time.h"

#include <time.h>

#include "moment.h"

int64_t cpu_time_us(void)
{
  struct timespec used;

  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (int64_t)used.tv_sec * US_PER_S + used.tv_nsec / 1000;
}
