/*
 * envelope.h - a record's value as a JSON object: `{"payload":{"a":1},"type":"OrderPlaced"}`. Pure. Nothing is parsed: JSON is embedded as the text it is.
 */
#ifndef ROUTE_ENVELOPE_H
#define ROUTE_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "span.h"

/* How a value stands in JSON. */
enum json_form {
  JSON_FORM_NULL,
  JSON_FORM_AS_IS,  /* the text is JSON already */
  JSON_FORM_STRING, /* UTF-8 text */
  JSON_FORM_BASE64, /* bytes */
};

struct envelope_member {
  struct span name; /* as envelope_name() makes it */
  enum json_form form;
  struct span value;
};

/*
 * The form for a column's text by its type. bytea is JSON_FORM_BASE64: the caller hands over bytes, not hexadecimal digits. NaN and the infinities are strings.
 */
enum json_form json_form_of(uint32_t type_oid, struct span text);

/* `"name":`, escaped; malloc'ed, with a zero behind it. */
struct span envelope_name(const char *name);

/* The object, in the arena, of exactly the size that it needs. `count` >= 1. */
struct span envelope_write(const struct envelope_member *members, size_t count, struct arena *arena);

#endif
