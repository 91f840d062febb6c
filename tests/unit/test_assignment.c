/* test_assignment.c - the partitions of a member take turns, and each has its own offset. */
#include <criterion/criterion.h>
#include <string.h>

#include "assignment.h"
#include "fetched.h"

/* Records are nothing here: slots are emptied before they are removed. */
static struct fetched records[64];

static void fill(struct slot *slot, int64_t count)
{
  for (int64_t offset = 0; offset < count; offset++) {
    cr_assert(lane_take(&slot->lane, &(struct lane_record){.offset = offset, .arrived_us = 1, .message = &records[offset]}));
  }
}

static void empty(struct assignment *assignment)
{
  for (size_t i = 0; i < assignment->count; i++) {
    while (lane_drop(&assignment->slots[i]->lane) != NULL) {
    }
  }
  assignment_end(assignment);
}

Test(assignment, slots_are_found_by_topic_and_partition_and_forgotten)
{
  struct assignment assignment;
  struct slot *slot;

  assignment_init(&assignment, 1, 0, SIZE_MAX);
  slot = assignment_add(&assignment, "a", 1);
  for (int32_t partition = 2; partition < 40; partition++) {
    cr_assert_neq(assignment_add(&assignment, "a", partition), slot);
  }
  (void)assignment_add(&assignment, "b", 1);
  cr_assert_eq(assignment_find(&assignment, "a", 1), slot);
  cr_assert_eq(assignment_add(&assignment, "a", 1), slot);
  cr_assert_neq(assignment_find(&assignment, "b", 1), slot);
  cr_assert_null(assignment_find(&assignment, "b", 2));
  cr_assert_eq(assignment.count, 40);
  assignment_remove(&assignment, "a", 1);
  assignment_remove(&assignment, "a", 1);
  cr_assert_null(assignment_find(&assignment, "a", 1));
  cr_assert_eq(assignment.count, 39);
  empty(&assignment);
}

/* The loop asks before it polls and again after: asking must not count as a turn. */
Test(assignment, slots_take_turns_however_often_they_are_asked)
{
  for (int32_t partitions = 1; partitions <= 5; partitions++) {
    struct assignment assignment;
    int runs[5] = {0};

    assignment_init(&assignment, 1, 0, SIZE_MAX);
    for (int32_t partition = 0; partition < partitions; partition++) {
      fill(assignment_add(&assignment, "a", partition), 10);
    }
    for (int turn = 0; turn < 5 * partitions; turn++) {
      struct lane_action action;
      struct slot *slot = assignment_next(&assignment, 1, &action);

      cr_assert_eq(assignment_next(&assignment, 1, &action), slot);
      cr_assert_eq(action.step, LANE_RUN);
      assignment_ran(&assignment, slot);
      (void)lane_done(&slot->lane);
      runs[slot->partition]++;
    }
    for (int32_t partition = 0; partition < partitions; partition++) {
      cr_expect_eq(runs[partition], 5, "partition %d of %d ran %d times", (int)partition, (int)partitions, runs[partition]);
    }
    empty(&assignment);
  }
}

Test(assignment, one_that_waits_does_not_hold_up_the_others)
{
  struct assignment assignment;
  struct lane_action action;
  struct slot *waiting, *other;

  assignment_init(&assignment, 1, 0, SIZE_MAX);
  waiting = assignment_add(&assignment, "a", 0);
  other = assignment_add(&assignment, "a", 1);
  cr_assert_null(assignment_next(&assignment, 1, &action));
  cr_assert_eq(action.due_us, INT64_MAX);
  fill(waiting, 2);
  fill(other, 1);
  lane_postpone(&waiting->lane, true, 500, 1);
  cr_assert_eq(assignment_next(&assignment, 1, &action), waiting);
  cr_assert_eq(action.step, LANE_PAUSE);
  cr_assert_eq(assignment_next(&assignment, 1, &action), other);
  cr_assert_eq(action.step, LANE_RUN);
  (void)lane_done(&other->lane);
  cr_assert_null(assignment_next(&assignment, 1, &action));
  cr_assert_eq(action.due_us, 500);
  cr_assert_eq(assignment_next(&assignment, 500, &action), waiting);
  empty(&assignment);
}

static void assert_paused(const struct assignment *assignment, const char *topic, int32_t partition)
{
  rd_kafka_topic_partition_list_t *paused = assignment_paused(assignment);

  cr_assert_eq(paused->cnt, topic != NULL ? 1 : 0);
  if (topic != NULL) {
    cr_assert_str_eq(paused->elems[0].topic, topic);
    cr_assert_eq(paused->elems[0].partition, partition);
  }
  rd_kafka_topic_partition_list_destroy(paused);
}

