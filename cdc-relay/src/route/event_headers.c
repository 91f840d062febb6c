/*
 * event_headers.c - reads while the limits hold and stops at the first thing that is wrong; a column of a gigabyte costs no more than what fits.
 */
#include "route/event_headers.h"

#include "decode/json_scanner.h"
#include "route/encoding.h"

/* A base64 value or an escaped text may be longer as written than as meant; six bytes for one is the most (\u00XX), blanks apart. */
enum { TEXT_MAX_BYTES = 8 * ROUTE_EVENT_HEADERS_MAX_BYTES };

static bool refuse(struct event_headers *headers, const char *wrong)
{
  headers->wrong = wrong;
  return false;
}

static bool name_is_clean(struct span name)
{
  for (size_t i = 0; i < name.length; i++) {
    if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7f) {
      return false;
    }
  }
  return name.length > 0;
}

static bool add(struct event_headers *headers, struct span name, struct span value, const struct span *reserved, size_t reserved_count, struct arena *arena)
{
  size_t bytes = name.length + value.length;

  if (!name_is_clean(name)) {
    return refuse(headers, "has a header name that is empty or holds a control character");
  }
  for (size_t i = 0; i < reserved_count; i++) {
    if (span_equals(name, reserved[i])) {
      return refuse(headers, "has a header whose name is reserved: id, eventType, lsn, txid, and those that the configuration gives");
    }
  }
  if (headers->count == ROUTE_EVENT_HEADERS_MAX) {
    return refuse(headers, "has too many headers");
  }
  if (bytes > ROUTE_EVENT_HEADERS_MAX_BYTES - headers->bytes) {
    return refuse(headers, "has headers that are too large together");
  }
  headers->bytes += bytes;
  headers->items[headers->count++] = (struct header){arena_copy(arena, name), value}; /* the copy ends with a zero */
  return true;
}

/* What a member of the object is as a header's value; false: an array, an object, or a text that cannot be. */
static bool member_value(struct json_value value, struct arena *arena, struct span *ret_value)
{
  switch (value.kind) {
  case JSON_KIND_NULL:
    *ret_value = span_of(NULL, 0);
    return true;
  case JSON_KIND_STRING:
    return json_unescape(value, arena, ret_value);
  case JSON_KIND_FALSE:
  case JSON_KIND_TRUE:
  case JSON_KIND_NUMBER:
    *ret_value = value.raw;
    return true;
  case JSON_KIND_ARRAY:
  case JSON_KIND_OBJECT:
    return false;
  }
  return false;
}

static const char not_json[] = "is not valid JSON";

static bool read_object(struct event_headers *headers, struct json_scanner *scanner, const struct span *reserved, size_t reserved_count, struct arena *arena)
{
  struct json_value name_json;
  struct json_value value_json;
  struct span name;
  struct span value;

  (void)json_object_begin(scanner);
  while (json_object_next(scanner, &name_json)) {
    if (!json_unescape(name_json, arena, &name)) {
      return refuse(headers, "has a header name that no text can hold");
    }
    if (!json_read(scanner, &value_json)) {
      return refuse(headers, not_json);
    }
    if (!member_value(value_json, arena, &value)) {
      return refuse(headers, "has a header whose value is neither a text, a number, a boolean nor null");
    }
    if (!add(headers, name, value, reserved, reserved_count, arena)) {
      return false;
    }
  }
  return true;
}

/* One `[name, value]`, whole. */
static bool read_pair(struct json_value pair, struct arena *arena, struct span *ret_name, struct span *ret_value)
{
  struct json_scanner scanner;
  struct json_value parts[2];
  struct span text;
  size_t count = 0;

  json_scanner_init(&scanner, pair.raw);
  if (pair.kind != JSON_KIND_ARRAY || !json_array_begin(&scanner)) {
    return false;
  }
  while (json_array_next(&scanner)) {
    if (count == 2 || !json_read(&scanner, &parts[count])) {
      return false;
    }
    count++;
  }
  if (count != 2 || !json_unescape(parts[0], arena, ret_name)) {
    return false;
  }
  if (parts[1].kind == JSON_KIND_NULL) {
    *ret_value = span_of(NULL, 0);
    return true;
  }
  return json_unescape(parts[1], arena, &text) && base64_decode(text, arena, ret_value);
}

static bool read_list(struct event_headers *headers, struct json_scanner *scanner, const struct span *reserved, size_t reserved_count, struct arena *arena)
{
  struct json_value pair;
  struct span name;
  struct span value;

  (void)json_array_begin(scanner);
  while (json_array_next(scanner)) {
    if (!json_read(scanner, &pair)) {
      return refuse(headers, not_json);
    }
    if (!read_pair(pair, arena, &name, &value)) {
      return refuse(headers, "has an element that is no pair of a name and a base64 text or null");
    }
    if (!add(headers, name, value, reserved, reserved_count, arena)) {
      return false;
    }
  }
  return true;
}

bool event_headers_read(struct event_headers *headers, struct span text, const struct span *reserved, size_t reserved_count, struct arena *arena)
{
  struct json_scanner scanner;
  struct json_value value;
  size_t first = 0;

  headers->count = 0;
  headers->bytes = 0;
  headers->wrong = NULL;
  if (text.length > TEXT_MAX_BYTES) {
    return refuse(headers, "has headers that are too large together");
  }
  while (first < text.length && strchr(" \t\r\n", text.data[first]) != NULL && text.data[first] != '\0') {
    first++;
  }
  json_scanner_init(&scanner, text);
  if (first < text.length && text.data[first] == '{') {
    if (!read_object(headers, &scanner, reserved, reserved_count, arena)) {
      return false;
    }
  } else if (first < text.length && text.data[first] == '[') {
    if (!read_list(headers, &scanner, reserved, reserved_count, arena)) {
      return false;
    }
  } else if (!json_read(&scanner, &value)) {
    return refuse(headers, not_json);
  } else if (value.kind != JSON_KIND_NULL) {
    return refuse(headers, "is neither a JSON object nor a list of pairs");
  }
  return json_finish(&scanner) || refuse(headers, not_json);
}
