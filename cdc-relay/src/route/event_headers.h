/*
 * event_headers.h - the column table.field.event.headers: headers that the application gives to one event.
 *
 *   {"correlationId": "c-1", "attempt": 2, "note": null}      an object: text as it is, numbers and booleans as JSON writes them, null a null header
 *   [["correlationId", "Yy0x"], ["note", null]]               a list of pairs: any bytes, in base64; what the headers of a dead letter need
 */
#ifndef ROUTE_EVENT_HEADERS_H
#define ROUTE_EVENT_HEADERS_H

#include <stdbool.h>

#include "arena.h"
#include "route/record.h"
#include "route/router.h"
#include "span.h"

struct event_headers {
  size_t count;
  struct header items[ROUTE_EVENT_HEADERS_MAX]; /* in the order of the text; in the arena or in the text */
  size_t bytes;                                 /* of all names and values */
  const char *wrong;                            /* static: completes "<column> ..."; names no value */
};

/*
 * Reads `text`, which is not null. JSON's null is no headers. False: refused, *headers says why in `wrong`. `reserved` are the names that the configuration
 * or the relay itself gives, which an event may not claim.
 */
bool event_headers_read(struct event_headers *headers, struct span text, const struct span *reserved, size_t reserved_count, struct arena *arena);

#endif
