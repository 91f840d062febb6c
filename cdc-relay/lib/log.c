/*
 * log.c - builds one line in a buffer on the stack and hands it to the kernel in one write(), so that lines of two processes on one pipe do not mix.
 *
 *   {"ts":"2024-02-29T23:59:59.007Z","level":"info","event":"streaming","slot":"shop_outbox","timeline":1}
 *   2024-02-29T23:59:59.007Z INFO  streaming slot=shop_outbox timeline=1
 *
 * Room for the line's end is kept back from the beginning. What does not fit is never half there: a text value ends before the first character that has no
 * room, any other field is left out, and the line says "truncated":true.
 *
 * Nothing is written that would have to wait. poll() calls a pipe writable that has room for PIPE_BUF bytes, and a socket that has room for more, so a line is
 * not longer than that. The descriptor stays as it is, since its flags belong to every process that has it; what remains is that another process may take the
 * room between poll() and write(). Threads of this one cannot: they write one after the other.
 */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "moment.h"
#include "utf8.h"

_Static_assert(LOG_LINE_MAX_BYTES <= PIPE_BUF, "a line finds room in a pipe that is writable, and does not mix with others there");

struct line {
  enum log_format format;
  bool truncated;
  size_t length;
  char bytes[LOG_LINE_MAX_BYTES];
};

#define JSON_END     "}\n"
#define JSON_CUT_END ",\"truncated\":true}\n"
#define TEXT_END     "\n"
#define TEXT_CUT_END " truncated=true\n"
/* The longest end, and the quote that closes a value which was cut. */
enum { LINE_RESERVE = sizeof(JSON_CUT_END) };

const char *const log_level_words[] = {"debug", "info", "warn", "error", NULL};
const char *const log_format_words[] = {"json", "text", NULL};
static const char *const level_columns[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int64_t lost; /* lines since the last one that was written; by turn */

/* All of `bytes`, or nothing and false. */
static bool put(struct line *line, const char *bytes, size_t length)
{
  if (length > sizeof(line->bytes) - LINE_RESERVE - line->length) {
    return false;
  }
  memcpy(line->bytes + line->length, bytes, length);
  line->length += length;
  return true;
}

static bool put_text(struct line *line, const char *text)
{
  return put(line, text, strlen(text));
}

/* Into the room that put() keeps back. */
static void put_end(struct line *line, const char *text)
{
  memcpy(line->bytes + line->length, text, strlen(text));
  line->length += strlen(text);
}

/* What a terminal or a reader of lines may take for a command: C0, DEL, C1, line and paragraph separators, marks of writing direction. */
static bool must_escape(uint32_t code)
{
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* As the inside of a JSON string. False when it had to end early. */
static bool put_escaped(struct line *line, struct span text)
{
  while (text.length > 0) {
    uint32_t code = 0xfffd;
    size_t length = utf8_character(text, &code);
    char escape[8];
    bool fits;

    if (length == 0) {
      length = 1;
      fits = put_text(line, "\\ufffd");
    } else if (code == '"' || code == '\\') {
      fits = put(line, (char[]){'\\', (char)code}, 2);
    } else if (code == '\n') {
      fits = put_text(line, "\\n");
    } else if (code == '\t') {
      fits = put_text(line, "\\t");
    } else if (must_escape(code)) {
      (void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)code);
      fits = put_text(line, escape);
    } else {
      fits = put(line, text.data, length);
    }
    if (!fits) {
      return false;
    }
    text = span_of(text.data + length, text.length - length);
  }
  return true;
}

/* In text format a value without blanks, quotes and the like stands bare. */
static bool is_bare(struct span text)
{
  for (size_t i = 0; i < text.length; i++) {
    unsigned char byte = (unsigned char)text.data[i];

    if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '\\' || byte == '=') {
      return false;
    }
  }
  return text.length > 0;
}

static bool put_text_value(struct line *line, struct span text)
{
  if (line->format == LOG_TEXT && is_bare(text)) {
    line->truncated = !put_escaped(line, text);
    return true;
  }
  if (!put_text(line, "\"")) {
    return false;
  }
  if (!put_escaped(line, text) || !put_text(line, "\"")) {
    put_end(line, "\"");
    line->truncated = true; /* and nothing but the end follows */
  }
  return true;
}