Test(assignment, an_end_that_was_asked_for_counts_as_long_as_the_pause)
{
  struct assignment assignment;
  struct lane_action action;
  struct slot *waiting;

  assignment_init(&assignment, 1, 0, SIZE_MAX);
  (void)assignment_add(&assignment, "a", 0);
  waiting = assignment_add(&assignment, "a", 1);
  cr_assert_eq(waiting->asked_end, -1);
  fill(waiting, 2);
  assert_paused(&assignment, NULL, 0);
  lane_postpone(&waiting->lane, false, 500, 1);
  cr_assert_eq(assignment_next(&assignment, 1, &action), waiting);
  cr_assert_eq(action.step, LANE_PAUSE);
  assert_paused(&assignment, "a", 1);
  waiting->asked_end = 7;
  cr_assert_eq(assignment_next(&assignment, 500, &action), waiting);
  cr_assert_eq(action.step, LANE_RUN);
  cr_assert_eq(waiting->asked_end, 7);
  (void)lane_done(&waiting->lane);
  cr_assert_eq(assignment_next(&assignment, 500, &action), waiting);
  cr_assert_eq(action.step, LANE_RESUME);
  cr_assert_eq(waiting->asked_end, -1);
  assert_paused(&assignment, NULL, 0);
  empty(&assignment);
}

Test(assignment, offsets_are_those_that_were_not_told)
{
  struct assignment assignment;
  rd_kafka_topic_partition_list_t *offsets;
  struct slot *a, *b;

  assignment_init(&assignment, 1, 0, SIZE_MAX);
  a = assignment_add(&assignment, "a", 0);
  b = assignment_add(&assignment, "b", 3);
  fill(a, 3);
  fill(b, 3);
  offsets = assignment_offsets(&assignment, true);
  cr_assert_eq(offsets->cnt, 0);
  rd_kafka_topic_partition_list_destroy(offsets);
  (void)lane_done(&a->lane);
  (void)lane_done(&b->lane);
  (void)lane_done(&b->lane);
  a->lane.told_offset = 1;
  offsets = assignment_offsets(&assignment, false);
  cr_assert_eq(offsets->cnt, 1);
  cr_assert_str_eq(offsets->elems[0].topic, "b");
  cr_assert_eq(offsets->elems[0].partition, 3);
  cr_assert_eq(offsets->elems[0].offset, 2);
  rd_kafka_topic_partition_list_destroy(offsets);
  offsets = assignment_offsets(&assignment, true);
  cr_assert_eq(offsets->cnt, 2);
  rd_kafka_topic_partition_list_destroy(offsets);
  empty(&assignment);
}

static void note(const struct assignment *assignment, const char *topic, int32_t partition, int64_t offset, rd_kafka_resp_err_t error)
{
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(list, topic, partition);

  one->offset = offset;
  assignment_note_commit(assignment, one, error);
  rd_kafka_topic_partition_list_destroy(list);
}

static int count_offsets(const struct assignment *assignment, bool is_last)
{
  rd_kafka_topic_partition_list_t *offsets = assignment_offsets(assignment, is_last);
  int count = offsets->cnt;

  rd_kafka_topic_partition_list_destroy(offsets);
  return count;
}

/* An idle partition whose offset was committed again at the end of its assignment lost as many events of a topic that had been made anew. */
Test(assignment, at_the_end_only_what_kafka_has_not_is_told)
{
  struct assignment assignment;
  struct slot *idle, *busy, *gone;

  assignment_init(&assignment, 1, 0, SIZE_MAX);
  idle = assignment_add(&assignment, "a", 0);
  busy = assignment_add(&assignment, "a", 1);
  gone = assignment_add(&assignment, "b", 0);
  for (size_t i = 0; i < assignment.count; i++) {
    fill(assignment.slots[i], 2);
    (void)lane_done(&assignment.slots[i]->lane);
    assignment.slots[i]->lane.told_offset = 1;
  }
  cr_assert_eq(count_offsets(&assignment, false), 0);
  cr_assert_eq(count_offsets(&assignment, true), 3);
  note(&assignment, "a", 0, 1, RD_KAFKA_RESP_ERR_NO_ERROR);
  note(&assignment, "a", 1, 1, RD_KAFKA_RESP_ERR__TRANSPORT);
  note(&assignment, "b", 0, 1, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  note(&assignment, "c", 0, 1, RD_KAFKA_RESP_ERR_NO_ERROR); /* of an assignment before */
  cr_assert_eq(count_offsets(&assignment, false), 1);
  cr_assert_eq(count_offsets(&assignment, true), 1);
  cr_assert_eq(lane_unkept_offset(&idle->lane), -1);
  cr_assert_eq(lane_unkept_offset(&busy->lane), 1);
  cr_assert_eq(lane_unkept_offset(&gone->lane), -1);
  empty(&assignment);
}

/* However many partitions there are, their records have the same memory together. */
Test(assignment, lanes_share_the_bytes)
{
  struct assignment assignment;
  struct slot *first;

  assignment_init(&assignment, 1, 0, 1200);
  first = assignment_add(&assignment, "a", 0);
  cr_assert_eq(first->lane.share, 1200);
  (void)assignment_add(&assignment, "a", 1);
  (void)assignment_add(&assignment, "b", 0);
  for (size_t i = 0; i < assignment.count; i++) {
    cr_assert_eq(assignment.slots[i]->lane.share, 400);
  }
  assignment_remove(&assignment, "a", 1);
  cr_assert_eq(first->lane.share, 600);
  assignment_end(&assignment);
}
