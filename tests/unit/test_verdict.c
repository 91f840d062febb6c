#include <criterion/criterion.h>

#include "verdict.h"

Test(problem, set_returns_the_verdict_and_clears_the_old_hint)
{
  struct problem problem;

  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "first", "one");
  problem_hint(&problem, "do %s", "this");
  cr_assert_str_eq(problem.hint, "do this");
  cr_assert_eq(problem_set(&problem, VERDICT_FATAL, EXIT_POISON, "second", "two %d", 2), VERDICT_FATAL);
  cr_assert_str_eq(problem.text, "two 2");
  cr_assert_str_eq(problem.hint, "");
  cr_assert_str_eq(problem.cause, "second");
  cr_assert_eq(problem.code, EXIT_POISON);
}

Test(problem, null_is_allowed)
{
  cr_assert_eq(problem_set(NULL, VERDICT_RETRY, EXIT_UNEXPECTED, "x", "y"), VERDICT_RETRY);
  problem_hint(NULL, "z");
}

Test(problem, long_words_are_cut_not_overrun)
{
  struct problem problem;

  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "x", "%02000d", 1);
  cr_assert_eq(strlen(problem.text), PROBLEM_TEXT_MAX - 1);
}
