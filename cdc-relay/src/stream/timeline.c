/* timeline.c - reads a server's timeline history file, and finds a timeline in it. Pure. */
#include "stream/timeline.h"

#include <stdbool.h>
#include <string.h>

#include "verdict.h"

/* One line without its end: `12 <tab> 16/B374D848 <tab> reason`. */
static bool parse_line(const char *line, size_t length, struct timeline_end *ret_end)
{
  const char *limit = line + length;
  const char *at = line;
  const char *position;
  uint64_t timeline = 0;
  Lsn end;

  while (at < limit && *at >= '0' && *at <= '9' && timeline <= UINT32_MAX) {
    timeline = timeline * 10 + (uint64_t)(*at++ - '0');
  }
  if (at == line || timeline == 0 || timeline > UINT32_MAX || at == limit || (*at != '\t' && *at != ' ')) {
    return false;
  }
  while (at < limit && (*at == '\t' || *at == ' ')) {
    at++;
  }
  position = at;
  while (at < limit && *at != '\t' && *at != ' ') {
    at++;
  }
  if (lsn_parse(position, (size_t)(at - position), &end) != VERDICT_OK) {
    return false;
  }
  *ret_end = (struct timeline_end){.timeline = (uint32_t)timeline, .end = end};
  return true;
}

void timeline_history_parse(struct timeline_history *history, const char *text, size_t length)
{
  const char *limit = text + length;

  history->count = 0;
  for (const char *at = text; at < limit;) {
    const char *newline = memchr(at, '\n', (size_t)(limit - at));
    const char *line_end = newline != NULL ? newline : limit;
    struct timeline_end end;

    if (line_end > at && *at != '#') {
      if (!parse_line(at, (size_t)(line_end - at), &end)) {
        history->count = 0;
        return;
      }
      if (history->count == TIMELINES_MAX) {
        memmove(history->ends, history->ends + 1, (TIMELINES_MAX - 1) * sizeof(history->ends[0]));
        history->count--;
      }
      history->ends[history->count++] = end;
    }
    at = newline != NULL ? newline + 1 : limit;
  }
}

const struct timeline_end *timeline_history_find(const struct timeline_history *history, uint32_t timeline)
{
  for (size_t i = 0; i < history->count; i++) {
    if (history->ends[i].timeline == timeline) {
      return &history->ends[i];
    }
  }
  return NULL;
}
