#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "stream/timeline.h"

static struct timeline_history parsed(const char *text)
{
  struct timeline_history history;

  memset(&history, 0xff, sizeof(history));
  timeline_history_parse(&history, text, strlen(text));
  return history;
}

/* As PostgreSQL 17 wrote it after two promotions. */
Test(timeline, a_history_says_where_each_timeline_was_left)
{
  const struct timeline_history history = parsed("1\t0/3000148\tno recovery target specified\n\n2\t16/B374D848\tno recovery target specified\n");

  cr_assert_eq(history.count, 2);
  cr_assert_eq(timeline_history_find(&history, 1)->end, 0x3000148u);
  cr_assert_eq(timeline_history_find(&history, 2)->end, 0x16B374D848u);
  cr_assert_null(timeline_history_find(&history, 3));
}

Test(timeline, comments_and_a_missing_last_newline_are_taken)
{
  const struct timeline_history history = parsed("# by hand\n1\t0/100\n4 0/200 a reason");

  cr_assert_eq(history.count, 2);
  cr_assert_eq(timeline_history_find(&history, 4)->end, 0x200u);
}

Test(timeline, what_has_another_form_is_not_known)
{
  static const char *const texts[] = {
      "",          "\n\n",           "1", "1\t", "x\t0/1\n", "1\tx\n", "1\t0/1\n2\t0\n", "0\t0/1\t\n", "\t0/1\treason", "1x\t0/1", "4294967296\t0/1",
      "-1\t0/1\n", "1\t0/1G\treason"};

  for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
    cr_expect_eq(parsed(texts[i]).count, 0, "%s", texts[i]);
  }
}

Test(timeline, the_latest_are_kept_where_there_are_too_many)
{
  char text[4096];
  size_t length = 0;
  struct timeline_history history;

  for (unsigned i = 1; i <= TIMELINES_MAX + 2; i++) {
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%u\t0/%X\t\n", i, i);
  }
  history = parsed(text);
  cr_assert_eq(history.count, (size_t)TIMELINES_MAX);
  cr_assert_null(timeline_history_find(&history, 2));
  cr_assert_eq(timeline_history_find(&history, 3)->end, 3u);
  cr_assert_eq(timeline_history_find(&history, TIMELINES_MAX + 2)->end, (Lsn)(TIMELINES_MAX + 2));
}
