/* test_moment.c - the distance of two times, of which either may be any number. */
#include <criterion/criterion.h>

#include "moment.h"

Test(moment, a_distance_is_the_nearest_that_fits)
{
  static const struct {
    int64_t from_us, to_us, wanted_us;
  } cases[] = {
      {5, 12, 7},
      {12, 5, -7},
      {INT64_MIN, -1, INT64_MAX},
      {INT64_MIN, 0, INT64_MAX},
      {INT64_MIN, INT64_MAX, INT64_MAX},
      {INT64_MAX, -1, INT64_MIN},
      {INT64_MAX, -2, INT64_MIN},
      {INT64_MAX, INT64_MIN, INT64_MIN},
      {INT64_MIN, INT64_MIN, 0},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_expect_eq(moment_distance(cases[i].from_us, cases[i].to_us), cases[i].wanted_us, "case %zu", i);
  }
}
