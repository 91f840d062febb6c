/* test_lane.c - the order in which the records of a partition are run, retried and held back. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "backoff.h"
#include "lane.h"

enum { WAIT_US = 200000 };

static void *word(int64_t offset)
{
  return (void *)(uintptr_t)(offset + 1);
}

static bool take(struct lane *lane, int64_t offset, int64_t now_us)
{
  return lane_take(lane, &(struct lane_record){.offset = offset, .arrived_us = now_us, .message = word(offset)});
}

static void expect(struct lane *lane, int64_t now_us, enum lane_step step, size_t count)
{
  struct lane_action action = lane_next(lane, now_us);

  cr_expect_eq(action.step, step, "step %d where %d was expected", (int)action.step, (int)step);
  cr_expect_eq(action.count, count, "%zu records where %zu were expected", action.count, count);
}

static void empty(struct lane *lane)
{
  while (lane_drop(lane) != NULL) {
  }
  lane_end(lane);
}

Test(lane, records_are_run_one_by_one_in_their_order)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  expect(&lane, 1, LANE_IDLE, 0);
  cr_assert_eq(lane_next(&lane, 1).due_us, INT64_MAX);
  cr_assert(take(&lane, 7, 1));
  cr_assert(take(&lane, 9, 1)); /* a gap is no error: markers of transactions have offsets too */
  expect(&lane, 1, LANE_RUN, 1);
  cr_assert_eq(lane_at(&lane, 0)->offset, 7);
  cr_assert_eq(lane_untold_offset(&lane), -1);
  cr_assert_eq(lane_done(&lane), word(7));
  cr_assert_eq(lane_untold_offset(&lane), 8);
  expect(&lane, 1, LANE_RUN, 1);
  cr_assert_eq(lane_done(&lane), word(9));
  cr_assert_eq(lane_untold_offset(&lane), 10);
  lane.told_offset = 10;
  cr_assert_eq(lane_untold_offset(&lane), -1);
  empty(&lane);
}

Test(lane, a_record_that_comes_again_is_not_taken)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  cr_assert(take(&lane, 5, 1));
  cr_assert(take(&lane, 6, 1));
  cr_assert_not(take(&lane, 5, 1));
  cr_assert_not(take(&lane, 6, 1));
  (void)lane_done(&lane);
  cr_assert_not(take(&lane, 6, 1));
  cr_assert(take(&lane, 7, 1));
  cr_assert_eq(lane.count, 2);
  empty(&lane);
}

Test(lane, a_log_that_begins_again_is_taken_and_told_from_its_beginning)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  cr_assert(take(&lane, 5, 1));
  (void)lane_done(&lane);
  lane.told_offset = 6;
  cr_assert(take(&lane, 0, 1));
  cr_assert_eq(lane.done_offset, -1, "what was done of the log before says nothing of this one");
  cr_assert_eq(lane_untold_offset(&lane), -1);
  cr_assert(take(&lane, 1, 1));
  (void)lane_done(&lane);
  cr_assert_eq(lane_untold_offset(&lane), 1);
  empty(&lane);
}

static bool take_at(struct lane *lane, int64_t offset, int64_t timestamp_ms)
{
  return lane_take(lane, &(struct lane_record){.offset = offset, .timestamp_ms = timestamp_ms, .arrived_us = 1, .message = word(offset)});
}

/* Nothing of the first log is done yet, so that no offset of the second is below the head. */
Test(lane, a_log_that_begins_again_at_the_offset_of_the_head_is_taken)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  for (int64_t offset = 0; offset < 3; offset++) {
    cr_assert(take_at(&lane, offset, 100));
  }
  for (int64_t offset = 0; offset < 3; offset++) {
    cr_assert(take_at(&lane, offset, 200), "offset %d of the second log", (int)offset);
  }
  cr_assert_not(take_at(&lane, 1, 200), "fetched again");
  cr_assert_eq(lane.count, 6);
  for (int i = 0; i < 3; i++) {
    (void)lane_done(&lane);
    cr_assert_eq(lane_untold_offset(&lane), -1, "of the first log nothing is told");
  }
  (void)lane_done(&lane);
  cr_assert_eq(lane_untold_offset(&lane), 1);
  empty(&lane);
}

