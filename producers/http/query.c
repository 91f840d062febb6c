/*
 * query.c - names and values lie one behind the other in one block, which bounds them all together.
 */
#include "query.h"

#include <string.h>

#include "percent.h"
#include "span.h"

/* NULL: no room, or no text. */
static const char *keep(struct query *query, const char *encoded)
{
  char *text = query->bytes + query->length;
  size_t length = strlen(encoded);

  if (length >= QUERY_MAX_BYTES - query->length || !percent_decode(span_of(encoded, length), text)) {
    return NULL;
  }
  query->length += strlen(text) + 1;
  return text;
}

bool query_add(struct query *query, const char *name, const char *value)
{
  const char *kept_name;
  const char *kept_value;

  if (query->count == QUERY_VALUES_MAX) {
    return false;
  }
  kept_name = keep(query, name);
  kept_value = kept_name != NULL ? keep(query, value != NULL ? value : "") : NULL;
  if (kept_value == NULL) {
    return false;
  }
  query->names[query->count] = kept_name;
  query->values[query->count] = kept_value;
  query->count++;
  return true;
}

const char *query_value(const struct query *query, const char *name)
{
  for (size_t i = 0; i < query->count; i++) {
    if (strcmp(query->names[i], name) == 0) {
      return query->values[i];
    }
  }
  return NULL;
}
