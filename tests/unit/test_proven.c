/* test_proven.c - what the broker is known to have: by topic and partition, for a while. */
#include "publish/proven.h"

#include <criterion/criterion.h>

#include "fnv1a.h"

enum { NOW_US = 1000 };

static struct proven proven;

static void begin(void)
{
  proven_init(&proven);
}

static void end(void)
{
  proven_done(&proven);
}

TestSuite(proven, .init = begin, .fini = end);

Test(proven, a_partition_is_proven_for_itself_alone)
{
  uint64_t home = proven_home(fnv1a_64(span_of_text("orders")), 3);

  cr_assert_not(proven_has(&proven, home, NOW_US));
  proven_add(&proven, home, NOW_US);
  cr_assert(proven_has(&proven, home, NOW_US));
  cr_assert_not(proven_has(&proven, proven_home(fnv1a_64(span_of_text("orders")), 4), NOW_US));
  cr_assert_not(proven_has(&proven, proven_home(fnv1a_64(span_of_text("order")), 3), NOW_US));
  cr_assert_not(proven_has(&proven, proven_home(fnv1a_64(span_of_text("orders")), 3 << 8), NOW_US));
}

Test(proven, it_is_forgotten_when_nothing_was_delivered_for_long)
{
  uint64_t home = proven_home(fnv1a_64(span_of_text("orders")), 0);

  proven_add(&proven, home, NOW_US);
  cr_assert(proven_has(&proven, home, NOW_US + PROVEN_US - 1));
  cr_assert_not(proven_has(&proven, home, NOW_US + PROVEN_US));
  proven_add(&proven, home, NOW_US + PROVEN_US - 1);
  cr_assert(proven_has(&proven, home, NOW_US + PROVEN_US));
  cr_assert_eq(proven.count, 1);
}

Test(proven, a_full_table_starts_empty_and_never_says_too_much)
{
  for (int32_t i = 0; i < PROVEN_MAX; i++) {
    proven_add(&proven, proven_home(fnv1a_64(span_of_text("t")), i), NOW_US);
  }
  for (int32_t i = 0; i < PROVEN_MAX; i++) {
    cr_assert(proven_has(&proven, proven_home(fnv1a_64(span_of_text("t")), i), NOW_US), "%d", i);
  }
  proven_add(&proven, proven_home(fnv1a_64(span_of_text("t")), 5), NOW_US);
  cr_assert_eq(proven.count, PROVEN_MAX, "one that is there needs no place");
  proven_add(&proven, proven_home(fnv1a_64(span_of_text("u")), 0), NOW_US);
  cr_assert_eq(proven.count, 1);
  cr_assert(proven_has(&proven, proven_home(fnv1a_64(span_of_text("u")), 0), NOW_US));
  cr_assert_not(proven_has(&proven, proven_home(fnv1a_64(span_of_text("t")), 0), NOW_US));
}
