#include "exposition_text.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What was put since opened(); static. */
static char written[256];

static FILE *opened(void)
{
  FILE *out = fmemopen(written, sizeof(written), "w");

  cr_assert_not_null(out);
  return out;
}

static const char *number(double value)
{
  FILE *out = opened();

  exposition_text_put_number(out, value);
  cr_assert_eq(fclose(out), 0);
  return written;
}

static const char *label(const char *value)
{
  FILE *out = opened();

  exposition_text_put_label(out, "{", "v", value);
  cr_assert_eq(fclose(out), 0);
  return written;
}

static const char *help(const char *text)
{
  FILE *out = opened();

  exposition_text_put_help(out, text);
  cr_assert_eq(fclose(out), 0);
  return written;
}

Test(exposition_text, numbers_that_are_none_have_their_names)
{
  cr_assert_str_eq(number((double)NAN), "NaN");
  cr_assert_str_eq(number((double)-NAN), "NaN");
  cr_assert_str_eq(number((double)INFINITY), "+Inf");
  cr_assert_str_eq(number((double)-INFINITY), "-Inf");
}

Test(exposition_text, numbers_are_as_short_as_can_be_read_again)
{
  static const struct {
    double value;
    const char *text;
  } cases[] = {{0, "0"}, {1, "1"}, {-2.5, "-2.5"}, {0.1, "0.1"}, {1e15, "1e+15"}, {123456789, "123456789"}, {9007199254740992.0, "9007199254740992"}};
  static const double others[] = {1.0 / 3, 0.1 + 0.2, DBL_MAX, DBL_MIN, -DBL_EPSILON, 1700000000.123456};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_assert_str_eq(number(cases[i].value), cases[i].text);
  }
  for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
    cr_assert(strtod(number(others[i]), NULL) == others[i], "%s", written);
  }
}

Test(exposition_text, a_label_cannot_be_ended_by_its_value)
{
  cr_assert_str_eq(label(""), "{v=\"\"");
  cr_assert_str_eq(label("plain"), "{v=\"plain\"");
  cr_assert_str_eq(label("a\"b\\c\nd"), "{v=\"a\\\"b\\\\c\\nd\"");
  cr_assert_str_eq(label("\\\""), "{v=\"\\\\\\\"\"");
  cr_assert_str_eq(label("100%s"), "{v=\"100%s\"");
}

Test(exposition_text, help_keeps_its_quotes_and_stays_on_its_line)
{
  cr_assert_str_eq(help(""), "");
  cr_assert_str_eq(help("a \"b\" \\ c\nd"), "a \"b\" \\\\ c\\nd");
}

Test(exposition_text, each_byte_that_is_not_utf8_becomes_a_replacement)
{
  cr_assert_str_eq(label("gr\xc3\xbc\xc3\x9f\xff"), "{v=\"gr\xc3\xbc\xc3\x9f\xef\xbf\xbd\"");
  cr_assert_str_eq(help("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");
}
