/*
 * done.h - which dead letters of a partition are dealt with: all before one offset, and ranges behind it. Pure.
 *
 *     offsets   0 1 2 3 4 5 6 7 8 9
 *     done      x x x . . x x . x         before 3, and 5 to 6, and 8:  next = 3, written as "2+2,5+1" (offsets from `next` on, and how many)
 *
 * This is what a committed offset of Kafka can hold: the offset is `next`, its metadata the text. A range for which there is no room is refused, and what was taken is
 * kept: a letter that was redriven and is not remembered is redriven again, which is safe, since consumers drop an event that they handled; one that cannot be remembered
 * must not count as discarded.
 *
 * Kafka forgets an offset that nobody has committed for so and so long. So a memory knows when it began ("2+2,5+1@1769336130000", ms): a letter that was old enough by
 * then may have been dealt with in one before it. A younger one cannot, since what knew of it was committed behind it.
 */
#ifndef DONE_H
#define DONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  DONE_RANGES_MAX = 256,
  DONE_TEXT_SIZE = 4000, /* with its zero; a broker takes 4096 bytes of metadata unless it was told otherwise */
};

struct done_range {
  int64_t from;
  int64_t end; /* the first that is not in it */
};

struct done {
  int64_t next;     /* the first that is not done */
  int64_t begun_ms; /* when this memory began; 0: not known, and nothing is in doubt */
  size_t count;
  struct done_range ranges[DONE_RANGES_MAX]; /* in order, neither touching each other nor `next` */
};

/* A memory that begins. */
void done_begin(struct done *done, int64_t next, int64_t now_ms);
/* One that was written. A text that is not ours counts as empty, and returns false: nothing but `next` is known then. `text` may be NULL. */
bool done_init(struct done *done, int64_t next, const char *text);
bool done_contains(const struct done *done, int64_t offset);
/* Whether a letter of that time may have been dealt with in a memory that was forgotten: it is not known as done, and was `kept_ms` old when this one began. */
bool done_may_lack(const struct done *done, int64_t offset, int64_t letter_ms, int64_t kept_ms);
/* From `from` up to before `end`; an empty range changes nothing. False: there is no room for another range, and nothing was changed. */
bool done_add(struct done *done, int64_t from, int64_t end);
/* Adds all that `other` knows as done. False: there is no room, and nothing was changed. */
bool done_unite(struct done *done, const struct done *other);
bool done_equals(const struct done *done, const struct done *other);
/* It fits always. */
void done_write(const struct done *done, char ret_text[DONE_TEXT_SIZE]);

#endif
