/* test_stall.c - when a server is asked for a word, and when a stream counts as stalled. One turn a second unless said otherwise. */
#include <criterion/criterion.h>

#include "moment.h"
#include "session/stall.h"

enum { BEGIN_US = 1000000000 };

/* What a turn that reads nothing looks like: nobody in hand, nothing confirmed that was not before. */
static void idle_turn(struct stall *stall, int64_t now_us)
{
  stall_before_read(stall, true, 100, now_us);
  stall_after_read(stall, true, 0, false, now_us);
}

/* A record in hand from one second behind the beginning until `pause_us` later; the moment in which it is gone. */
static int64_t pause_for(struct stall *stall, int64_t pause_us)
{
  int64_t now_us = BEGIN_US;

  stall_begin(stall, now_us);
  idle_turn(stall, now_us);
  now_us += US_PER_S;
  stall_before_read(stall, true, 100, now_us);
  stall_after_read(stall, false, 0, true, now_us);
  now_us += pause_us;
  idle_turn(stall, now_us);
  return now_us;
}

Test(stall, a_long_pause_is_asked_about_and_a_short_one_is_not)
{
  struct stall stall = {0};

  (void)pause_for(&stall, STALL_PAUSE_US - 1);
  cr_assert_not(stall.is_to_ask);
  (void)pause_for(&stall, STALL_PAUSE_US);
  cr_assert(stall.is_to_ask);
  cr_assert_eq(stall_deadline_us(&stall), INT64_MAX);
}

Test(stall, short_pauses_do_not_add_up)
{
  struct stall stall = {0};

  stall_begin(&stall, BEGIN_US);
  for (int64_t now_us = BEGIN_US; now_us < BEGIN_US + 60 * US_PER_S; now_us += US_PER_S) {
    stall_before_read(&stall, true, 100, now_us);
    stall_after_read(&stall, false, 0, true, now_us);
    stall_before_read(&stall, false, 100, now_us + US_PER_S / 2);
    stall_after_read(&stall, false, 0, false, now_us + US_PER_S / 2);
  }
  cr_assert_not(stall.is_to_ask);
}

Test(stall, a_stream_whose_first_turn_comes_late_was_not_read_either)
{
  struct stall stall = {0};

  stall_begin(&stall, BEGIN_US);
  idle_turn(&stall, BEGIN_US + STALL_PAUSE_US);
  cr_assert(stall.is_to_ask);
}

Test(stall, a_process_that_did_not_run_was_paused_and_one_with_nothing_to_do_was_not)
{
  struct stall stall = {0};

  stall_begin(&stall, BEGIN_US);
  idle_turn(&stall, BEGIN_US);
  idle_turn(&stall, BEGIN_US + STALL_SUSPENDED_US - 1);
  cr_assert_not(stall.is_to_ask);
  idle_turn(&stall, BEGIN_US + 2 * (int64_t)STALL_SUSPENDED_US);
  cr_assert(stall.is_to_ask);
}

Test(stall, patience_begins_with_the_question_and_again_with_every_byte)
{
  struct stall stall = {0};
  int64_t now_us = pause_for(&stall, STALL_PAUSE_US);

  stall_asked(&stall, 0, now_us);
  cr_assert_not(stall.is_to_ask);
  cr_assert_eq(stall_deadline_us(&stall), now_us + STALL_ANSWER_US);
  idle_turn(&stall, now_us + 1000);
  cr_assert_eq(stall_deadline_us(&stall), now_us + STALL_ANSWER_US, "nothing has come");
  stall_after_read(&stall, true, 0, true, now_us + 2000);
  cr_assert_eq(stall_deadline_us(&stall), now_us + 2000 + STALL_ANSWER_US, "a part of a message");
  stall_after_read(&stall, true, 7, false, now_us + 3000);
  cr_assert_eq(stall_deadline_us(&stall), now_us + 3000 + STALL_ANSWER_US, "a message that was read at the end of a pause of our own");
  stall_after_read(&stall, true, 7, false, now_us + 4000);
  cr_assert_eq(stall_deadline_us(&stall), now_us + 3000 + STALL_ANSWER_US);
  stall_after_read(&stall, false, 7, false, now_us + 5000);
  cr_assert_eq(stall_deadline_us(&stall), now_us + 5000 + STALL_ANSWER_US, "it cannot come while nothing is read");
  stall_answered(&stall);
  cr_assert_eq(stall_deadline_us(&stall), INT64_MAX);
}

Test(stall, a_second_pause_before_the_answer_is_asked_about_too)
{
  struct stall stall = {0};
  int64_t now_us = pause_for(&stall, STALL_PAUSE_US);

  stall_asked(&stall, 0, now_us);
  stall_after_read(&stall, false, 0, true, now_us);
  stall_before_read(&stall, true, 100, now_us + STALL_PAUSE_US);
  stall_after_read(&stall, true, 0, true, now_us + STALL_PAUSE_US);
  cr_assert(stall.is_to_ask);
  cr_assert_eq(stall_deadline_us(&stall), INT64_MAX, "the first question was put before that pause");
}

Test(stall, each_stream_left_at_one_position_has_twice_the_patience_and_the_last_is_waited_for)
{
  struct stall stall = {0};
  int64_t patience_us = STALL_ANSWER_US;

  for (int i = 0; i < STALL_LEFT_MAX; i++) {
    int64_t now_us = pause_for(&stall, STALL_PAUSE_US);

    cr_assert(stall.is_to_ask, "stream %d", i);
    stall_asked(&stall, 0, now_us);
    cr_assert_eq(stall_deadline_us(&stall), now_us + patience_us, "stream %d", i);
    stall_left(&stall, 100);
    patience_us *= 2;
  }
  (void)pause_for(&stall, STALL_PAUSE_US);
  cr_assert_not(stall.is_to_ask);
}

Test(stall, patience_is_short_again_once_something_more_is_confirmed)
{
  struct stall stall = {0};
  int64_t now_us;

  stall_left(&stall, 100);
  stall_left(&stall, 100);
  now_us = pause_for(&stall, STALL_PAUSE_US);
  stall_asked(&stall, 0, now_us);
  cr_assert_eq(stall_deadline_us(&stall), now_us + 4 * (int64_t)STALL_ANSWER_US);
  stall_before_read(&stall, true, 90, now_us);
  cr_assert_eq(stall_deadline_us(&stall), now_us + 4 * (int64_t)STALL_ANSWER_US, "the slot was found further back");
  stall_before_read(&stall, true, 100, now_us);
  cr_assert_eq(stall_deadline_us(&stall), now_us + 4 * (int64_t)STALL_ANSWER_US);
  stall_before_read(&stall, true, 101, now_us);
  cr_assert_eq(stall_deadline_us(&stall), now_us + STALL_ANSWER_US);
}
