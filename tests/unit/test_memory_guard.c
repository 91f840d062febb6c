#include "memory_guard.h"

#include <criterion/criterion.h>
#include <sys/prctl.h>
#include <sys/resource.h>

Test(memory_guard, no_core_dump_and_no_ptrace_are_left)
{
  struct rlimit limit;

  cr_assert_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
  memory_guard_set();
  cr_assert_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
  cr_assert_eq(getrlimit(RLIMIT_CORE, &limit), 0);
  cr_assert_eq(limit.rlim_cur, 0);
  cr_assert_eq(limit.rlim_max, 0);
}
