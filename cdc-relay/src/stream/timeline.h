/*
 * timeline.h - a server's history: which timelines it comes from, and where it left each. A promotion begins a new one.
 *
 *   timeline 1   ------------|= = = =>         a server on timeline 3 has left timeline 1 at the first mark and timeline 2 at the second; what was
 *   timeline 2               \--------|= =>    written on them behind the marks it does not have
 *   timeline 3                        \------>
 */
#ifndef STREAM_TIMELINE_H
#define STREAM_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "lsn.h"

enum { TIMELINES_MAX = 32 };

struct timeline_end {
  uint32_t timeline;
  Lsn end;
};

struct timeline_history {
  size_t count; /* 0: nothing is known of it */
  struct timeline_end ends[TIMELINES_MAX];
};

/* Reads the file that TIMELINE_HISTORY sends: `timeline <tab> position <tab> reason` a line, the oldest first. The latest TIMELINES_MAX are kept; a line of
 * another form makes the whole unknown. */
void timeline_history_parse(struct timeline_history *history, const char *text, size_t length);

/* Where `timeline` was left, or NULL. */
const struct timeline_end *timeline_history_find(const struct timeline_history *history, uint32_t timeline);

#endif
