/*
 * done.c - a sorted list of ranges that never touch, and the offset before which there is nothing to remember.
 *
 * Adding finds the ranges that the new one touches, takes them all into one, and lets `next` swallow the first where it touches that. Numbers from a text are the
 * world: read with limits, and a text that is wrong anywhere is not believed at all.
 */
#include "done.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void swallow(struct done *done)
{
  size_t gone = 0;

  while (gone < done->count && done->ranges[gone].from <= done->next) {
    if (done->ranges[gone].end > done->next) {
      done->next = done->ranges[gone].end;
    }
    gone++;
  }
  done->count -= gone;
  memmove(done->ranges, done->ranges + gone, done->count * sizeof(done->ranges[0]));
}

/* Decimal digits at *at, at most `most`. */
static bool read_number(const char **at, int64_t most, int64_t *ret_number)
{
  int64_t number = 0;
  const char *start = *at;

  for (; **at >= '0' && **at <= '9'; (*at)++) {
    int digit = **at - '0';

    if (number > (most - digit) / 10) {
      return false;
    }
    number = number * 10 + digit;
  }
  *ret_number = number;
  return *at > start;
}

static bool read_ranges(struct done *done, const char *text)
{
  int64_t before = done->next;

  for (const char *at = text; *at != '\0';) {
    int64_t from;
    int64_t length;

    if (!read_number(&at, INT64_MAX - done->next, &from) || *at++ != '+' || !read_number(&at, INT64_MAX - done->next - from, &length)) {
      return false;
    }
    from += done->next;
    if (from <= before || length == 0 || done->count == DONE_RANGES_MAX) {
      return false;
    }
    before = from + length;
    done->ranges[done->count++] = (struct done_range){.from = from, .end = before};
    if (*at == ',') {
      at++;
    } else if (*at != '\0') {
      return false;
    }
  }
  return true;
}

bool done_init(struct done *done, int64_t next, const char *text)
{
  done->next = next < 0 ? 0 : next;
  done->count = 0;
  if (text != NULL && !read_ranges(done, text)) {
    done->count = 0;
    return false;
  }
  return true;
}

bool done_contains(const struct done *done, int64_t offset)
{
  if (offset < done->next) {
    return true;
  }
  for (size_t i = 0; i < done->count && done->ranges[i].from <= offset; i++) {
    if (offset < done->ranges[i].end) {
      return true;
    }
  }
  return false;
}

bool done_add(struct done *done, int64_t from, int64_t end)
{
  struct done_range range = {.from = from, .end = end};
  size_t first = 0;
  size_t behind;

  if (from >= end) {
    return true;
  }
  if (from <= done->next) {
    done->next = end > done->next ? end : done->next;
    swallow(done);
    return true;
  }
  while (first < done->count && done->ranges[first].end < from) {
    first++;
  }
  for (behind = first; behind < done->count && done->ranges[behind].from <= end; behind++) {
    range.from = done->ranges[behind].from < range.from ? done->ranges[behind].from : range.from;
    range.end = done->ranges[behind].end > range.end ? done->ranges[behind].end : range.end;
  }
  if (behind == first && done->count == DONE_RANGES_MAX) {
    return false;
  }
  memmove(done->ranges + first + 1, done->ranges + behind, (done->count - behind) * sizeof(done->ranges[0]));
  done->ranges[first] = range;
  done->count = done->count - (behind - first) + 1;
  return true;
}

size_t done_write(const struct done *done, char ret_text[DONE_TEXT_SIZE])
{
  size_t length = 0;

  ret_text[0] = '\0';
  for (size_t i = 0; i < done->count; i++) {
    const struct done_range *range = &done->ranges[i];
    char one[48];
    int size = snprintf(one, sizeof(one), "%s%" PRId64 "+%" PRId64, i == 0 ? "" : ",", range->from - done->next, range->end - range->from);

    if ((size_t)size >= DONE_TEXT_SIZE - length) {
      return done->count - i;
    }
    memcpy(ret_text + length, one, (size_t)size + 1);
    length += (size_t)size;
  }
  return 0;
}
