/* test_fnv1a.c - the test vectors that the authors published, and that a hash in two pieces is that of the whole. */
#include <criterion/criterion.h>

#include "fnv1a.h"

Test(fnv1a, published_vectors)
{
  cr_assert_eq(fnv1a_32(span_of_text("")), 0x811c9dc5);
  cr_assert_eq(fnv1a_32(span_of_text("a")), 0xe40c292c);
  cr_assert_eq(fnv1a_32(span_of_text("foobar")), 0xbf9cf968);
  cr_assert_eq(fnv1a_64(span_of_text("")), UINT64_C(0xcbf29ce484222325));
  cr_assert_eq(fnv1a_64(span_of_text("a")), UINT64_C(0xaf63dc4c8601ec8c));
  cr_assert_eq(fnv1a_64(span_of_text("foobar")), UINT64_C(0x85944171f73967e8));
}

Test(fnv1a, in_pieces)
{
  cr_assert_eq(fnv1a_64_more(fnv1a_64(span_of_text("foo")), span_of_text("bar")), fnv1a_64(span_of_text("foobar")));
}

Test(fnv1a, bytes_above_127_are_not_negative)
{
  cr_assert_eq(fnv1a_32(span_of("\xff", 1)), (0x811c9dc5U ^ 0xffU) * 0x01000193U);
  cr_assert_eq(fnv1a_64(span_of("\xff", 1)), (UINT64_C(0xcbf29ce484222325) ^ 0xff) * UINT64_C(0x100000001b3));
}
