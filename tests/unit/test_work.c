#include <criterion/criterion.h>

#include "work.h"

Test(work, what_passes_is_tried_again)
{
  static const char *const states[] = {"08006", "40001", "40P01", "53300", "55P03", "57014", "57P01", "57P05",
                                       "58030", "XX000", "25006", "25P03", "25P04", "",      NULL};

  for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
    cr_assert_eq(work_verdict_of(states[i]), VERDICT_RETRY, "%s", states[i] != NULL ? states[i] : "NULL");
  }
}

Test(work, data_that_is_refused_is_poison)
{
  static const char *const states[] = {"22001", "22003", "22P02", "22021", "23502", "23503", "23505", "23514", "23P01"};

  for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
    cr_assert_eq(work_verdict_of(states[i]), VERDICT_POISON, "%s", states[i]);
  }
}

/* Among them a locked object that nobody waited for (55006), and the transaction that failed before (25P02), which are no 55P03 and no 25P03. */
Test(work, what_a_person_has_to_mend_is_fatal)
{
  static const char *const states[] = {"42501", "42601", "42P01", "42703", "28P01", "3D000", "0A000", "26000",
                                       "55006", "25P02", "25001", "P0001", "2F004", "ZZZZZ", "x"};

  for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
    cr_assert_eq(work_verdict_of(states[i]), VERDICT_FATAL, "%s", states[i]);
  }
}
