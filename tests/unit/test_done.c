#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "done.h"

static void assert_text(const struct done *done, int64_t next, const char *expected)
{
  char text[DONE_TEXT_SIZE];

  done_write(done, text);
  cr_assert_str_eq(text, expected);
  cr_assert_eq(done->next, next);
}

Test(done, what_touches_becomes_one_and_what_touches_the_front_moves_it)
{
  struct done done;

  cr_assert(done_init(&done, 3, NULL));
  cr_assert(done_add(&done, 5, 6));
  cr_assert(done_add(&done, 8, 9));
  assert_text(&done, 3, "2+1,5+1");
  cr_assert(done_add(&done, 6, 7));
  assert_text(&done, 3, "2+2,5+1");
  cr_assert(done_add(&done, 7, 8));
  assert_text(&done, 3, "2+4");
  cr_assert(done_add(&done, 3, 5));
  assert_text(&done, 9, "");
}

Test(done, a_range_over_others_takes_them_in)
{
  struct done done;

  cr_assert(done_init(&done, 0, "2+1,5+1,9+2"));
  cr_assert(done_add(&done, 4, 10));
  assert_text(&done, 0, "2+1,4+7");
  cr_assert(done_add(&done, 0, 4));
  assert_text(&done, 11, "");
}

Test(done, an_empty_range_and_one_that_is_known_change_nothing)
{
  struct done done;

  cr_assert(done_init(&done, 4, "3+2"));
  cr_assert(done_add(&done, 20, 20));
  cr_assert(done_add(&done, 0, 4));
  cr_assert(done_add(&done, 7, 9));
  assert_text(&done, 4, "3+2");
}

/* Against a plain array of flags. */
Test(done, it_holds_what_a_set_would_hold)
{
  srand(1);
  for (int round = 0; round < 300; round++) {
    bool set[128] = {false};
    struct done done;
    struct done again;
    char text[DONE_TEXT_SIZE];

    (void)done_init(&done, 0, NULL);
    for (int step = 0; step < 40; step++) {
      int from = rand() % 120;
      int end = from + rand() % 6;

      cr_assert(done_add(&done, from, end));
      for (int i = from; i < end; i++) {
        set[i] = true;
      }
    }
    done_write(&done, text);
    cr_assert(done_init(&again, done.next, text), "%s", text);
    for (int i = 0; i < 128; i++) {
      cr_assert_eq(done_contains(&done, i), set[i], "offset %d of round %d", i, round);
      cr_assert_eq(done_contains(&again, i), set[i], "offset %d of round %d, read again", i, round);
    }
    cr_assert(!set[done.next]);
  }
}

Test(done, a_text_that_is_not_ours_is_not_believed)
{
  static const char *const wrong[] = {"x",
                                      "1",
                                      "1+",
                                      "+1",
                                      "0+1",
                                      "2+0",
                                      "2+1,",
                                      ",2+1",
                                      "5+1,3+1",
                                      "2+1,3+1",
                                      "2+1 ",
                                      "-2+1",
                                      "2+1;4",
                                      "@",
                                      "2+1@",
                                      "@x",
                                      "@1@2",
                                      "@1,2+1",
                                      "99999999999999999999+1",
                                      "1+9223372036854775807"};
  struct done done;

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    bool is_comma_at_end = strcmp(wrong[i], "2+1,") == 0;

    cr_assert(done_init(&done, 7, wrong[i]) == is_comma_at_end, "%s", wrong[i]);
    cr_assert_eq(done.next, 7);
    cr_assert(is_comma_at_end || done.count == 0, "%s", wrong[i]);
    cr_assert_eq(done.begun_ms, 0, "%s", wrong[i]);
  }
}

Test(done, a_full_list_says_so_and_stays_as_it_was)
{
  struct done done;

  (void)done_init(&done, 0, NULL);
  for (int64_t i = 0; i < DONE_RANGES_MAX; i++) {
    cr_assert(done_add(&done, 10 + i * 2, 11 + i * 2));
  }
  cr_assert(!done_add(&done, 5000, 5001));
  cr_assert(!done_contains(&done, 5000));
  cr_assert(done_add(&done, 11, 12), "what joins two needs no room");
  cr_assert(done_add(&done, 5000, 5001));
}

/* What was taken is written: the last ranges may be what somebody discarded. */
Test(done, what_does_not_fit_into_the_text_is_refused_and_what_was_taken_is_kept)
{
  const int64_t far = INT64_C(1000000000000000);
  struct done done;
  struct done again;
  char text[DONE_TEXT_SIZE];
  int64_t taken = 0;

  done_begin(&done, 0, INT64_MAX);
  while (taken < DONE_RANGES_MAX && done_add(&done, far + taken * 2, far + taken * 2 + 1)) {
    taken++;
  }
  cr_assert_gt(taken, 100);
  cr_assert_lt(taken, DONE_RANGES_MAX, "so many characters are not there");
  cr_assert(!done_add(&done, 7000000000000, 7000000000001), "before them neither");
  done_write(&done, text);
  cr_assert(done_init(&again, 0, text));
  cr_assert(done_equals(&done, &again));
  cr_assert_eq(again.begun_ms, INT64_MAX);
  cr_assert(done_contains(&again, far + (taken - 1) * 2));
  cr_assert(done_add(&done, far + 1, far + 2), "what joins two needs no room");
}