Test(lane, what_is_left_of_the_log_before_is_done_and_not_told)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  cr_assert(take(&lane, 2, 1));
  cr_assert(take(&lane, 3, 1));
  for (int64_t offset = 0; offset < 6; offset++) {
    cr_assert(take(&lane, offset, 1));
  }
  (void)lane_done(&lane);
  (void)lane_done(&lane);
  cr_assert_eq(lane_untold_offset(&lane), -1);
  (void)lane_done(&lane);
  cr_assert_eq(lane_untold_offset(&lane), 1);
  empty(&lane);
}

/* The topic may have been made anew since: told again, it would lose as many events of the new one. */
Test(lane, what_kafka_has_is_never_told_again)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  cr_assert_eq(lane_unkept_offset(&lane), -1);
  cr_assert(take(&lane, 5, 1));
  cr_assert(take(&lane, 6, 1));
  (void)lane_done(&lane);
  lane.told_offset = lane.done_offset;
  cr_assert_eq(lane_untold_offset(&lane), -1);
  cr_assert_eq(lane_unkept_offset(&lane), 6, "told, and not answered");
  lane_keep_offset(&lane, 6);
  cr_assert_eq(lane_unkept_offset(&lane), -1);
  lane_refuse_offset(&lane); /* of a request that was sent before that answer */
  cr_assert_eq(lane_untold_offset(&lane), -1);
  (void)lane_done(&lane);
  lane.told_offset = lane.done_offset;
  lane_refuse_offset(&lane);
  cr_assert_eq(lane_untold_offset(&lane), 7, "refused, and so told again");
  cr_assert_eq(lane_unkept_offset(&lane), 7);
  lane_end(&lane);
}

Test(lane, an_answer_about_the_log_before_keeps_nothing_of_the_new_one_back)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  cr_assert(take(&lane, 99, 1));
  (void)lane_done(&lane);
  lane.told_offset = 100;
  cr_assert(take(&lane, 0, 1));
  lane_keep_offset(&lane, 100);
  (void)lane_done(&lane);
  cr_assert_eq(lane_untold_offset(&lane), 1);
  cr_assert_eq(lane_unkept_offset(&lane), 1);
  lane.told_offset = 1;
  cr_assert(take(&lane, 1, 1));
  lane_refuse_offset(&lane);
  (void)lane_done(&lane);
  cr_assert_eq(lane_untold_offset(&lane), 2);
  lane_end(&lane);
}

Test(lane, of_a_log_that_is_gone_nothing_is_told)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  for (int64_t offset = 0; offset < 3; offset++) {
    cr_assert(take(&lane, offset, 1));
  }
  (void)lane_done(&lane);
  lane.told_offset = 1;
  lane_forget_log(&lane);
  cr_assert_eq(lane_untold_offset(&lane), -1);
  cr_assert_eq(lane_unkept_offset(&lane), -1);
  cr_assert(take(&lane, 3, 1));
  (void)lane_done(&lane);
  (void)lane_done(&lane);
  cr_assert_eq(lane_unkept_offset(&lane), -1, "they were here when it went");
  (void)lane_done(&lane);
  cr_assert_eq(lane_untold_offset(&lane), 4);
  lane_end(&lane);
}

Test(lane, a_head_in_retry_pauses_the_partition_and_holds_back_what_is_behind)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  cr_assert(take(&lane, 0, 10));
  cr_assert(take(&lane, 1, 10));
  expect(&lane, 10, LANE_RUN, 1);
  lane_postpone(&lane, true, 1010, 5);
  expect(&lane, 11, LANE_PAUSE, 0);
  expect(&lane, 11, LANE_IDLE, 0);
  cr_assert_eq(lane_next(&lane, 11).due_us, 1010);
  expect(&lane, 1009, LANE_IDLE, 0);
  expect(&lane, 1010, LANE_RUN, 1);
  cr_assert_eq(lane_at(&lane, 0)->offset, 0);
  cr_assert_eq(lane.head.attempts, 1);
  cr_assert_eq(lane.head.failures, 1);
  cr_assert_eq(lane.head.first_failed_us, 5);
  lane_postpone(&lane, false, 2010, 6);
  cr_assert_eq(lane.head.attempts, 2);
  cr_assert_eq(lane.head.transients, 1);
  cr_assert_eq(lane.head.failures, 1, "what passes by itself does not use up the retries");
  cr_assert_eq(lane.head.first_failed_us, 5);
  expect(&lane, 2009, LANE_IDLE, 0);
  expect(&lane, 2010, LANE_RUN, 1);
  (void)lane_done(&lane);
  expect(&lane, 2010, LANE_RESUME, 0);
  cr_assert_eq(lane.head.attempts, 0, "the next record begins anew");
  cr_assert_eq(lane.head.first_failed_us, 0);
  expect(&lane, 2010, LANE_RUN, 1);
  empty(&lane);
}

