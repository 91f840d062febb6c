/*
 * event_time.c - brings ISO 8601 into PostgreSQL's form, for which the decoder has a reader.
 *
 *   2024-01-02T03:04:05.678901234Z   ->   2024-01-02 03:04:05.678901
 */
#include "route/event_time.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "decode/timestamp.h"
#include "moment.h"

enum {
  TEXT_MAX_BYTES = 64, /* a date of six-digit year, nanoseconds and an offset has 40 */
  FRACTION_DIGITS_MAX = 6,
  INTEGER_MAX_BYTES = 20, /* -9223372036854775808 */
};

enum event_time_outcome event_time_of_text(struct span text, int64_t *ret_ms)
{
  char plain[TEXT_MAX_BYTES];
  size_t length = 0;
  int fraction_digits = -1; /* not behind a point */
  int64_t us;

  if (span_is(text, "infinity") || span_is(text, "-infinity")) {
    return EVENT_TIME_OUTSIDE;
  }
  if (text.length > sizeof(plain)) {
    return EVENT_TIME_MALFORMED;
  }
  for (size_t i = 0; i < text.length; i++) {
    char c = text.data[i];

    if (c == '.') {
      fraction_digits = 0;
    } else if (fraction_digits >= 0 && c >= '0' && c <= '9') {
      if (++fraction_digits > FRACTION_DIGITS_MAX) {
        continue;
      }
    } else {
      fraction_digits = -1;
    }
    if (c == 'Z' && i + 1 == text.length) {
      break;
    }
    plain[length++] = c == 'T' ? ' ' : c;
  }
  if (!timestamp_parse(span_of(plain, length), &us)) {
    return EVENT_TIME_MALFORMED;
  }
  *ret_ms = us / US_PER_MS;
  return EVENT_TIME_OK;
}

enum event_time_outcome event_time_of_integer(struct span text, int64_t *ret_ms)
{
  char digits[INTEGER_MAX_BYTES + 1];
  size_t first = text.length > 0 && text.data[0] == '-' ? 1 : 0;
  int64_t ms;

  if (first == text.length) {
    return EVENT_TIME_MALFORMED;
  }
  for (size_t i = first; i < text.length; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') {
      return EVENT_TIME_MALFORMED;
    }
  }
  if (text.length > INTEGER_MAX_BYTES) {
    return EVENT_TIME_OUTSIDE;
  }
  memcpy(digits, text.data, text.length);
  digits[text.length] = '\0';
  errno = 0;
  ms = strtoll(digits, NULL, 10);
  if (errno == ERANGE) {
    return EVENT_TIME_OUTSIDE;
  }
  *ret_ms = ms;
  return EVENT_TIME_OK;
}
