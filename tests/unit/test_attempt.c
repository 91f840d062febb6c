/* test_attempt.c - what becomes of a unit of work that failed. */
#include "attempt.h"

#include <criterion/criterion.h>

static const struct failure locked = {.class = FAILURE_TRANSIENT, .sqlstate = "55P03"};
static const struct failure refused = {.class = FAILURE_PERMANENT, .sqlstate = "23514"};
static const struct failure unknown = {.class = FAILURE_UNKNOWN};
static const struct failure broken = {.class = FAILURE_TRANSIENT, .sqlstate = "57P01", .is_of_database = true};
static const struct failure away = {.class = FAILURE_TRANSIENT, .is_of_database = true, .has_no_session = true};

static enum attempt_end end_of(const struct failure *failure, size_t count)
{
  return attempt_judge(&(struct attempted){.failure = failure, .count = count, .has_dead_letters = true});
}

Test(attempt, of_a_single_event_its_class_decides)
{
  cr_expect_eq(end_of(&locked, 1), ATTEMPT_AGAIN);
  cr_expect_eq(end_of(&broken, 1), ATTEMPT_AGAIN);
  cr_expect_eq(end_of(&away, 1), ATTEMPT_AGAIN);
  cr_expect_eq(end_of(&unknown, 1), ATTEMPT_COUNTED);
  cr_expect_eq(end_of(&refused, 1), ATTEMPT_BURIED);
}

/* Where the head alone came again, it took a batch as many rounds as the bad event had others before it. */
Test(attempt, a_batch_is_split_for_whatever_one_event_may_have_done)
{
  cr_expect_eq(end_of(&locked, 2), ATTEMPT_SPLIT);
  cr_expect_eq(end_of(&unknown, 100), ATTEMPT_SPLIT);
  cr_expect_eq(end_of(&refused, 100), ATTEMPT_SPLIT);
  cr_expect_eq(attempt_judge(&(struct attempted){.failure = &locked, .count = 2}), ATTEMPT_SPLIT, "with or without dead letters");
}

Test(attempt, a_batch_that_met_no_database_stays_one)
{
  struct attempted attempted = {.failure = &away, .count = 100, .has_dead_letters = true};

  cr_expect_eq(attempt_judge(&attempted), ATTEMPT_AGAIN);
  attempted.has_lost_session = true;
  cr_expect_eq(attempt_judge(&attempted), ATTEMPT_AGAIN, "whatever happened before: no event had a part in it");
}

Test(attempt, a_batch_that_loses_its_session_twice_may_have_an_event_that_ends_it)
{
  struct attempted attempted = {.failure = &broken, .count = 100, .has_dead_letters = true};

  cr_expect_eq(attempt_judge(&attempted), ATTEMPT_AGAIN);
  attempted.has_lost_session = true;
  cr_expect_eq(attempt_judge(&attempted), ATTEMPT_SPLIT);
}

Test(attempt, what_has_nowhere_to_go_is_never_given_up)
{
  static const struct failure *const failures[] = {&locked, &refused, &unknown, &broken, &away};

  for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
    cr_expect_eq(attempt_judge(&(struct attempted){.failure = failures[i], .count = 1}), ATTEMPT_AGAIN, "failure %zu", i);
  }
}

Test(attempt, what_is_named_is_given_up_also_where_it_ends_its_session)
{
  static const struct failure *const failures[] = {&locked, &refused, &unknown, &broken, &away};

  for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
    struct attempted attempted = {.failure = failures[i], .count = 1, .is_given_up = true, .has_dead_letters = true};

    cr_expect_eq(attempt_judge(&attempted), ATTEMPT_BURIED, "failure %zu", i);
  }
}
