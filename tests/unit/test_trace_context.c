#include <criterion/criterion.h>
#include <string.h>

#include "trace_context.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static struct uuid_source ids;

Test(trace_context, is_sound_as_the_standard_says)
{
  static const char *const sound[] = {
      "00-" TRACE "-" SPAN "-01",
      "00-" TRACE "-" SPAN "-00",
      "00-" TRACE "-" SPAN "-ff",
      "01-" TRACE "-" SPAN "-01",
      "01-" TRACE "-" SPAN "-01-what-comes-later",
      "fe-" TRACE "-" SPAN "-01-",
      "00-00000000000000000000000000000001-0000000000000001-00",
  };
  static const char *const unsound[] = {
      "",
      "00",
      "00-" TRACE "-" SPAN,
      "00-" TRACE "-" SPAN "-",
      "00-" TRACE "-" SPAN "-0",
      "00-" TRACE "-" SPAN "-012",
      "00-" TRACE "-" SPAN "-01-what-comes-later",
      "00-" TRACE "-" SPAN "-01 ",
      " 00-" TRACE "-" SPAN "-01",
      "01-" TRACE "-" SPAN "-01x",
      "ff-" TRACE "-" SPAN "-01",
      "FE-" TRACE "-" SPAN "-01",
      "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
      "00-" TRACE "-B7AD6B7169203331-01",
      "00-" TRACE "-" SPAN "-0A",
      "00-00000000000000000000000000000000-" SPAN "-01",
      "00-" TRACE "-0000000000000000-01",
      "00_" TRACE "-" SPAN "-01",
      "00-" TRACE "_" SPAN "-01",
      "00-" TRACE "-" SPAN "_01",
      "00-0af7651916cd43dd8448eb211c80319-" SPAN "1-01",
      "0-" TRACE "-" SPAN "-01",
      "00-0af7651916cd43dd8448eb211c80319g-" SPAN "-01",
  };

  for (size_t i = 0; i < sizeof(sound) / sizeof(*sound); i++) {
    cr_assert(traceparent_is_sound(sound[i]), "%s", sound[i]);
  }
  for (size_t i = 0; i < sizeof(unsound) / sizeof(*unsound); i++) {
    cr_assert_not(traceparent_is_sound(unsound[i]), "%s", unsound[i]);
  }
  cr_assert_not(traceparent_is_sound(NULL));
}

Test(trace_context, a_child_is_another_span_of_the_same_trace)
{
  char first[TRACEPARENT_SIZE];
  char second[TRACEPARENT_SIZE];

  traceparent_child("00-" TRACE "-" SPAN "-01", &ids, first);
  traceparent_child("00-" TRACE "-" SPAN "-01", &ids, second);
  cr_assert(traceparent_is_sound(first), "%s", first);
  cr_assert_eq(strncmp(first, "00-" TRACE "-", 36), 0, "%s", first);
  cr_assert_neq(strncmp(first + 36, SPAN, 16), 0, "%s", first);
  cr_assert_neq(strncmp(first + 36, second + 36, 16), 0, "%s", second);
}

Test(trace_context, a_child_is_sampled_if_its_parent_is_and_passes_no_other_flag_on)
{
  static const struct {
    const char *parent;
    const char *flags;
  } cases[] = {
      {"00-" TRACE "-" SPAN "-01", "-01"}, {"00-" TRACE "-" SPAN "-00", "-00"}, {"00-" TRACE "-" SPAN "-ff", "-01"}, {"00-" TRACE "-" SPAN "-fe", "-00"},
      {"00-" TRACE "-" SPAN "-10", "-00"}, {"00-" TRACE "-" SPAN "-0b", "-01"}, {"cc-" TRACE "-" SPAN "-01", "-01"}, {"cc-" TRACE "-" SPAN "-00-", "-00"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char child[TRACEPARENT_SIZE];

    traceparent_child(cases[i].parent, &ids, child);
    cr_assert_eq(strncmp(child, "00-" TRACE, 35), 0, "%s", child);
    cr_assert_str_eq(child + 52, cases[i].flags, "%s", cases[i].parent);
  }
}

Test(trace_context, without_a_sound_parent_a_new_trace_begins)
{
  static const char *const parents[] = {NULL, "", "hello", "ff-" TRACE "-" SPAN "-01", "00-00000000000000000000000000000000-" SPAN "-01"};
  char last[TRACEPARENT_SIZE] = "";

  for (size_t i = 0; i < sizeof(parents) / sizeof(*parents); i++) {
    char child[TRACEPARENT_SIZE];

    traceparent_child(parents[i], &ids, child);
    cr_assert(traceparent_is_sound(child), "%s", child);
    cr_assert_neq(strncmp(child + 3, TRACE, 32), 0);
    cr_assert_neq(strncmp(child, last, 35), 0, "%s and %s are of one trace", child, last);
    cr_assert_str_eq(child + 52, "-01");
    memcpy(last, child, sizeof(last));
  }
}

Test(trace_context, a_child_may_take_the_place_of_its_parent)
{
  char text[TRACEPARENT_SIZE] = "00-" TRACE "-" SPAN "-00";

  traceparent_child(text, &ids, text);
  cr_assert(traceparent_is_sound(text), "%s", text);
  cr_assert_eq(strncmp(text, "00-" TRACE "-", 36), 0);
  cr_assert_str_eq(text + 52, "-00");
}