Test(lane, only_what_waits_for_the_world_is_hurried)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  lane_hurry(&lane, 5);
  cr_assert_eq(lane.due_us, 0);
  cr_assert(take(&lane, 0, 10));
  lane_postpone(&lane, true, 1000, 1);
  lane_hurry(&lane, 20);
  cr_assert_eq(lane.due_us, 1000);
  lane_postpone(&lane, false, 2000, 1);
  lane_hurry(&lane, 30);
  expect(&lane, 30, LANE_PAUSE, 0);
  expect(&lane, 30, LANE_RUN, 1);
  empty(&lane);
}

Test(lane, a_full_lane_pauses_and_resumes_when_half_empty)
{
  struct lane lane;
  int64_t offset = 0;

  lane_init(&lane, 1, 0);
  while (lane_next(&lane, 1).step != LANE_PAUSE) {
    cr_assert(take(&lane, offset, 1));
    offset++;
    cr_assert_leq(offset, LANE_RECORDS_LEAST);
  }
  cr_assert_eq(offset, LANE_RECORDS_LEAST - 1);
  while (lane.count > LANE_RECORDS_LEAST / 2) {
    expect(&lane, 1, LANE_RUN, 1);
    (void)lane_done(&lane);
  }
  expect(&lane, 1, LANE_RESUME, 0);
  expect(&lane, 1, LANE_RUN, 1);
  empty(&lane);
}

Test(lane, a_full_lane_in_retry_is_not_resumed_for_room_it_does_not_have)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  for (int64_t offset = 0; offset < LANE_RECORDS_LEAST - 1; offset++) {
    cr_assert(take(&lane, offset, 1));
  }
  expect(&lane, 1, LANE_PAUSE, 0);
  lane_postpone(&lane, true, 100, 1);
  expect(&lane, 50, LANE_IDLE, 0);
  expect(&lane, 100, LANE_RUN, 1);
  empty(&lane);
}

static bool take_bytes(struct lane *lane, int64_t offset, size_t bytes)
{
  return lane_take(lane, &(struct lane_record){.offset = offset, .arrived_us = 1, .bytes = bytes, .message = word(offset)});
}

Test(lane, a_lane_with_its_share_of_bytes_pauses_and_resumes_when_half_empty)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  lane.share = 100;
  cr_assert(take_bytes(&lane, 0, 60));
  expect(&lane, 1, LANE_RUN, 1);
  cr_assert(take_bytes(&lane, 1, 30));
  cr_assert(take_bytes(&lane, 2, 20));
  expect(&lane, 1, LANE_PAUSE, 0);
  expect(&lane, 1, LANE_RUN, 1);
  (void)lane_done(&lane);
  cr_assert_eq(lane.bytes, 50);
  expect(&lane, 1, LANE_RESUME, 0);
  (void)lane_drop(&lane);
  (void)lane_drop(&lane);
  cr_assert_eq(lane.bytes, 0);
  lane_end(&lane);
}

Test(lane, a_record_larger_than_the_share_goes_through_alone)
{
  struct lane lane;

  lane_init(&lane, 1, 0);
  lane.share = 100;
  for (int64_t offset = 0; offset < 3; offset++) {
    cr_assert(take_bytes(&lane, offset, 1000));
    expect(&lane, 1, LANE_PAUSE, 0);
    expect(&lane, 1, LANE_RUN, 1);
    cr_assert_eq(lane_done(&lane), word(offset));
    expect(&lane, 1, LANE_RESUME, 0);
    expect(&lane, 1, LANE_IDLE, 0);
  }
  lane_end(&lane);
}

Test(lane, a_batch_does_not_wait_for_what_has_no_room)
{
  struct lane lane;

  lane_init(&lane, 10, WAIT_US);
  lane.share = 100;
  cr_assert(take_bytes(&lane, 0, 60));
  cr_assert_not(lane_has_batch(&lane));
  expect(&lane, 1, LANE_IDLE, 0);
  cr_assert(take_bytes(&lane, 1, 60));
  cr_assert(lane_has_batch(&lane));
  expect(&lane, 1, LANE_PAUSE, 0);
  expect(&lane, 1, LANE_RUN, 2);
  empty(&lane);
}

