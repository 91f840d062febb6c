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

static bool read_text(struct done *done, const char *text)
{
  int64_t before = done->next;
  const char *at = text;

  while (*at != '\0' && *at != '@') {
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
    } else if (*at != '\0' && *at != '@') {
      return false;
    }
  }
  if (*at == '\0') {
    return true;
  }
  at++;
  return read_number(&at, INT64_MAX, &done->begun_ms) && *at == '\0';
}

void done_begin(struct done *done, int64_t next, int64_t now_ms)
{
  done->next = next < 0 ? 0 : next;
  done->begun_ms = now_ms;
  done->count = 0;
}

bool done_init(struct done *done, int64_t next, const char *text)
{
  done_begin(done, next, 0);
  if (text != NULL && !read_text(done, text)) {
    done_begin(done, next, 0);
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

bool done_may_lack(const struct done *done, int64_t offset, int64_t letter_ms, int64_t kept_ms)
{
  return done->begun_ms > 0 && letter_ms <= done->begun_ms - kept_ms && !done_contains(done, offset);
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
  char begun[24] = "";
  size_t length = 0;
  size_t room;
  size_t i;

  if (done->begun_ms > 0) {
    (void)snprintf(begun, sizeof(begun), "@%" PRId64, done->begun_ms);
  }
  room = DONE_TEXT_SIZE - strlen(begun);
  for (i = 0; i < done->count; i++) {
    const struct done_range *range = &done->ranges[i];
    char one[48];
    int size = snprintf(one, sizeof(one), "%s%" PRId64 "+%" PRId64, i == 0 ? "" : ",", range->from - done->next, range->end - range->from);

    if ((size_t)size >= room - length) {
      break;
    }
    memcpy(ret_text + length, one, (size_t)size);
    length += (size_t)size;
  }
  memcpy(ret_text + length, begun, strlen(begun) + 1);
  return done->count - i;
}
