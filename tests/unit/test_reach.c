/* test_reach.c - connected, not connected, refused: by what was heard and for how long not. */
#include "publish/reach.h"

#include <criterion/criterion.h>

enum { S = 1000000 };

Test(reach, nobody_was_heard_at_the_start)
{
  struct reach reach;

  reach_init(&reach);
  cr_assert_not(reach.is_connected);
  cr_assert(reach_look_is_due(&reach, 0));
  cr_assert_not(reach_is_refused(&reach, INT64_C(1000) * S));
}

Test(reach, looks_again_only_after_silence_while_connected)
{
  struct reach reach;

  reach_init(&reach);
  reach_on_heard(&reach, 5 * S);
  cr_assert(reach.is_connected);
  cr_assert_not(reach_look_is_due(&reach, 5 * S + REACH_QUIET_US - 1));
  cr_assert(reach_look_is_due(&reach, 5 * S + REACH_QUIET_US));
  reach_on_down(&reach);
  cr_assert(reach_look_is_due(&reach, 5 * S + 1));
}

Test(reach, refused_needs_silence_since_the_first_failure_and_no_connection)
{
  struct reach reach;

  reach_init(&reach);
  reach_on_auth_failed(&reach, 1 * S);
  reach_on_auth_failed(&reach, 5 * S); /* must not begin the wait anew */
  cr_assert_not(reach_is_refused(&reach, 1 * S + REACH_REFUSED_US - 1));
  cr_assert(reach_is_refused(&reach, 1 * S + REACH_REFUSED_US));
}

Test(reach, one_broker_that_refuses_is_nothing_while_another_answers)
{
  struct reach reach;

  reach_init(&reach);
  reach_on_heard(&reach, 1 * S);
  reach_on_auth_failed(&reach, 2 * S);
  cr_assert_not(reach_is_refused(&reach, 60 * S), "still connected");
  reach_on_heard(&reach, 3 * S);
  reach_on_down(&reach);
  cr_assert_not(reach_is_refused(&reach, 60 * S), "heard since");
  reach_on_auth_failed(&reach, 61 * S);
  cr_assert(reach_is_refused(&reach, 66 * S));
}
