/*
 * json_scanner.c - one pass over the bytes, no recursion, no allocation; strings are read by json_string.c.
 *
 * json_read() follows nesting with one bit per level (is it an object?) on the stack; what may come next is a state:
 *
 *   VALUE        a value must come
 *   FIRST        behind [: a value, or the ] that closes
 *   FRESH_NAME   behind {: a name with its colon, or the } that closes
 *   NAME         behind a comma in an object: a name with its colon
 *   AFTER        behind a value: a comma, or the bracket that closes
 *
 * Invariant: at <= end; `at` moves only forward; once failed, every call says false and moves nothing.
 */
#include "decode/json_scanner.h"

#include <limits.h>
#include <stdint.h>

#include "decode/json_string.h"
#include "utf8.h"

static bool fail(struct json_scanner *scanner)
{
  scanner->has_failed = true;
  return false;
}

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static const char *digits_end(const char *at, const char *end)
{
  while (at < end && is_digit(*at)) {
    at++;
  }
  return at;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?  NULL: not that. */
static const char *number_end(const char *at, const char *end)
{
  const char *digits;

  if (at < end && *at == '-') {
    at++;
  }
  digits = at;
  at = digits_end(at, end);
  if (at == digits || (*digits == '0' && at - digits > 1)) {
    return NULL;
  }
  if (at < end && *at == '.') {
    digits = at + 1;
    at = digits_end(digits, end);
    if (at == digits) {
      return NULL;
    }
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) {
      at++;
    }
    digits = at;
    at = digits_end(digits, end);
    if (at == digits) {
      return NULL;
    }
  }
  return at;
}

static const char *word_end(const char *at, const char *end, const char *word)
{
  size_t length = strlen(word);

  return (size_t)(end - at) >= length && memcmp(at, word, length) == 0 ? at + length : NULL;
}

/* The end of the string, number or word at `at`, which is not the end of the text; NULL: none. *ret_has_escapes is set for a string only. */
static inline const char *scalar_end(const char *at, const char *end, enum json_kind *ret_kind, bool *ret_has_escapes)
{
  switch (*at) {
  case '"':
    *ret_kind = JSON_KIND_STRING;
    return json_string_end(at, end, ret_has_escapes);
  case 'n':
    *ret_kind = JSON_KIND_NULL;
    return word_end(at, end, "null");
  case 't':
    *ret_kind = JSON_KIND_TRUE;
    return word_end(at, end, "true");
  case 'f':
    *ret_kind = JSON_KIND_FALSE;
    return word_end(at, end, "false");
  default:
    *ret_kind = JSON_KIND_NUMBER;
    return number_end(at, end);
  }
}

static const char *skip_space(const char *at, const char *end)
{
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
    at++;
  }
  return at;
}

/* One bit per level. */
struct nesting {
  size_t depth;
  uint8_t is_object[JSON_DEPTH_MAX / CHAR_BIT];
};

static bool nesting_enter(struct nesting *nesting, bool is_object)
{
  size_t byte = nesting->depth / CHAR_BIT;
  unsigned bit = 1U << (nesting->depth % CHAR_BIT);

  if (nesting->depth == JSON_DEPTH_MAX) {
    return false;
  }
  nesting->is_object[byte] = (uint8_t)(is_object ? nesting->is_object[byte] | bit : nesting->is_object[byte] & ~bit);
  nesting->depth++;
  return true;
}

static bool nesting_is_object(const struct nesting *nesting)
{
  size_t level = nesting->depth - 1;

  return (nesting->is_object[level / CHAR_BIT] & 1U << (level % CHAR_BIT)) != 0;
}

/* A name and its colon, from the first byte that is no space; NULL: none. */
static const char *name_end(const char *at, const char *end, struct json_value *ret_name)
{
  const char *behind;

  if (at == end || *at != '"') {
    return NULL;
  }
  behind = json_string_end(at, end, &ret_name->has_escapes);
  if (behind == NULL) {
    return NULL;
  }
  ret_name->kind = JSON_KIND_STRING;
  ret_name->raw = span_of(at, (size_t)(behind - at));
  behind = skip_space(behind, end);
  return behind < end && *behind == ':' ? behind + 1 : NULL;
}