Test(lane, a_batch_waits_for_its_rest_but_not_for_ever)
{
  struct lane lane;

  lane_init(&lane, 4, WAIT_US);
  cr_assert(take(&lane, 0, 1000));
  cr_assert(take(&lane, 1, 2000));
  expect(&lane, 2000, LANE_IDLE, 0);
  cr_assert_eq(lane_next(&lane, 2000).due_us, 1000 + WAIT_US);
  expect(&lane, 1000 + WAIT_US, LANE_RUN, 2);
  cr_assert(take(&lane, 2, 3000));
  cr_assert(take(&lane, 3, 3000));
  cr_assert(take(&lane, 4, 3000));
  expect(&lane, 3000, LANE_RUN, 4);
  empty(&lane);
}

Test(lane, a_failed_batch_comes_again_one_by_one_and_then_batches_again)
{
  struct lane lane;

  lane_init(&lane, 3, WAIT_US);
  for (int64_t offset = 0; offset < 6; offset++) {
    cr_assert(take(&lane, offset, 1));
  }
  expect(&lane, 1, LANE_RUN, 3);
  lane_split(&lane, 3);
  expect(&lane, 1, LANE_RUN, 1);
  cr_assert_eq(lane_done(&lane), word(0));
  expect(&lane, 1, LANE_RUN, 1);
  lane_postpone(&lane, true, 500, 1);
  expect(&lane, 2, LANE_PAUSE, 0);
  expect(&lane, 500, LANE_RUN, 1);
  cr_assert_eq(lane_done(&lane), word(1));
  expect(&lane, 500, LANE_RESUME, 0);
  expect(&lane, 500, LANE_RUN, 1);
  cr_assert_eq(lane_done(&lane), word(2));
  expect(&lane, 500, LANE_RUN, 3);
  empty(&lane);
}

/* A thousand random histories: every record is done once, in order, and nothing runs while the head is not due. */
Test(lane, whatever_happens_each_record_is_done_once_and_in_order)
{
  for (uint64_t seed = 1; seed <= 1000; seed++) {
    uint64_t state = seed;
    struct lane lane;
    int64_t now_us = 1, taken = 0, done = 0;
    size_t batch = 1 + chance_next(&state) % 5;
    bool is_paused = false;

    lane_init(&lane, batch, (int64_t)(chance_next(&state) % 50));
    lane.share = seed % 2 == 0 ? SIZE_MAX : 1 + chance_next(&state) % 200;
    for (int step = 0; step < 400; step++) {
      struct lane_action action = lane_next(&lane, now_us);

      if (action.step == LANE_PAUSE || action.step == LANE_RESUME) {
        cr_assert_neq(is_paused, action.step == LANE_PAUSE);
        is_paused = action.step == LANE_PAUSE;
      } else if (action.step == LANE_IDLE || chance_next(&state) % 2 == 0) {
        now_us += (int64_t)(chance_next(&state) % 40);
        if (!is_paused) {
          struct lane_record record = {.offset = taken, .arrived_us = now_us, .bytes = chance_next(&state) % 100, .message = word(taken)};

          cr_assert(lane_take(&lane, &record));
          cr_assert_lt(lane.bytes - record.bytes, lane.share);
          taken++;
        }
      } else {
        cr_assert_eq(lane_at(&lane, 0)->offset, done);
        cr_assert_leq(action.count, lane.count);
        cr_assert_leq(lane.due_us, now_us);
        if (chance_next(&state) % 3 == 0) {
          if (action.count > 1) {
            lane_split(&lane, action.count);
          } else {
            lane_postpone(&lane, true, now_us + 1 + (int64_t)(chance_next(&state) % 60), now_us);
          }
        } else {
          for (size_t i = 0; i < action.count; i++) {
            cr_assert_eq(lane_done(&lane), word(done));
            done++;
          }
          cr_assert_eq(lane_untold_offset(&lane), done);
        }
      }
    }
    cr_assert_gt(done, 10, "seed %llu came no further than %lld", (unsigned long long)seed, (long long)done);
    empty(&lane);
  }
}
