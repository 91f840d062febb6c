/*
 * done.c - a sorted list of ranges that never touch, and the offset before which there is nothing to remember.
 *
 * Two memories become one by going through the ranges of both in their order, and one range more is a memory of one range. What does not fit into a committed offset is
 * refused then, and not left out when it is written: what would be left out are the last ranges, and it is not for a redrive to forget what was discarded. Numbers from a
 * text are the world: read with limits, and a text that is wrong anywhere is not believed at all.
 */
#include "done.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static size_t digits_of(int64_t number)
{
  size_t digits = 1;

  for (; number >= 10; number /= 10) {
    digits++;
  }
  return digits;
}

/* What done_write() needs, with its zero. */
static size_t text_size(const struct done *done)
{
  size_t size = 1 + (done->begun_ms > 0 ? 1 + digits_of(done->begun_ms) : 0);

  for (size_t i = 0; i < done->count; i++) {
    const struct done_range *range = &done->ranges[i];

    size += (i == 0 ? 0 : 1) + digits_of(range->from - done->next) + 1 + digits_of(range->end - range->from);
  }
  return size;
}

/* A range that begins behind the beginnings of all that are there. */
static bool append(struct done *done, const struct done_range *range)
{
  struct done_range *last = done->count == 0 ? NULL : &done->ranges[done->count - 1];

  if (range->from <= done->next) {
    done->next = range->end > done->next ? range->end : done->next;
  } else if (last != NULL && range->from <= last->end) {
    last->end = range->end > last->end ? range->end : last->end;
  } else if (done->count < DONE_RANGES_MAX) {
    done->ranges[done->count++] = *range;
  } else {
    return false;
  }
  return true;
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
  if (text != NULL && (!read_text(done, text) || text_size(done) > DONE_TEXT_SIZE)) {
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

bool done_unite(struct done *done, const struct done *other)
{
  struct done both = {.next = done->next > other->next ? done->next : other->next, .begun_ms = done->begun_ms};
  size_t ours = 0;
  size_t theirs = 0;

  while (ours < done->count || theirs < other->count) {
    bool is_ours = theirs == other->count || (ours < done->count && done->ranges[ours].from <= other->ranges[theirs].from);

    if (!append(&both, is_ours ? &done->ranges[ours++] : &other->ranges[theirs++])) {
      return false;
    }
  }
  if (text_size(&both) > DONE_TEXT_SIZE) {
    return false;
  }
  *done = both;
  return true;
}

bool done_add(struct done *done, int64_t from, int64_t end)
{
  struct done one = {.count = 1, .ranges = {{.from = from, .end = end}}};

  return from >= end || done_unite(done, &one);
}

bool done_equals(const struct done *done, const struct done *other)
{
  return done->next == other->next && done->begun_ms == other->begun_ms && done->count == other->count &&
         memcmp(done->ranges, other->ranges, done->count * sizeof(done->ranges[0])) == 0;
}

void done_write(const struct done *done, char ret_text[DONE_TEXT_SIZE])
{
  char *at = ret_text;

  *at = '\0';
  for (size_t i = 0; i < done->count; i++) {
    const struct done_range *range = &done->ranges[i];

    at +=
        snprintf(at, (size_t)(ret_text + DONE_TEXT_SIZE - at), "%s%" PRId64 "+%" PRId64, i == 0 ? "" : ",", range->from - done->next, range->end - range->from);
  }
  if (done->begun_ms > 0) {
    (void)snprintf(at, (size_t)(ret_text + DONE_TEXT_SIZE - at), "@%" PRId64, done->begun_ms);
  }
}