/* The end of the array or object that begins at `at`; NULL: damaged or too deep. */
static const char *container_end(const char *at, const char *end)
{
  enum { VALUE, FIRST, NAME, FRESH_NAME, AFTER } state = VALUE;
  struct nesting nesting = {.depth = 0};
  struct json_value name;
  enum json_kind kind;
  bool has_escapes;

  for (;;) {
    at = skip_space(at, end);
    if (at == end) {
      return NULL;
    }
    if ((state == AFTER || state == FIRST || state == FRESH_NAME) && *at == (nesting_is_object(&nesting) ? '}' : ']')) {
      at++;
      nesting.depth--;
      if (nesting.depth == 0) {
        return at;
      }
      state = AFTER;
    } else if (state == AFTER) {
      if (*at != ',') {
        return NULL;
      }
      at++;
      state = nesting_is_object(&nesting) ? NAME : VALUE;
    } else if (state == NAME || state == FRESH_NAME) {
      at = name_end(at, end, &name);
      state = VALUE;
    } else if (*at == '{' || *at == '[') {
      if (!nesting_enter(&nesting, *at == '{')) {
        return NULL;
      }
      state = *at == '{' ? FRESH_NAME : FIRST;
      at++;
    } else {
      at = scalar_end(at, end, &kind, &has_escapes);
      state = AFTER;
    }
    if (at == NULL) {
      return NULL;
    }
  }
}

void json_scanner_init(struct json_scanner *scanner, struct span text)
{
  *scanner = (struct json_scanner){.at = text.data != NULL ? text.data : ""};
  scanner->end = scanner->at + (text.data != NULL ? text.length : 0);
}

static bool begin(struct json_scanner *scanner, char bracket)
{
  const char *at = skip_space(scanner->at, scanner->end);

  if (scanner->has_failed || at == scanner->end || *at != bracket) {
    return fail(scanner);
  }
  scanner->at = at + 1;
  scanner->is_fresh = true;
  return true;
}

bool json_object_begin(struct json_scanner *scanner)
{
  return begin(scanner, '{');
}

bool json_array_begin(struct json_scanner *scanner)
{
  return begin(scanner, '[');
}

/* Passes the comma that is due, or the closing bracket (false). */
static bool next(struct json_scanner *scanner, char bracket)
{
  const char *at = skip_space(scanner->at, scanner->end);
  bool was_fresh = scanner->is_fresh;

  scanner->is_fresh = false;
  if (scanner->has_failed || at == scanner->end) {
    return fail(scanner);
  }
  if (*at == bracket) {
    scanner->at = at + 1;
    return false;
  }
  if (!was_fresh) {
    if (*at != ',') {
      return fail(scanner);
    }
    at++;
  }
  scanner->at = at;
  return true;
}

bool json_object_next(struct json_scanner *scanner, struct json_value *ret_name)
{
  const char *behind;
  struct json_value name;

  if (!next(scanner, '}')) {
    return false;
  }
  behind = name_end(skip_space(scanner->at, scanner->end), scanner->end, &name);
  if (behind == NULL) {
    return fail(scanner);
  }
  scanner->at = behind;
  *ret_name = name;
  return true;
}

bool json_array_next(struct json_scanner *scanner)
{
  return next(scanner, ']');
}

bool json_read(struct json_scanner *scanner, struct json_value *ret_value)
{
  const char *at = skip_space(scanner->at, scanner->end);
  const char *behind;
  enum json_kind kind;

  if (scanner->has_failed || at == scanner->end) {
    return fail(scanner);
  }
  if (*at == '{' || *at == '[') {
    kind = *at == '{' ? JSON_KIND_OBJECT : JSON_KIND_ARRAY;
    behind = container_end(at, scanner->end);
  } else {
    behind = scalar_end(at, scanner->end, &kind, &ret_value->has_escapes);
  }
  if (behind == NULL) {
    return fail(scanner);
  }
  scanner->at = behind;
  ret_value->kind = kind;
  ret_value->has_escapes = kind == JSON_KIND_STRING && ret_value->has_escapes;
  ret_value->raw = span_of(at, (size_t)(behind - at));
  return true;
}

bool json_finish(struct json_scanner *scanner)
{
  if (scanner->has_failed || skip_space(scanner->at, scanner->end) != scanner->end) {
    return fail(scanner);
  }
  return true;
}

bool json_unescape(struct json_value string, struct arena *arena, struct span *ret_text)
{
  struct span inside;

  if (string.kind != JSON_KIND_STRING) {
    return false;
  }
  inside = span_of(string.raw.data + 1, string.raw.length - 2);
  if (string.has_escapes) {
    return json_string_unescape(inside, arena, ret_text);
  }
  *ret_text = inside;
  return true;
}

bool json_validate(struct span text)
{
  struct json_scanner scanner;
  struct json_value value;

  json_scanner_init(&scanner, text);
  return json_read(&scanner, &value) && json_finish(&scanner) && utf8_is_valid(text);
}
