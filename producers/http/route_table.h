/*
 * route_table.h - which route a method and a path mean. Pure.
 *
 * Paths are compared segment by segment, decoded. Where several routes fit, a literal segment beats a `{name}`, the earlier segment first. `/a/` is not `/a`,
 * and an empty segment fits no `{name}`.
 */
#ifndef HTTP_ROUTE_TABLE_H
#define HTTP_ROUTE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "service.h"

enum {
  ROUTE_SEGMENTS_MAX = 16,
  ROUTE_ALLOW_SIZE = 64, /* GET, HEAD, POST, PUT, DELETE */
};

enum route_answer {
  ROUTE_FOUND,
  ROUTE_UNKNOWN,   /* 404 */
  ROUTE_NO_METHOD, /* 405, with `allow` */
  ROUTE_TOO_LONG,  /* 414: more than HTTP_PATH_MAX_BYTES */
  ROUTE_NO_TEXT,   /* 400: an escape that is none, a control character, bytes that are not UTF-8 */
};

struct route_value {
  const char *name; /* in the route's path; not zero-terminated */
  size_t name_length;
  const char *text; /* in `bytes` below */
};

struct route_match {
  const struct http_route *route; /* FOUND */
  size_t value_count;
  struct route_value values[HTTP_PATH_VALUES_MAX];
  char allow[ROUTE_ALLOW_SIZE];                             /* NO_METHOD: as the header has it */
  char bytes[HTTP_PATH_MAX_BYTES + ROUTE_SEGMENTS_MAX + 1]; /* the decoded segments, a zero behind each */
};

/* `path` without the query, as it came. `routes` is borrowed for as long as the match lives; it must not be copied. */
enum route_answer route_table_match(const struct http_route *routes, const char *method, const char *path, struct route_match *ret_match);
/* Empty for a name that the route has not. */
const char *route_match_value(const struct route_match *match, const char *name);
/* A table that this module can serve: known methods, paths from `/` on, within the limits. */
bool route_table_is_sound(const struct http_route *routes);

#endif
