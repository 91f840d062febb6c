/* test_retry.c - how long an event waits, and when it is given up. */
#include "retry.h"

#include <criterion/criterion.h>

#include "backoff.h"

Test(retry, listed_delays_are_taken_one_by_one_and_then_it_gives_up)
{
  static const struct retry_policy policy = {.delays_ms = {1000, 2000, 4000}};

  cr_assert_eq(retry_attempts_max(&policy), 4);
  cr_assert_eq(retry_delay_ms(&policy, 0, 7), 0);
  cr_assert_eq(retry_delay_ms(&policy, 1, 7), 1000);
  cr_assert_eq(retry_delay_ms(&policy, 2, 7), 2000);
  cr_assert_eq(retry_delay_ms(&policy, 3, 7), 4000);
  cr_assert_eq(retry_delay_ms(&policy, 4, 7), RETRY_GIVE_UP);
  cr_assert_eq(retry_delay_ms(&policy, UINT32_MAX, 7), RETRY_GIVE_UP);
}

Test(retry, a_full_list_of_delays_ends_with_its_last)
{
  static const struct retry_policy policy = {.delays_ms = {1, 2, 3, 4, 5, 6, 7, 8}};

  cr_assert_eq(retry_delay_ms(&policy, CONSUMER_DELAYS_MAX, 0), 8);
  cr_assert_eq(retry_delay_ms(&policy, CONSUMER_DELAYS_MAX + 1, 0), RETRY_GIVE_UP);
}

Test(retry, no_policy_gives_up_at_once)
{
  static const struct retry_policy none = {0};
  static const struct retry_policy fixed = {.kind = RETRY_FIXED, .first_ms = 5};

  cr_assert_eq(retry_delay_ms(&none, 1, 0), RETRY_GIVE_UP);
  cr_assert_eq(retry_delay_ms(&fixed, 1, 0), RETRY_GIVE_UP);
  cr_assert_eq(retry_attempts_max(&none), 1);
}

Test(retry, a_fixed_delay_is_the_same_each_time)
{
  static const struct retry_policy policy = {.kind = RETRY_FIXED, .first_ms = 2000, .retries = 3};

  for (uint32_t failures = 1; failures <= 3; failures++) {
    cr_assert_eq(retry_delay_ms(&policy, failures, UINT64_MAX), 2000);
  }
  cr_assert_eq(retry_delay_ms(&policy, 4, 0), RETRY_GIVE_UP);
}

/* The longest delay is drawn by chance = cap, the shortest by 0: full jitter begins at nothing. */
Test(retry, exponential_caps_double_up_to_the_most)
{
  static const int64_t caps[] = {1000, 2000, 4000, 5000, 5000};
  static const struct retry_policy policy = {.kind = RETRY_EXPONENTIAL, .first_ms = 1000, .most_ms = 5000, .retries = 5};

  for (uint32_t failures = 1; failures <= 5; failures++) {
    int64_t cap = caps[failures - 1];

    cr_assert_eq(retry_delay_ms(&policy, failures, (uint64_t)cap), cap, "failure %u", failures);
    cr_assert_eq(retry_delay_ms(&policy, failures, (uint64_t)cap + 1), 0, "failure %u", failures);
    cr_assert_eq(retry_delay_ms(&policy, failures, 0), 0);
  }
  cr_assert_eq(retry_delay_ms(&policy, 6, 0), RETRY_GIVE_UP);
}

Test(retry, exponential_delays_fill_their_range)
{
  static const struct retry_policy policy = {.kind = RETRY_EXPONENTIAL, .first_ms = 100, .most_ms = 100, .retries = 1};
  uint64_t state = 11;
  int64_t least = INT64_MAX;
  int64_t most = -1;

  for (int i = 0; i < 10000; i++) {
    int64_t delay = retry_delay_ms(&policy, 1, chance_next(&state));

    cr_assert(delay >= 0 && delay <= 100);
    least = delay < least ? delay : least;
    most = delay > most ? delay : most;
  }
  cr_assert_eq(least, 0);
  cr_assert_eq(most, 100);
}

Test(retry, extreme_policies_do_not_overflow)
{
  static const struct retry_policy huge = {.kind = RETRY_EXPONENTIAL, .first_ms = 1, .most_ms = INT64_MAX, .retries = UINT32_MAX};
  static const struct retry_policy nothing = {.kind = RETRY_EXPONENTIAL, .first_ms = 0, .most_ms = 1000, .retries = 3};
  static const struct retry_policy negative = {.kind = RETRY_FIXED, .first_ms = -1, .retries = 3};

  for (uint32_t failures = 1; failures < 200; failures++) {
    cr_assert_geq(retry_delay_ms(&huge, failures, UINT64_MAX), 0);
  }
  cr_assert_eq(retry_delay_ms(&huge, UINT32_MAX, INT64_MAX), INT64_MAX);
  cr_assert_eq(retry_attempts_max(&huge), UINT32_MAX);
  cr_assert_eq(retry_delay_ms(&nothing, 1, 17), 0);
  cr_assert_eq(retry_delay_ms(&negative, 1, 17), 0, "-1 would mean: give up");
}

Test(retry, transient_failures_wait_one_to_thirty_seconds_and_never_end)
{
  static const int64_t caps[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};

  for (uint32_t failures = 1; failures <= 7; failures++) {
    int64_t cap = caps[failures - 1];

    cr_assert_eq(retry_transient_delay_ms(failures, 0), cap, "failure %u", failures);
    cr_assert_eq(retry_transient_delay_ms(failures, (uint64_t)cap / 2), cap - cap / 2, "failure %u", failures);
  }
  cr_assert_eq(retry_transient_delay_ms(0, 0), 1000);
  cr_assert_eq(retry_transient_delay_ms(UINT32_MAX, 0), 30000);
}
