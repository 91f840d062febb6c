/* test_record.c - the position of an event. */
#include <criterion/criterion.h>

#include "route/record.h"

Test(record, position_is_written_and_read_back)
{
  static const struct {
    struct position position;
    const char *text;
  } cases[] = {
      {{0, 0}, "0/0/0"},
      {{0x16B374D848, 0}, "16/B374D848/0"},
      {{0x16B374D848, 10}, "16/B374D848/10"},
      {{0x100000000, 999999}, "1/0/999999"},
      {{UINT64_MAX, UINT64_MAX}, "FFFFFFFF/FFFFFFFF/18446744073709551615"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct position back = {1, 1};
    struct position_text printed = position_text(cases[i].position); /* Criterion keeps the address beyond the expression */

    cr_assert_str_eq(printed.text, cases[i].text);
    cr_assert_eq(position_parse(cases[i].text, &back), VERDICT_OK);
    cr_assert_eq(position_compare(back, cases[i].position), 0);
  }
}

Test(record, what_is_no_position_is_refused_and_nothing_is_written)
{
  static const char *const bad[] = {"",
                                    "/",
                                    "0/0",
                                    "16/B374D848",
                                    "16/B374D848/",
                                    "16/B374D848/-1",
                                    "16/B374D848/+1",
                                    "16/B374D848/ 1",
                                    "16/B374D848/1x",
                                    "16/B374D848/1 ",
                                    "16/B374D848/18446744073709551616",
                                    "/0/0",
                                    "0//0",
                                    "G/0/0",
                                    "123456789/0/0",
                                    "16 B374D848/0"};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct position position = {7, 8};

    cr_assert_eq(position_parse(bad[i], &position), VERDICT_FATAL, "'%s'", bad[i]);
    cr_assert_eq(position.commit_lsn, 7);
    cr_assert_eq(position.index, 8);
  }
}

Test(record, positions_are_ordered_by_transaction_then_event)
{
  cr_assert_lt(position_compare((struct position){1, 9}, (struct position){2, 0}), 0);
  cr_assert_gt(position_compare((struct position){2, 0}, (struct position){1, 9}), 0);
  cr_assert_lt(position_compare((struct position){1, 1}, (struct position){1, 2}), 0);
  cr_assert_gt(position_compare((struct position){1, UINT64_MAX}, (struct position){1, 0}), 0);
  cr_assert_eq(position_compare((struct position){1, 1}, (struct position){1, 1}), 0);
}
