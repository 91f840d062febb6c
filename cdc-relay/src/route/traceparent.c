/*
 * traceparent.c - as much of java.util.Properties as Properties.store() writes and Properties.load() needs for one ASCII key.
 *
 *   #Mon Jan 01 00:00:00 UTC 2024                                       comment (# or !)
 *   traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01   key, then = or : or blanks, then the value
 *   tracestate=vendor\=1                                                a backslash takes the next character as it is
 *
 * Not read: lines that continue on the next one, and \uXXXX; a traceparent needs neither, and one written so has not the form and is left out.
 */
#include "route/traceparent.h"

#include "trace_context.h"

static bool is_blank(char c)
{
  return c == ' ' || c == '\t' || c == '\f';
}

/* The value of a line `traceparent<separator>value`, backslashes taken out, a zero behind it, or the null span when the line says something else. */
static struct span line_value(struct span line, struct arena *arena)
{
  static const char key[] = "traceparent";
  size_t at = 0;
  size_t length = 0;
  char *value;

  while (at < line.length && is_blank(line.data[at])) {
    at++;
  }
  if (line.length - at < sizeof(key) - 1 || memcmp(line.data + at, key, sizeof(key) - 1) != 0) {
    return span_of(NULL, 0);
  }
  at += sizeof(key) - 1;
  if (at == line.length || (!is_blank(line.data[at]) && line.data[at] != '=' && line.data[at] != ':')) {
    return span_of(NULL, 0);
  }
  while (at < line.length && is_blank(line.data[at])) {
    at++;
  }
  if (at < line.length && (line.data[at] == '=' || line.data[at] == ':')) {
    at++;
  }
  while (at < line.length && is_blank(line.data[at])) {
    at++;
  }
  value = arena_alloc(arena, line.length - at + 1);
  for (; at < line.length; at++) {
    if (line.data[at] == '\\' && at + 1 < line.length) {
      at++;
    }
    value[length++] = line.data[at];
  }
  value[length] = '\0';
  return span_of(value, length);
}

bool traceparent_find(struct span properties, struct arena *arena, struct span *ret_traceparent)
{
  struct span found = {NULL, 0};
  size_t at = 0;

  while (at < properties.length) {
    size_t end = at;
    struct span value;

    while (end < properties.length && properties.data[end] != '\n' && properties.data[end] != '\r') {
      end++;
    }
    value = line_value(span_of(properties.data + at, end - at), arena);
    if (!span_is_null(value)) {
      found = value;
    }
    at = end + 1;
  }
  if (found.length != TRACEPARENT_SIZE - 1 || !traceparent_is_sound(found.data)) {
    return false;
  }
  *ret_traceparent = found;
  return true;
}