Test(done, a_text_that_is_longer_than_any_of_ours_is_not_believed)
{
  static char text[8000];
  size_t length = 0;
  struct done done;

  for (int i = 0; i < 250; i++) {
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%d+1", i == 0 ? "" : ",", 1000000000 + i * 2);
  }
  cr_assert(done_init(&done, 0, text), "%zu characters", length);
  length = 0;
  for (int i = 0; i < 250; i++) {
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%lld+1", i == 0 ? "" : ",", 1000000000000000 + i * 2LL);
  }
  cr_assert(!done_init(&done, 0, text), "%zu characters", length);
  cr_assert_eq(done.count, 0);
}

/* ---- two memories ---- */

static void assert_united(int64_t next, const char *text, int64_t other_next, const char *other_text, int64_t expected_next, const char *expected)
{
  struct done done;
  struct done other;

  cr_assert(done_init(&done, next, text));
  cr_assert(done_init(&other, other_next, other_text));
  cr_assert(done_unite(&done, &other));
  assert_text(&done, expected_next, expected);
}

Test(done, two_memories_become_one)
{
  assert_united(3, "2+1", 3, "2+1", 3, "2+1");
  assert_united(3, "2+1,9+1", 3, "4+2", 3, "2+1,4+2,9+1");
  assert_united(3, "2+2", 3, "1+1,4+1", 3, "1+4");
  assert_united(0, "2+1,5+1", 4, "", 4, "1+1");
  assert_united(0, "2+1,5+1", 5, "", 6, "");
  assert_united(4, "", 0, "2+1,5+1", 4, "1+1");
  assert_united(0, "1+1,3+1,5+1", 0, "2+1,4+1", 0, "1+5");
  assert_united(2, "2+1@100", 2, "4+1@200", 2, "2+1,4+1@100");
}

Test(done, two_memories_become_what_two_sets_would)
{
  srand(2);
  for (int round = 0; round < 300; round++) {
    bool set[128] = {false};
    struct done done[2];

    for (int which = 0; which < 2; which++) {
      (void)done_init(&done[which], rand() % 20, NULL);
      for (int i = 0; i < done[which].next; i++) {
        set[i] = true;
      }
      for (int step = 0; step < 15; step++) {
        int from = rand() % 120;
        int end = from + rand() % 6;

        cr_assert(done_add(&done[which], from, end));
        for (int i = from; i < end; i++) {
          set[i] = true;
        }
      }
    }
    cr_assert(done_unite(&done[0], &done[1]));
    for (int i = 0; i < 128; i++) {
      cr_assert_eq(done_contains(&done[0], i), set[i], "offset %d of round %d", i, round);
    }
    cr_assert(!set[done[0].next]);
  }
}

Test(done, a_place_that_one_memory_has_freed_is_free_for_the_other)
{
  struct done done;
  struct done other;

  (void)done_init(&done, 0, NULL);
  for (int64_t i = 0; i < DONE_RANGES_MAX; i++) {
    cr_assert(done_add(&done, 10 + i * 2, 11 + i * 2));
  }
  other = done;
  cr_assert(done_add(&other, 511, 512), "joins two behind");
  cr_assert(done_add(&other, 5, 6), "one more in front");
  cr_assert(done_unite(&done, &other));
  cr_assert(done_equals(&done, &other));
}

Test(done, two_memories_that_are_too_much_together_stay_as_they_were)
{
  struct done done;
  struct done other;
  struct done before;

  (void)done_init(&done, 0, NULL);
  (void)done_init(&other, 0, NULL);
  for (int64_t i = 0; i < 200; i++) {
    cr_assert(done_add(&done, 10 + i * 4, 11 + i * 4));
    cr_assert(done_add(&other, 12 + i * 4, 13 + i * 4));
  }
  before = done;
  cr_assert(!done_unite(&done, &other));
  cr_assert(done_equals(&done, &before));
  cr_assert(!done_equals(&done, &other));
}

Test(done, a_memory_knows_when_it_began_however_often_it_is_written)
{
  struct done done;

  done_begin(&done, 3, 1769336130000);
  assert_text(&done, 3, "@1769336130000");
  cr_assert(done_init(&done, 3, "2+2@1769336130000"));
  cr_assert(done_add(&done, 8, 9));
  assert_text(&done, 3, "2+2,5+1@1769336130000");
  cr_assert(done_add(&done, 3, 8));
  assert_text(&done, 9, "@1769336130000");
}

Test(done, a_letter_is_in_doubt_where_an_earlier_memory_may_have_been_forgotten)
{
  struct done done;

  done_begin(&done, 3, 10000);
  cr_assert(done_add(&done, 5, 6));
  cr_assert(done_may_lack(&done, 4, 3000, 7000), "seven seconds old when the memory began");
  cr_assert(!done_may_lack(&done, 4, 3001, 7000), "younger: what had dealt with it would still be known");
  cr_assert(done_may_lack(&done, 4, 0, 7000));
  cr_assert(!done_may_lack(&done, 5, 0, 7000), "known as done");
  cr_assert(!done_may_lack(&done, 2, 0, 7000), "before all that is left");
  cr_assert(done_may_lack(&done, 4, 10000, 0));
  cr_assert(!done_may_lack(&done, 4, 10001, 0));
  cr_assert(done_init(&done, 3, "2+1"));
  cr_assert(!done_may_lack(&done, 4, 0, 0), "a memory that somebody set by hand, or of before");
}
