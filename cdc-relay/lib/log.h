/*
 * log.h - one line per event on stderr: JSON, or text for a terminal. Only relay.c, main.c, commands and the runtimes log.
 *
 * A line has `ts`, `level`, `event` (a fixed snake_case name) and fields. No payload and no secret is ever a field. Control characters and bytes that are not
 * UTF-8 are escaped in both formats, so that a line is one line. Written with one write(); a line longer than LOG_LINE_MAX_BYTES is cut in its last field's value.
 *
 * A log must not stop the program: a line for which there is no room, because nobody reads the pipe, is lost. The next one that can be written comes behind a line
 * of its own, `log_lines_lost` with their number, at any level.
 */
#ifndef LOG_H
#define LOG_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

#include "lsn.h"
#include "span.h"

enum { LOG_LINE_MAX_BYTES = 4096 }; /* what a pipe takes whole or not at all */

#ifdef LOG_EMERG
#error "syslog.h has a LOG_DEBUG and a LOG_INFO of its own: include one of the two"
#endif

enum log_level {
  LOG_DEBUG,
  LOG_INFO,
  LOG_WARN,
  LOG_ERROR,
};

enum log_format {
  LOG_JSON,
  LOG_TEXT,
};

struct log {
  enum log_level level; /* lines below are dropped */
  enum log_format format;
  int fd;
};

enum log_field_type {
  LOG_FIELD_END,
  LOG_FIELD_TEXT, /* left out when NULL */
  LOG_FIELD_INT,
  LOG_FIELD_REAL,
  LOG_FIELD_BOOL,
};

struct log_field {
  const char *name;
  enum log_field_type type;
  struct span text;
  int64_t integer;
  double real;
};

static inline struct log_field log_text(const char *name, const char *text)
{
  return (struct log_field){.name = name, .type = LOG_FIELD_TEXT, .text = span_of_text(text)};
}
static inline struct log_field log_span(const char *name, struct span text)
{
  return (struct log_field){.name = name, .type = LOG_FIELD_TEXT, .text = text};
}
static inline struct log_field log_int(const char *name, int64_t value)
{
  return (struct log_field){.name = name, .type = LOG_FIELD_INT, .integer = value};
}
static inline struct log_field log_real(const char *name, double value)
{
  return (struct log_field){.name = name, .type = LOG_FIELD_REAL, .real = value};
}
static inline struct log_field log_bool(const char *name, bool value)
{
  return (struct log_field){.name = name, .type = LOG_FIELD_BOOL, .integer = value};
}

/* Writes one line; `fields` ends with LOG_FIELD_END. Use the macro. False: the line is lost. Any thread. */
bool log_write(const struct log *log, enum log_level level, const char *event, const struct log_field *fields);

/* log_event(&log, LOG_INFO, "streaming", log_text("slot", slot), log_int("timeline", 1)); */
#define log_event(log, level, event, ...) log_write((log), (level), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.type = LOG_FIELD_END}})

/* For settings: indexed by enum log_level and enum log_format, NULL behind the last. */
extern const char *const log_level_words[];
extern const char *const log_format_words[];

#endif
