/*
 * query.h - the parameters behind `?`, decoded. Pure.
 */
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include <stdbool.h>
#include <stddef.h>

enum { QUERY_VALUES_MAX = 16, QUERY_MAX_BYTES = 2048 };

struct query {
  size_t count;
  size_t length; /* of `bytes` in use */
  const char *names[QUERY_VALUES_MAX];
  const char *values[QUERY_VALUES_MAX];
  char bytes[QUERY_MAX_BYTES];
};

/* `{0}` is an empty one; it must not be copied. `value` NULL: `?name` alone, which means an empty one. False: more than there is room for, or no text. */
bool query_add(struct query *query, const char *name, const char *value);
/* The first of that name; NULL: absent. */
const char *query_value(const struct query *query, const char *name);

#endif
