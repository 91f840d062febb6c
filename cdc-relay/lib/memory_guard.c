/* memory_guard.c - twice for core dumps: where they go to a program (core_pattern with a pipe), the limit alone does not count. */
#include "memory_guard.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void memory_guard_set(void)
{
  (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}
