#include <criterion/criterion.h>

#include "backoff.h"

Test(backoff, caps_double_up_to_the_limit)
{
  static const int64_t caps[] = {100, 200, 400, 800, 1000, 1000, 1000};
  struct backoff backoff;

  backoff_init(&backoff, 100, 1000);
  for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
    struct backoff twin = backoff;

    cr_assert_eq(backoff_next_us(&twin, 0), caps[i], "failure %zu", i + 1);                                      /* the longest */
    cr_assert_eq(backoff_next_us(&backoff, (uint64_t)caps[i] / 2), caps[i] - caps[i] / 2, "failure %zu", i + 1); /* the shortest */
  }
  cr_assert_eq(backoff.failures, 7);
  backoff_reset(&backoff);
  cr_assert_eq(backoff_next_us(&backoff, 0), 100);
}

Test(backoff, every_chance_stays_between_half_and_whole)
{
  uint64_t state = 42;
  int64_t least = INT64_MAX;
  int64_t most = 0;

  for (int i = 0; i < 10000; i++) {
    struct backoff backoff;
    int64_t delay;

    backoff_init(&backoff, 1001, 1001);
    delay = backoff_next_us(&backoff, chance_next(&state));
    cr_assert(delay >= 501 && delay <= 1001, "%ld", delay);
    least = delay < least ? delay : least;
    most = delay > most ? delay : most;
  }
  cr_assert_eq(least, 501); /* both ends are drawn */
  cr_assert_eq(most, 1001);
}

Test(backoff, endless_failures_and_extreme_limits_do_not_overflow)
{
  struct backoff backoff;

  backoff_init(&backoff, 1, INT64_MAX);
  for (int i = 0; i < 200; i++) {
    cr_assert_geq(backoff_next_us(&backoff, UINT64_MAX), 0);
  }
  cr_assert_eq(backoff_next_us(&backoff, 0), INT64_MAX);
  backoff.failures = UINT32_MAX;
  cr_assert_eq(backoff_next_us(&backoff, 0), INT64_MAX);
  cr_assert_eq(backoff.failures, UINT32_MAX);
  backoff_init(&backoff, 0, 1000);
  backoff.failures = UINT32_MAX;
  cr_assert_eq(backoff_next_us(&backoff, 5), 0);
  backoff_init(&backoff, 5000, 1000);
  cr_assert_eq(backoff_next_us(&backoff, 0), 1000);
}

Test(backoff, chance_is_splitmix64)
{
  /* The first outputs for state 0 and for 1234567, as its authors' code gives them. */
  uint64_t state = 0;

  cr_assert_eq(chance_next(&state), UINT64_C(0xE220A8397B1DCDAF));
  cr_assert_eq(chance_next(&state), UINT64_C(0x6E789E6AA1B965F4));
  cr_assert_eq(chance_next(&state), UINT64_C(0x06C45D188009454F));
  state = 1234567;
  cr_assert_eq(chance_next(&state), UINT64_C(6457827717110365317));
  cr_assert_eq(chance_next(&state), UINT64_C(3203168211198807973));
}
