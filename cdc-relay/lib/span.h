/*
 * span.h - bytes that somebody else owns. A span is borrowed: whoever hands it out says until when.
 * `data == NULL` is SQL's NULL (and Kafka's null); an empty value has data != NULL and length 0.
 */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
  const char *data;
  size_t length;
};

static inline struct span span_of(const char *data, size_t length)
{
  return (struct span){data, length};
}

/* The text of a zero-terminated string; NULL gives the null span. */
static inline struct span span_of_text(const char *text)
{
  return (struct span){text, text != NULL ? strlen(text) : 0};
}

static inline bool span_is_null(struct span span)
{
  return span.data == NULL;
}

/* Bytes equal; null equals only null. */
static inline bool span_equals(struct span a, struct span b)
{
  if (a.data == NULL || b.data == NULL) {
    return a.data == b.data;
  }
  return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static inline bool span_is(struct span span, const char *text)
{
  return span_equals(span, span_of_text(text));
}

/* A character below the blank, or DEL: none of them stands in a name. */
static inline bool span_has_control(struct span span)
{
  for (size_t i = 0; i < span.length; i++) {
    if ((unsigned char)span.data[i] < 0x20 || span.data[i] == 0x7f) {
      return true;
    }
  }
  return false;
}

static inline bool span_ends_with(struct span span, const char *end)
{
  size_t length = strlen(end);

  return span.length >= length && memcmp(span.data + span.length - length, end, length) == 0;
}

#endif
