#include <criterion/criterion.h>

#include "lsn.h"

Test(lsn, prints_as_postgresql_does)
{
  static const struct {
    Lsn lsn;
    const char *text;
  } cases[] = {{0, "0/0"}, {UINT64_C(0x16B374D848), "16/B374D848"}, {UINT64_MAX, "FFFFFFFF/FFFFFFFF"}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct lsn_text printed = lsn_text(cases[i].lsn); /* Criterion keeps the address beyond the expression */

    cr_assert_str_eq(printed.text, cases[i].text);
  }
}

Test(lsn, parse_reads_what_print_wrote)
{
  static const Lsn cases[] = {0, 1, UINT64_C(0xFFFFFFFF), UINT64_C(0x100000000), UINT64_C(0x16B374D848), UINT64_MAX};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct lsn_text text = lsn_text(cases[i]);
    Lsn lsn = 7;

    cr_assert_eq(lsn_parse(text.text, strlen(text.text), &lsn), VERDICT_OK);
    cr_assert_eq(lsn, cases[i]);
  }
}

Test(lsn, parse_refuses_what_is_no_position)
{
  static const char *const cases[] = {"", "/", "0", "0/", "/0", "0/0 ", " 0/0", "g/0", "0/g", "123456789/0", "0/123456789", "0/0/0", "-1/0", "0x1/0"};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    Lsn lsn = 7;

    cr_assert_eq(lsn_parse(cases[i], strlen(cases[i]), &lsn), VERDICT_FATAL, "accepted: %s", cases[i]);
    cr_assert_eq(lsn, 7, "out-parameter written on failure: %s", cases[i]);
  }
}

Test(lsn, parse_stays_within_its_length)
{
  Lsn lsn;

  cr_assert_eq(lsn_parse("1/23", 3, &lsn), VERDICT_OK);
  cr_assert_eq(lsn, UINT64_C(0x100000002));
}
