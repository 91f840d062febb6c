/* json_line.c - a buffer that grows, commas where they belong, and escapes. */
#include "json_line.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t json_line_clock_us(void)
{
  struct timespec now;

  (void)clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void put(struct json_line *line, const void *bytes, size_t length)
{
  if (line->capacity - line->length <= length) {
    line->capacity = (line->capacity + length) * 2 + 256;
    line->bytes = realloc(line->bytes, line->capacity);
    if (line->bytes == NULL) {
      abort();
    }
  }
  memcpy(line->bytes + line->length, bytes, length);
  line->length += length;
  line->bytes[line->length] = '\0';
}

static void put_text(struct json_line *line, const char *text)
{
  put(line, text, strlen(text));
}

void json_line_append(struct json_line *line, const char *text)
{
  put_text(line, text);
}

static void put_name(struct json_line *line, const char *name)
{
  char last = line->length > 0 ? line->bytes[line->length - 1] : ',';

  if (last != '{' && last != '[' && last != ',') {
    put(line, ",", 1);
  }
  if (name != NULL) {
    put(line, "\"", 1);
    put_text(line, name);
    put(line, "\":", 2);
  }
}

void json_line_begin(struct json_line *line, const char *op)
{
  line->length = 0;
  put(line, "{", 1);
  json_line_number(line, "t", json_line_clock_us());
  json_line_string(line, "op", op);
}

/* How many bytes the character at `bytes` has, 0 where it is not UTF-8. */
static size_t character(const unsigned char *bytes, size_t length)
{
  static const struct {
    unsigned char mask, lead;
    uint32_t least;
  } kinds[] = {{0x80, 0, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};

  for (size_t size = 1; size <= 4; size++) {
    uint32_t code = bytes[0] & (uint32_t)(unsigned char)~kinds[size - 1].mask;

    if ((bytes[0] & kinds[size - 1].mask) != kinds[size - 1].lead || size > length) {
      continue;
    }
    for (size_t i = 1; i < size; i++) {
      if ((bytes[i] & 0xC0) != 0x80) {
        return 0;
      }
      code = code << 6 | (bytes[i] & 0x3F);
    }
    return code >= kinds[size - 1].least && code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF) ? size : 0;
  }
  return 0;
}

/* Text that a reader of C strings can hold. */
static bool is_text(const unsigned char *bytes, size_t length)
{
  for (size_t at = 0, size; at < length; at += size) {
    size = character(bytes + at, length - at);
    if (size == 0 || bytes[at] == '\0') {
      return false;
    }
  }
  return true;
}

void json_line_text(struct json_line *line, const char *name, const void *bytes, size_t length)
{
  const unsigned char *text = bytes;
  char escape[8];

  put_name(line, name);
  if (bytes == NULL) {
    put_text(line, "null");
  } else if (!is_text(text, length)) {
    put_text(line, "\"hex:");
    for (size_t i = 0; i < length; i++) {
      (void)snprintf(escape, sizeof(escape), "%02x", text[i]);
      put(line, escape, 2);
    }
    put(line, "\"", 1);
  } else {
    put(line, "\"", 1);
    for (size_t i = 0; i < length; i++) {
      if (text[i] < 0x20 || text[i] == '"' || text[i] == '\\') {
        (void)snprintf(escape, sizeof(escape), "\\u%04x", text[i]);
        put(line, escape, 6);
      } else {
        put(line, text + i, 1);
      }
    }
    put(line, "\"", 1);
  }
}

void json_line_string(struct json_line *line, const char *name, const char *text)
{
  json_line_text(line, name, text, text != NULL ? strlen(text) : 0);
}

void json_line_number(struct json_line *line, const char *name, int64_t number)
{
  char digits[24];

  (void)snprintf(digits, sizeof(digits), "%" PRId64, number);
  json_line_raw(line, name, digits);
}

void json_line_raw(struct json_line *line, const char *name, const char *json)
{
  put_name(line, name);
  put_text(line, json);
}

void json_line_open(struct json_line *line, const char *name, char bracket)
{
  put_name(line, name);
  put(line, &bracket, 1);
}

void json_line_close(struct json_line *line, char bracket)
{
  put(line, &bracket, 1);
}

void json_line_write(struct json_line *line, int file)
{
  put(line, "}\n", 2);
  for (size_t at = 0; at < line->length;) {
    ssize_t written = write(file, line->bytes + at, line->length - at);

    if (written < 0 && errno != EINTR) {
      (void)fprintf(stderr, "could not write the history: %s\n", strerror(errno));
      exit(1);
    }
    at += written > 0 ? (size_t)written : 0;
  }
}

void json_line_done(struct json_line *line)
{
  free(line->bytes);
  *line = (struct json_line){0};
}

int json_line_open_file(const char *path)
{
  int file = strcmp(path, "-") == 0 ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

  if (file < 0) {
    (void)fprintf(stderr, "could not open %s: %s\n", path, strerror(errno));
    exit(2);
  }
  return file;
}