static bool put_real(struct line *line, double value)
{
  char text[32];

  if (!isfinite(value)) { /* JSON has no word for these */
    return put_text(line, "null");
  }
  (void)snprintf(text, sizeof(text), "%.15g", value);
  return put_text(line, text);
}

static bool put_value(struct line *line, const struct log_field *field)
{
  char text[24];

  switch (field->type) {
  case LOG_FIELD_END:
    break;
  case LOG_FIELD_TEXT:
    return put_text_value(line, field->text);
  case LOG_FIELD_INT:
    (void)snprintf(text, sizeof(text), "%" PRId64, field->integer);
    return put_text(line, text);
  case LOG_FIELD_REAL:
    return put_real(line, field->real);
  case LOG_FIELD_BOOL:
    return put_text(line, field->integer != 0 ? "true" : "false");
  }
  return true;
}

static void put_field(struct line *line, const struct log_field *field)
{
  size_t before = line->length;
  bool fits;

  if (field->type == LOG_FIELD_TEXT && span_is_null(field->text)) {
    return;
  }
  if (line->format == LOG_JSON) {
    fits = put_text(line, ",\"") && put_escaped(line, span_of_text(field->name)) && put_text(line, "\":");
  } else {
    fits = put_text(line, " ") && put_escaped(line, span_of_text(field->name)) && put_text(line, "=");
  }
  if (!fits || !put_value(line, field)) {
    line->length = before;
    line->truncated = true;
  }
}

static void put_time(struct line *line, int64_t wall_us)
{
  time_t seconds = (time_t)(wall_us / US_PER_S);
  struct tm parts;
  char text[40];
  size_t length;

  (void)gmtime_r(&seconds, &parts);
  length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  (void)snprintf(text + length, sizeof(text) - length, ".%03dZ", (int)(wall_us % US_PER_S / US_PER_MS));
  (void)put_text(line, text);
}

static void build(struct line *line, const struct log *log, enum log_level level, const char *event, const struct log_field *fields)
{
  bool is_json = log->format == LOG_JSON;

  line->format = log->format;
  line->truncated = false;
  line->length = 0;

  (void)put_text(line, is_json ? "{\"ts\":\"" : "");
  put_time(line, moment_now().wall_us);
  (void)put_text(line, is_json ? "\",\"level\":\"" : " ");
  (void)put_text(line, is_json ? log_level_words[level] : level_columns[level]);
  (void)put_text(line, is_json ? "\",\"event\":\"" : " ");
  (void)put_escaped(line, span_of_text(event));
  (void)put_text(line, is_json ? "\"" : "");
  for (const struct log_field *field = fields; field->type != LOG_FIELD_END && !line->truncated; field++) {
    put_field(line, field);
  }
  if (is_json) {
    put_end(line, line->truncated ? JSON_CUT_END : JSON_END);
  } else {
    put_end(line, line->truncated ? TEXT_CUT_END : TEXT_END);
  }
}

static bool has_room(int fd)
{
  struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
  int ready;

  do {
    ready = poll(&poll_fd, 1, 0);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 && (poll_fd.revents & POLLOUT) != 0;
}

static bool write_out(int fd, const struct line *line)
{
  ssize_t written;

  do {
    written = has_room(fd) ? write(fd, line->bytes, line->length) : 0;
  } while (written < 0 && errno == EINTR);
  return written == (ssize_t)line->length;
}

/* What was lost has to be told before anything else is: who reads on must know that something is missing there. */
static bool tell_lost(const struct log *log)
{
  struct line line;

  if (lost > 0) {
    build(&line, log, LOG_WARN, "log_lines_lost", (const struct log_field[]){log_int("lines", lost), {.type = LOG_FIELD_END}});
    if (!write_out(log->fd, &line)) {
      return false;
    }
    lost = 0;
  }
  return true;
}

bool log_write(const struct log *log, enum log_level level, const char *event, const struct log_field *fields)
{
  int saved_errno = errno; /* callers log between a failure and its errno */
  struct line line;
  bool is_written;

  if (level < log->level) {
    return true;
  }
  build(&line, log, level, event, fields);
  (void)pthread_mutex_lock(&turn);
  is_written = tell_lost(log) && write_out(log->fd, &line);
  lost += is_written ? 0 : 1;
  (void)pthread_mutex_unlock(&turn);
  errno = saved_errno;
  return is_written;
}
