/*
 * json_scanner.h - reads JSON text (RFC 8259) where it lies: no tree, no copy, no number conversion. Values are spans of the text.
 *
 * A scanner is pulled: the caller says what it expects next. It fails once and stays failed, so a caller may read on and look at the end:
 *
 *   json_scanner_init(&scanner, text);
 *   json_object_begin(&scanner);
 *   while (json_object_next(&scanner, &name)) {
 *     json_read(&scanner, &value);               one value whole, or descend: json_array_begin(), json_array_next() ...
 *   }
 *   if (!json_finish(&scanner)) ... damaged
 *
 * Accepted is what PostgreSQL's type json accepts: any value at the top, duplicate names, numbers of any size, any \u escape (a lone surrogate or \u0000 fails
 * only when a string is unescaped, since no text can hold it). Two limits: JSON_DEPTH_MAX, and the length of memory.
 * Bytes above 0x7f are not judged while scanning, for a text that came out of a database must go on as it is; json_validate() does judge them.
 */
#ifndef DECODE_JSON_SCANNER_H
#define DECODE_JSON_SCANNER_H

#include <stdbool.h>

#include "arena.h"
#include "span.h"

enum { JSON_DEPTH_MAX = 2048 }; /* arrays and objects inside one another in one json_read() */

enum json_kind {
  JSON_KIND_NULL,
  JSON_KIND_FALSE,
  JSON_KIND_TRUE,
  JSON_KIND_NUMBER,
  JSON_KIND_STRING,
  JSON_KIND_ARRAY,
  JSON_KIND_OBJECT,
};

struct json_value {
  enum json_kind kind;
  bool has_escapes; /* of a string: its text differs from what is between the quotes */
  struct span raw;  /* borrowed from the scanned text: no whitespace around, strings with their quotes */
};

struct json_scanner {
  const char *at;
  const char *end;
  bool is_fresh; /* just behind a [ or {: no comma is due */
  bool has_failed;
};

/* `text` must stay as it is while the scanner and its values are in use; the null span is an empty text. */
void json_scanner_init(struct json_scanner *scanner, struct span text);

/* Expects a { or [. False: something else, the scanner has failed. */
bool json_object_begin(struct json_scanner *scanner);
bool json_array_begin(struct json_scanner *scanner);

/*
 * True: there is another member (its name is *ret_name) or element, whose value must be consumed before the next call, by json_read() or by a begin and
 * next until false. False: the closing bracket has been passed, or the scanner has failed.
 */
bool json_object_next(struct json_scanner *scanner, struct json_value *ret_name);
bool json_array_next(struct json_scanner *scanner);

/* Reads the next value whole, checking all of it. False: failed, *ret_value untouched. */
bool json_read(struct json_scanner *scanner, struct json_value *ret_value);

/*
 * Passes `text` when exactly these bytes come next; else moves nothing, and nothing has failed. For texts whose writer is known: whoever uses it answers for the brackets,
 * names and commas in it, and copies the scanner first to have another way back.
 */
static inline bool json_pass(struct json_scanner *scanner, struct span text)
{
  if (scanner->has_failed || (size_t)(scanner->end - scanner->at) < text.length || memcmp(scanner->at, text.data, text.length) != 0) {
    return false;
  }
  scanner->at += text.length;
  return true;
}

/* True when nothing failed and only whitespace is left. */
bool json_finish(struct json_scanner *scanner);

/*
 * The text of a string that json_read() or json_object_next() returned: without escapes it points into the scanned text, else into the arena.
 * False: not a string, or it has \u0000 or half of a surrogate pair (*ret_text untouched).
 */
bool json_unescape(struct json_value string, struct arena *arena, struct span *ret_text);

/* Whether `text` is one JSON value with nothing but whitespace around it, in valid UTF-8: what PostgreSQL in UTF8 would accept as json. */
bool json_validate(struct span text);

#endif
