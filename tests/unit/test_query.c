#include <criterion/criterion.h>
#include <string.h>

#include "query.h"

Test(query, the_first_of_a_name_counts_and_an_absent_one_is_null)
{
  static struct query query;

  cr_expect(query_add(&query, "page", "2"));
  cr_expect(query_add(&query, "page", "3"));
  cr_expect(query_add(&query, "q%20q", "a%26b"));
  cr_expect(query_add(&query, "flag", NULL));
  cr_expect_str_eq(query_value(&query, "page"), "2");
  cr_expect_str_eq(query_value(&query, "q q"), "a&b");
  cr_expect_str_eq(query_value(&query, "flag"), "");
  cr_expect_null(query_value(&query, "size"));
}

Test(query, what_is_no_text_is_refused)
{
  static struct query query;

  cr_expect_not(query_add(&query, "a", "%00"));
  cr_expect_not(query_add(&query, "a", "%f"));
  cr_expect_not(query_add(&query, "%ff", "1"));
  cr_expect_eq(query.count, 0);
}

Test(query, no_more_values_than_there_is_room_for)
{
  static struct query query;

  for (int i = 0; i < QUERY_VALUES_MAX; i++) {
    cr_assert(query_add(&query, "a", "1"));
  }
  cr_expect_not(query_add(&query, "a", "1"));
}

Test(query, no_more_bytes_than_there_is_room_for)
{
  static struct query query;
  char value[QUERY_MAX_BYTES + 1];

  memset(value, 'x', sizeof(value));
  value[QUERY_MAX_BYTES] = '\0';
  cr_expect_not(query_add(&query, "a", value));
  value[QUERY_MAX_BYTES - strlen("b") - 2 - strlen("a") - 1] = '\0';
  cr_expect(query_add(&query, "b", value), "all the room that is left, with its zeros");
  cr_expect_eq(query.length, (size_t)QUERY_MAX_BYTES);
  cr_expect_not(query_add(&query, "", ""));
}
