/*
 * replacement.c - cuts the text into literals and group numbers at start, so that a row only copies.
 *
 *   outbox.event.${routedByValue}.v1   ->   [ "outbox.event." ][ group 1 ][ ".v1" ]
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "route/replacement.h"

#include <stdbool.h>
#include <stdlib.h>

#include "route/topic.h"

struct reader {
  struct replacement *replacement;
  const pcre2_code *regex;
  const char *at;
  char *to; /* end of the literals written so far */
  char path[128];
  struct problem_list *problems;
};

static bool is_name_byte(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool has_room(struct reader *reader)
{
  if (reader->replacement->count < TOPIC_REPLACEMENT_PIECES_MAX) {
    return true;
  }
  problem_list_add(reader->problems, reader->path, "more than %d groups and texts between them", TOPIC_REPLACEMENT_PIECES_MAX);
  return false;
}

static bool add_literal_byte(struct reader *reader, char c)
{
  struct replacement *replacement = reader->replacement;

  if (replacement->count == 0 || span_is_null(replacement->pieces[replacement->count - 1].literal)) {
    if (!has_room(reader)) {
      return false;
    }
    replacement->pieces[replacement->count++] = (struct replacement_piece){.literal = span_of(reader->to, 0)};
  }
  *reader->to++ = c;
  replacement->pieces[replacement->count - 1].literal.length++;
  return true;
}

static bool add_group(struct reader *reader, uint32_t group)
{
  if (!has_room(reader)) {
    return false;
  }
  reader->replacement->pieces[reader->replacement->count++] = (struct replacement_piece){.group = group, .literal = span_of(NULL, 0)};
  return true;
}

static bool add_named_group(struct reader *reader, struct span name)
{
  char text[128];
  int group;

  (void)snprintf(text, sizeof(text), "%.*s", (int)name.length, name.data);
  group = name.length < sizeof(text) ? pcre2_substring_number_from_name(reader->regex, (PCRE2_SPTR)text) : -1;
  if (group < 0) {
    problem_list_add(reader->problems, reader->path, "names the group \"%s\", which route.topic.regex does not have", text);
    return false;
  }
  return add_group(reader, (uint32_t)group);
}

static bool read_number(struct reader *reader)
{
  uint32_t group_count = 0;
  uint32_t group = (uint32_t)(*reader->at++ - '0');

  (void)pcre2_pattern_info(reader->regex, PCRE2_INFO_CAPTURECOUNT, &group_count);
  if (group > group_count) {
    problem_list_add(reader->problems, reader->path, "names the group %u, and route.topic.regex has %u", (unsigned)group, (unsigned)group_count);
    return false;
  }
  while (*reader->at >= '0' && *reader->at <= '9' && group * 10 + (uint32_t)(*reader->at - '0') <= group_count) {
    group = group * 10 + (uint32_t)(*reader->at++ - '0');
  }
  return add_group(reader, group);
}

/* Behind a `$`. */
static bool read_reference(struct reader *reader)
{
  const char *from = reader->at;

  if (*from == '{') {
    const char *end = strchr(from, '}');

    if (end == NULL || end == from + 1) {
      problem_list_add(reader->problems, reader->path, end == NULL ? "`${` without a `}`" : "`${}` names no group");
      return false;
    }
    reader->at = end + 1;
    return add_named_group(reader, span_of(from + 1, (size_t)(end - from - 1)));
  }
  if (*from >= '0' && *from <= '9') {
    return read_number(reader);
  }
  if (!is_name_byte(*from)) {
    problem_list_add(reader->problems, reader->path, "`$` that names no group; %s",
                     *from == '$' ? "write it once, doubling is for Debezium Server only" : "no topic has a `$` in its name");
    return false;
  }
  while (is_name_byte(*reader->at)) {
    reader->at++;
  }
  return add_named_group(reader, span_of(from, (size_t)(reader->at - from)));
}

void replacement_init(struct replacement *replacement, const char *text, const pcre2_code *regex, const char *path, struct problem_list *problems)
{
  struct reader reader = {.replacement = replacement, .regex = regex, .at = text, .problems = problems};
  bool ok = true;

  (void)snprintf(reader.path, sizeof(reader.path), "%s.route.topic.replacement", path);
  replacement->count = 0;
  replacement->pieces = calloc(TOPIC_REPLACEMENT_PIECES_MAX, sizeof(*replacement->pieces));
  replacement->text = malloc(strlen(text) + 1);
  if (replacement->pieces == NULL || replacement->text == NULL) {
    abort();
  }
  reader.to = replacement->text;
  while (ok && *reader.at != '\0') {
    char c = *reader.at++;

    if (c == '$') {
      ok = read_reference(&reader);
    } else if (c != '\\') {
      ok = add_literal_byte(&reader, c);
    } else if (*reader.at != '\0') {
      ok = add_literal_byte(&reader, *reader.at++);
    } else {
      problem_list_add(problems, reader.path, "ends in a `\\` that escapes nothing");
      ok = false;
    }
  }
}

void replacement_done(struct replacement *replacement)
{
  free(replacement->pieces);
  free(replacement->text);
  *replacement = (struct replacement){0};
}

size_t replacement_write(const struct replacement *replacement, struct span subject, const size_t *groups, char *to, size_t size)
{
  size_t length = 0;

  for (size_t i = 0; i < replacement->count; i++) {
    const struct replacement_piece *piece = &replacement->pieces[i];
    struct span part = piece->literal;

    if (span_is_null(part)) {
      const size_t *group = groups + (size_t)2 * piece->group;
      size_t from = group[0];

      part = from == PCRE2_UNSET ? span_of("", 0) : span_of(subject.data + from, group[1] - from);
    }
    if (part.length > size - length) {
      memcpy(to + length, part.data, size - length);
      return size;
    }
    memcpy(to + length, part.data, part.length);
    length += part.length;
  }
  return length;
}
