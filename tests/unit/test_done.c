#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "done.h"

static void assert_text(const struct done *done, int64_t next, const char *expected)
{
  char text[DONE_TEXT_SIZE];

  cr_assert_eq(done_write(done, text), 0);
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
    cr_assert_eq(done_write(&done, text), 0);
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
  char text[DONE_TEXT_SIZE];

  (void)done_init(&done, 0, NULL);
  for (int64_t i = 0; i < DONE_RANGES_MAX; i++) {
    cr_assert(done_add(&done, 10 + i * 2, 11 + i * 2));
  }
  cr_assert(!done_add(&done, 5000, 5001));
  cr_assert(!done_contains(&done, 5000));
  cr_assert(done_add(&done, 11, 12), "what joins two needs no room");
  cr_assert(done_add(&done, 5000, 5001));
  cr_assert_eq(done_write(&done, text), 0);
}

Test(done, ranges_that_do_not_fit_into_the_text_are_counted)
{
  struct done done;
  struct done again;
  char text[DONE_TEXT_SIZE];
  size_t left;

  done_begin(&done, 0, INT64_MAX);
  for (int64_t i = 0; i < DONE_RANGES_MAX; i++) {
    cr_assert(done_add(&done, INT64_C(1000000000000000) + i * 2, INT64_C(1000000000000001) + i * 2));
  }
  left = done_write(&done, text);
  cr_assert_gt(left, 0);
  cr_assert(done_init(&again, 0, text));
  cr_assert_eq(again.count, DONE_RANGES_MAX - left);
  cr_assert_eq(again.begun_ms, INT64_MAX);
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
