/* dead_letter.c - the row's headers, less our names, then ours. See the table in dead_letter.h. */
#include "publish/dead_letter.h"

#include <string.h>

static const char *const names[DEAD_LETTER_HEADERS] = {DEAD_LETTER_REASON, DEAD_LETTER_ERROR, DEAD_LETTER_TABLE, DEAD_LETTER_POSITION, DEAD_LETTER_TOPIC};

enum route_reason dead_letter_reason(const struct problem *refusal)
{
  if (strcmp(refusal->cause, "too_large") == 0) {
    return ROUTE_REASON_TOO_LARGE;
  }
  return strcmp(refusal->cause, "no_partition") == 0 ? ROUTE_REASON_BAD_PARTITION : ROUTE_REASON_REFUSED_BY_BROKER;
}

static bool is_ours(struct span name)
{
  for (size_t i = 0; i < DEAD_LETTER_HEADERS; i++) {
    if (span_is(name, names[i])) {
      return true;
    }
  }
  return false;
}

void dead_letter_build(const struct record *row, const struct dead_letter_cause *cause, const char *topic, struct arena *arena, struct record *ret_record)
{
  struct header *headers = arena_array(arena, row->header_count + DEAD_LETTER_HEADERS, sizeof(*headers));
  struct span position = arena_copy(arena, span_of_text(position_text(row->position).text));
  const struct span values[DEAD_LETTER_HEADERS] = {span_of_text(cause->reason), span_of_text(cause->error), span_of_text(cause->table), position, row->topic};
  struct record record = *row;
  size_t count = 0;

  for (size_t i = 0; i < row->header_count; i++) {
    if (!is_ours(row->headers[i].name)) {
      headers[count++] = row->headers[i];
    }
  }
  for (size_t i = 0; i < DEAD_LETTER_HEADERS; i++) {
    if (!span_is_null(values[i])) {
      headers[count++] = (struct header){.name = span_of_text(names[i]), .value = values[i]};
    }
  }
  record.topic = span_of_text(topic);
  record.partition = RECORD_PARTITION_BY_KEY;
  record.headers = headers;
  record.header_count = count;
  *ret_record = record;
}
