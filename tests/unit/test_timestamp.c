#include <criterion/criterion.h>
#include <stdio.h>

#include "decode/timestamp.h"

#define DAY_US INT64_C(86400000000)

/* The numbers are PostgreSQL's: SELECT extract(epoch FROM timestamptz '...') * 1000000. */
static const struct {
  const char *text;
  int64_t us;
} times[] = {
    {"1970-01-01 00:00:00+00", 0},
    {"1970-01-01 00:00:00", 0},
    {"1969-12-31 23:59:59.999999+00", -1},
    {"2000-01-01 00:00:00+00", INT64_C(946684800000000)},
    {"2026-11-21 09:06:13.779416+00", INT64_C(1795251973779416)},
    {"2026-11-21 09:06:13.57994+00", INT64_C(1795251973579940)},
    {"2026-11-21 09:06:13.5+00", INT64_C(1795251973500000)},
    {"2026-11-21 18:06:13.5+09", INT64_C(1795251973500000)},
    {"2026-11-21 18:06:13.5+09:00", INT64_C(1795251973500000)},
    {"2026-11-21 14:36:13.5+05:30", INT64_C(1795251973500000)},
    {"2026-11-21 05:36:13.5-03:30", INT64_C(1795251973500000)},
    {"2026-11-20 22:06:13.5-11", INT64_C(1795251973500000)},
    {"1850-01-01 00:00:00+00:19:32", INT64_C(-3786826772000000)},
    {"2024-02-29 12:00:00+00", INT64_C(1709208000000000)},
    {"2000-02-29 00:00:00+00", INT64_C(951782400000000)},
    {"1900-03-01 00:00:00+00", INT64_C(-2203891200000000)},
    {"10000-01-01 00:00:00+00", INT64_C(253402300800000000)},
    {"294246-12-31 23:59:59.999999+00", INT64_C(9223371244799999999)},
    {"0001-01-01 00:00:00+00", INT64_C(-62135596800000000)},
    {"0001-12-31 00:00:00+00 BC", INT64_C(-62135683200000000)},
    {"0044-03-15 12:00:00+00 BC", INT64_C(-63517780800000000)},
    {"4713-01-01 00:00:00+00 BC", INT64_C(-210863520000000000)},
};

Test(timestamp, texts_of_postgresql_become_microseconds)
{
  for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
    int64_t us = 4711;

    cr_expect(timestamp_parse(span_of_text(times[i].text), &us), "%s", times[i].text);
    cr_expect_eq(us, times[i].us, "%s is %lld", times[i].text, (long long)us);
  }
}

Test(timestamp, days_follow_each_other_over_a_whole_era)
{
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t expected = INT64_C(946684800000000);

  for (int year = 2000; year < 2400; year++) {
    for (int month = 1; month <= 12; month++) {
      int length = lengths[month - 1] + (month == 2 && year % 4 == 0 && (year % 100 != 0 || year == 2000));

      for (int day = 1; day <= length + 1; day++) {
        char text[32];
        int64_t us = 0;

        snprintf(text, sizeof(text), "%04d-%02d-%02d 00:00:00+00", year, month, day);
        cr_assert_eq(timestamp_parse(span_of_text(text), &us), day <= length, "%s", text);
        if (day <= length) {
          cr_assert_eq(us, expected, "%s", text);
          expected += DAY_US;
        }
      }
    }
  }
}

Test(timestamp, anything_else_is_refused)
{
  static const char *const texts[] = {"",
                                      "infinity",
                                      "-infinity",
                                      "2026",
                                      "2026-01-02",
                                      "2026-01-02 03:04",
                                      "2026-01-02T03:04:05",
                                      "2026-01-02 03:04:05.",
                                      "2026-01-02 03:04:05.1234567",
                                      "2026-01-02 03:04:05+",
                                      "2026-01-02 03:04:05+1",
                                      "2026-01-02 03:04:05+00:",
                                      "2026-01-02 03:04:05+00:0",
                                      "2026-01-02 03:04:05 UTC",
                                      "2026-01-02 03:04:05+00 AD",
                                      "2026-01-02 03:04:05+00 B",
                                      "2026-01-02 03:04:05+00BC",
                                      "2026-13-02 03:04:05",
                                      "2026-00-02 03:04:05",
                                      "2026-01-00 03:04:05",
                                      "2026-01-32 03:04:05",
                                      "2026-02-29 03:04:05",
                                      "2026-01-02 24:04:05",
                                      "2026-01-02 03:60:05",
                                      "2026-01-02 03:04:60",
                                      "0000-01-02 03:04:05",
                                      "1000000-01-02 03:04:05",
                                      "294247-01-02 03:04:05",
                                      "21.11.2026 10:23:00 JST",
                                      " 2026-01-02 03:04:05",
                                      "2026-01-02 03:04:05 ",
                                      "-2026-01-02 03:04:05"};

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    int64_t us = 4711;

    cr_expect_not(timestamp_parse(span_of_text(texts[i]), &us), "%s", texts[i]);
    cr_expect_eq(us, 4711);
  }
  cr_expect_not(timestamp_parse(span_of(NULL, 0), &(int64_t){0}));
}
