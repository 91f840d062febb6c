#include "hex.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>

Test(hex, digits_of_both_cases_have_values_and_nothing_else_has)
{
  static const char lower[] = "0123456789abcdef";
  static const char upper[] = "0123456789ABCDEF";

  for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
    const char *at = c != 0 ? strchr(lower, c) : NULL;

    if (at == NULL) {
      at = c != 0 ? strchr(upper, c) : NULL;
      cr_assert_eq(hex_value((char)c), at != NULL ? (int)(at - upper) : -1, "%d", c);
    } else {
      cr_assert_eq(hex_value((char)c), (int)(at - lower), "%d", c);
    }
  }
}
