/*
 * trace_context.c - reads and makes traceparent.
 *
 *   00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *   |  trace                            span             flags; bit 0: sampled, the others are not known here and are not passed on
 *   version; a later one may go on behind a hyphen, ff is none
 *
 * Identifiers are digits of a random uuid: its version and variant keep them from being all zero, and the last seven bytes of the trace, from which samplers
 * draw, are random throughout.
 */
#include "trace_context.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char form[] = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";

enum { TRACE_AT = 3, TRACE_LENGTH = 32, SPAN_AT = 36, SPAN_LENGTH = 16, FLAGS_AT = 53 };

static bool is_digit(char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_zero(const char *digits, size_t length)
{
  return strspn(digits, "0") >= length;
}

bool traceparent_is_sound(const char *text)
{
  char behind;

  if (text == NULL) {
    return false;
  }
  for (size_t i = 0; form[i] != '\0'; i++) {
    if (form[i] == '-' ? text[i] != '-' : !is_digit(text[i])) {
      return false; /* at the text's end at the latest */
    }
  }
  behind = text[sizeof(form) - 1];
  if (strncmp(text, "ff", 2) == 0 || (behind != '\0' && (behind != '-' || strncmp(text, "00", 2) == 0))) {
    return false;
  }
  return !is_zero(text + TRACE_AT, TRACE_LENGTH) && !is_zero(text + SPAN_AT, SPAN_LENGTH);
}

/* The 32 digits of a new uuid. */
static void digits_next(struct uuid_source *source, char ret_digits[TRACE_LENGTH + 1])
{
  char uuid[UUID_SIZE];
  size_t length = 0;

  uuid_next(source, uuid);
  for (const char *at = uuid; *at != '\0'; at++) {
    if (*at != '-') {
      ret_digits[length++] = *at;
    }
  }
  ret_digits[length] = '\0';
}

void traceparent_child(const char *parent, struct uuid_source *source, char ret_text[TRACEPARENT_SIZE])
{
  char trace[TRACE_LENGTH + 1];
  char span[TRACE_LENGTH + 1];
  bool is_sampled = true; /* of a new trace, too: those behind us who ask their parent would else drop every trace that begins here */

  if (traceparent_is_sound(parent)) {
    memcpy(trace, parent + TRACE_AT, TRACE_LENGTH);
    trace[TRACE_LENGTH] = '\0';
    is_sampled = strchr("13579bdf", parent[FLAGS_AT + 1]) != NULL;
  } else {
    digits_next(source, trace);
  }
  digits_next(source, span);
  (void)snprintf(ret_text, TRACEPARENT_SIZE, "00-%s-%s-%s", trace, span + TRACE_LENGTH - SPAN_LENGTH, is_sampled ? "01" : "00");
}
