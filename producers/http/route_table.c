/*
 * route_table.c - a path is cut at its slashes and decoded once; then each route's path is laid beside it.
 *
 *   /api/orders/A%2F7/status     segments   api  orders  A/7         status
 *                                pattern    api  orders  {orderId}   status
 *                                rank        0     0        1          0     as binary digits: of two routes that fit, the smaller one is the more literal one
 *
 * A slash that came as `%2F` is part of its segment. There are so few routes that a tree would cost more than it saves.
 */
#include "route_table.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "percent.h"
#include "span.h"

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};

struct segments {
  size_t count;
  const char *texts[ROUTE_SEGMENTS_MAX];
};

/* The next segment of `*path`, which stands on a slash; moves `*path` to the slash behind it, or to the end. */
static struct span next_segment(const char **path)
{
  const char *begin = *path + 1;
  size_t length = strcspn(begin, "/");

  *path = begin + length;
  return span_of(begin, length);
}

static enum route_answer cut(const char *path, char *bytes, struct segments *ret_segments)
{
  ret_segments->count = 0;
  if (path[0] != '/') { /* `*`, or a whole address as for a proxy */
    return ROUTE_UNKNOWN;
  }
  while (*path == '/') {
    struct span segment = next_segment(&path);

    if (ret_segments->count == ROUTE_SEGMENTS_MAX) {
      return ROUTE_UNKNOWN; /* no route has so many */
    }
    if (!percent_decode(segment, bytes)) {
      return ROUTE_NO_TEXT;
    }
    ret_segments->texts[ret_segments->count++] = bytes;
    bytes += strlen(bytes) + 1;
  }
  return ROUTE_FOUND;
}

static bool is_name(struct span segment)
{
  return segment.length > 2 && segment.data[0] == '{' && segment.data[segment.length - 1] == '}';
}

/* Whether the pattern fits; its rank in *ret_rank, the values in `match` (NULL: not wanted). */
static bool fits(const char *pattern, const struct segments *segments, uint32_t *ret_rank, struct route_match *match)
{
  uint32_t rank = 0;
  size_t i = 0;

  for (; *pattern == '/'; i++) {
    struct span segment = next_segment(&pattern);

    if (i == segments->count) {
      return false;
    }
    rank = rank << 1 | (uint32_t)is_name(segment);
    if (!is_name(segment)) {
      if (!span_is(segment, segments->texts[i])) {
        return false;
      }
    } else if (segments->texts[i][0] == '\0') {
      return false;
    } else if (match != NULL) {
      assert(match->value_count < HTTP_PATH_VALUES_MAX);
      match->values[match->value_count++] = (struct route_value){segment.data + 1, segment.length - 2, segments->texts[i]};
    }
  }
  *ret_rank = rank;
  return i == segments->count;
}

static const char *method_of_route(const char *method)
{
  return strcmp(method, "HEAD") == 0 ? "GET" : method;
}

static void add_allowed(char *allow, const char *method)
{
  size_t length = strlen(allow);

  if (strstr(allow, method) == NULL) {
    int added = snprintf(allow + length, ROUTE_ALLOW_SIZE - length, "%s%s", length > 0 ? ", " : "", method);

    assert(added > 0 && (size_t)added < ROUTE_ALLOW_SIZE - length);
    (void)added;
  }
}

enum route_answer route_table_match(const struct http_route *routes, const char *method, const char *path, struct route_match *ret_match)
{
  struct segments segments;
  uint32_t best = UINT32_MAX;
  uint32_t rank = 0;
  enum route_answer answer;

  ret_match->route = NULL;
  ret_match->value_count = 0;
  ret_match->allow[0] = '\0';
  if (strlen(path) > HTTP_PATH_MAX_BYTES) {
    return ROUTE_TOO_LONG;
  }
  answer = cut(path, ret_match->bytes, &segments);
  if (answer != ROUTE_FOUND) {
    return answer;
  }
  for (const struct http_route *route = routes; route->path != NULL; route++) {
    if (!fits(route->path, &segments, &rank, NULL)) {
      continue;
    }
    add_allowed(ret_match->allow, route->method);
    if (strcmp(route->method, "GET") == 0) {
      add_allowed(ret_match->allow, "HEAD");
    }
    if (strcmp(route->method, method_of_route(method)) == 0 && rank < best) {
      best = rank;
      ret_match->route = route;
    }
  }
  if (ret_match->route != NULL) {
    (void)fits(ret_match->route->path, &segments, &rank, ret_match);
    return ROUTE_FOUND;
  }
  return ret_match->allow[0] != '\0' ? ROUTE_NO_METHOD : ROUTE_UNKNOWN;
}

const char *route_match_value(const struct route_match *match, const char *name)
{
  for (size_t i = 0; i < match->value_count; i++) {
    if (span_is(span_of(match->values[i].name, match->values[i].name_length), name)) {
      return match->values[i].text;
    }
  }
  return "";
}

static bool path_is_sound(const char *path)
{
  size_t segments = 0;
  size_t names = 0;

  if (path[0] != '/' || strlen(path) > HTTP_PATH_MAX_BYTES) {
    return false;
  }
  while (*path == '/') {
    segments++;
    names += is_name(next_segment(&path));
  }
  return segments <= ROUTE_SEGMENTS_MAX && names <= HTTP_PATH_VALUES_MAX;
}

bool route_table_is_sound(const struct http_route *routes)
{
  size_t count = 0;

  for (const struct http_route *route = routes; route->path != NULL; route++) {
    bool is_known = false;

    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
      is_known = is_known || (strcmp(methods[i], "HEAD") != 0 && route->method != NULL && strcmp(methods[i], route->method) == 0);
    }
    if (!is_known || !path_is_sound(route->path) || route->handler == NULL || ++count > HTTP_ROUTES_MAX) {
      return false;
    }
  }
  return true;
}
