/* test_partition_counts.c - what is remembered of a topic's number of partitions. */
#include "publish/partition_counts.h"

#include <criterion/criterion.h>

static struct partition_counts counts;

static void begin(void)
{
  partition_counts_init(&counts);
}

static void end(void)
{
  partition_counts_done(&counts);
}

TestSuite(partition_counts, .init = begin, .fini = end);

Test(partition_counts, a_topic_seen_for_the_first_time_has_not_changed)
{
  cr_assert_eq(partition_counts_note(&counts, 1, 3), 3);
  cr_assert_eq(partition_counts_note(&counts, 0, 1), 1, "0 is a topic like any other");
  cr_assert_eq(partition_counts_note(&counts, 1, 3), 3);
  cr_assert_eq(counts.used, 2);
}

Test(partition_counts, a_change_is_told_once_and_of_its_topic_alone)
{
  (void)partition_counts_note(&counts, 1, 3);
  (void)partition_counts_note(&counts, 1 + PARTITION_COUNTS_SLOTS, 5); /* the same place in the table */
  cr_assert_eq(partition_counts_note(&counts, 1, 7), 3);
  cr_assert_eq(partition_counts_note(&counts, 1, 7), 7);
  cr_assert_eq(partition_counts_note(&counts, 1, 2), 7, "a topic that was made anew may have fewer");
  cr_assert_eq(partition_counts_note(&counts, 1 + PARTITION_COUNTS_SLOTS, 5), 5);
}

Test(partition_counts, a_full_table_starts_empty_and_never_tells_of_a_change_that_was_none)
{
  for (uint64_t topic = 0; topic < PARTITION_COUNTS_MAX; topic++) {
    cr_assert_eq(partition_counts_note(&counts, topic, 4), 4);
  }
  cr_assert_eq(partition_counts_note(&counts, 5, 6), 4, "one that is there needs no place");
  cr_assert_eq(counts.used, PARTITION_COUNTS_MAX);
  cr_assert_eq(partition_counts_note(&counts, PARTITION_COUNTS_MAX, 9), 9);
  cr_assert_eq(counts.used, 1);
  cr_assert_eq(partition_counts_note(&counts, 5, 7), 7, "forgotten");
}
