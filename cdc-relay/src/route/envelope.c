/*
 * envelope.c - measures, takes that much from the arena, writes. Two passes, because a payload may be large and a buffer that doubles would hold it twice.
 *
 *   column type                        in JSON
 *   json, jsonb                        as it is
 *   integers, floats, numeric          as it is; NaN, Infinity, -Infinity as strings, since JSON has no such numbers
 *   boolean                            true, false
 *   bytea                              base64 in a string
 *   all others                         a string
 *   SQL NULL                           null
 */
#include "route/envelope.h"

#include <stdlib.h>

#include "decode/change.h"
#include "route/encoding.h"

enum json_form json_form_of(uint32_t type_oid, struct span text)
{
  switch (type_oid) {
  case PG_JSON:
  case PG_JSONB:
  case PG_BOOL:
    return JSON_FORM_AS_IS;
  case PG_INT2:
  case PG_INT4:
  case PG_INT8:
  case PG_FLOAT4:
  case PG_FLOAT8:
  case PG_NUMERIC: {
    size_t at = text.length > 0 && text.data[0] == '-' ? 1 : 0;

    return at < text.length && text.data[at] >= '0' && text.data[at] <= '9' ? JSON_FORM_AS_IS : JSON_FORM_STRING;
  }
  case PG_BYTEA:
    return JSON_FORM_BASE64;
  default: /* types are the world's */
    return JSON_FORM_STRING;
  }
}

/* The letter of a two-character escape, or 0. */
static char short_escape(unsigned char c)
{
  switch (c) {
  case '"':
  case '\\':
    return (char)c;
  case '\b':
    return 'b';
  case '\f':
    return 'f';
  case '\n':
    return 'n';
  case '\r':
    return 'r';
  case '\t':
    return 't';
  default:
    return 0;
  }
}

static bool is_plain(unsigned char c)
{
  return c >= 0x20 && c != '"' && c != '\\';
}

static size_t string_length(struct span text)
{
  size_t length = text.length + 2;

  for (size_t i = 0; i < text.length; i++) {
    unsigned char c = (unsigned char)text.data[i];

    if (!is_plain(c)) {
      length += short_escape(c) != 0 ? 1 : 5;
    }
  }
  return length;
}

static char *string_write(char *to, struct span text)
{
  static const char hex[] = "0123456789abcdef";

  *to++ = '"';
  for (size_t i = 0; i < text.length; i++) {
    unsigned char c = (unsigned char)text.data[i];
    char letter;

    if (is_plain(c)) {
      *to++ = (char)c;
      continue;
    }
    *to++ = '\\';
    letter = short_escape(c);
    if (letter != 0) {
      *to++ = letter;
    } else {
      memcpy(to, "u00", 3);
      to[3] = hex[c >> 4];
      to[4] = hex[c & 15];
      to += 5;
    }
  }
  *to++ = '"';
  return to;
}

static size_t member_length(const struct envelope_member *member)
{
  switch (member->form) {
  case JSON_FORM_NULL:
    return 4;
  case JSON_FORM_AS_IS:
    return member->value.length;
  case JSON_FORM_STRING:
    return string_length(member->value);
  case JSON_FORM_BASE64:
    return base64_length(member->value.length) + 2;
  }
  return 0;
}

static char *member_write(char *to, const struct envelope_member *member)
{
  switch (member->form) {
  case JSON_FORM_NULL:
    memcpy(to, "null", 4);
    return to + 4;
  case JSON_FORM_AS_IS:
    memcpy(to, member->value.data, member->value.length);
    return to + member->value.length;
  case JSON_FORM_STRING:
    return string_write(to, member->value);
  case JSON_FORM_BASE64:
    *to++ = '"';
    to = base64_write(to, member->value);
    *to++ = '"';
    return to;
  }
  return to;
}

struct span envelope_name(const char *name)
{
  struct span text = span_of_text(name);
  size_t length = string_length(text) + 1;
  char *json = malloc(length + 1);

  if (json == NULL) {
    abort();
  }
  *string_write(json, text) = ':';
  json[length] = '\0';
  return span_of(json, length);
}

struct span envelope_write(const struct envelope_member *members, size_t count, struct arena *arena)
{
  size_t length = 1 + count; /* the braces, and the commas between */
  char *json;
  char *to;

  for (size_t i = 0; i < count; i++) {
    length += members[i].name.length + member_length(&members[i]);
  }
  json = arena_alloc(arena, length);
  to = json;
  for (size_t i = 0; i < count; i++) {
    *to++ = i == 0 ? '{' : ',';
    memcpy(to, members[i].name.data, members[i].name.length);
    to = member_write(to + members[i].name.length, &members[i]);
  }
  *to = '}';
  return span_of(json, length);
}
