/*
 * timestamp.c - a fixed form, read field by field. Days are counted by Howard Hinnant's days_from_civil ("chrono-Compatible Low-Level Date Algorithms"), in
 * years that begin in March, so that the leap day is the last of its year.
 */
#include "decode/timestamp.h"

#include "moment.h"

enum {
  YEAR_DIGITS_MIN = 4,
  YEAR_DIGITS_MAX = 6,
  YEAR_MAX = 294246, /* the last whole year whose microseconds since 1970 fit; PostgreSQL, which counts from 2000, has thirty more */
  FRACTION_DIGITS = 6,
  SECONDS_PER_DAY = 86400,
};

struct field_reader {
  const char *at;
  const char *end;
  bool has_failed;
};

static bool is_next(const struct field_reader *reader, char c)
{
  return reader->at < reader->end && *reader->at == c;
}

/* A character that must come. */
static void expect(struct field_reader *reader, char c)
{
  if (reader->has_failed || !is_next(reader, c)) {
    reader->has_failed = true;
    return;
  }
  reader->at++;
}

/* `min` to `max` digits whose number lies in from .. to. */
static int32_t number(struct field_reader *reader, int min, int max, int32_t from, int32_t to)
{
  int32_t value = 0;
  int digits = 0;

  while (digits < max && reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
    value = value * 10 + (*reader->at - '0');
    reader->at++;
    digits++;
  }
  if (digits < min || value < from || value > to) {
    reader->has_failed = true;
    return from;
  }
  return value;
}

/* Digits behind the point, as microseconds. */
static int32_t fraction(struct field_reader *reader)
{
  const char *first = reader->at;
  int32_t value = number(reader, 1, FRACTION_DIGITS, 0, 999999);

  for (ptrdiff_t digits = reader->at - first; digits < FRACTION_DIGITS; digits++) {
    value *= 10;
  }
  return value;
}

static int32_t offset_seconds(struct field_reader *reader)
{
  bool is_west = is_next(reader, '-');
  int32_t seconds = 0;

  reader->at++;
  seconds = number(reader, 2, 2, 0, 15) * 3600;
  if (is_next(reader, ':')) {
    reader->at++;
    seconds += number(reader, 2, 2, 0, 59) * 60;
  }
  if (is_next(reader, ':')) {
    reader->at++;
    seconds += number(reader, 2, 2, 0, 59);
  }
  return is_west ? -seconds : seconds;
}

static bool is_leap(int32_t year)
{
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int32_t days_in_month(int32_t year, int32_t month)
{
  static const int32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

  return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; year 0 is 1 BC. */
static int64_t days_from_civil(int32_t year, int32_t month, int32_t day)
{
  int32_t march_year = month <= 2 ? year - 1 : year;
  int32_t era = (march_year >= 0 ? march_year : march_year - 399) / 400;
  int32_t year_of_era = march_year - era * 400;
  int32_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  int32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

  return (int64_t)era * 146097 + day_of_era - 719468;
}

bool timestamp_parse(struct span text, int64_t *ret_us)
{
  struct field_reader reader = {.at = text.data, .end = text.data + text.length};
  int32_t year;
  int32_t month;
  int32_t day;
  int64_t seconds;
  int32_t fraction_us = 0;

  if (text.length == 0) {
    return false;
  }
  year = number(&reader, YEAR_DIGITS_MIN, YEAR_DIGITS_MAX, 1, YEAR_MAX);
  expect(&reader, '-');
  month = number(&reader, 2, 2, 1, 12);
  expect(&reader, '-');
  day = number(&reader, 2, 2, 1, 31);
  expect(&reader, ' ');
  seconds = number(&reader, 2, 2, 0, 23) * INT64_C(3600);
  expect(&reader, ':');
  seconds += number(&reader, 2, 2, 0, 59) * INT64_C(60);
  expect(&reader, ':');
  seconds += number(&reader, 2, 2, 0, 59);
  if (is_next(&reader, '.')) {
    reader.at++;
    fraction_us = fraction(&reader);
  }
  if (is_next(&reader, '+') || is_next(&reader, '-')) {
    seconds -= offset_seconds(&reader);
  }
  if (reader.end - reader.at == 3 && memcmp(reader.at, " BC", 3) == 0) {
    year = 1 - year;
    reader.at += 3;
  }
  if (reader.has_failed || reader.at != reader.end || day > days_in_month(year, month)) {
    return false;
  }
  *ret_us = (days_from_civil(year, month, day) * SECONDS_PER_DAY + seconds) * US_PER_S + fraction_us;
  return true;
}
