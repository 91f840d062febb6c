/*
 * message.h - a logical message (pg_logical_emit_message) -> a row: one JSON object whose members have the names of the outbox table's columns.
 */
#ifndef ROUTE_MESSAGE_H
#define ROUTE_MESSAGE_H

#include <stdbool.h>

#include "arena.h"
#include "route/entry.h"
#include "route/row.h"
#include "span.h"

/* OK: true, *ret_row in the arena. False: the content is no such object; *ret_wrong (static) completes "message ...". */
bool message_read(const struct entry *entry, struct span content, struct arena *arena, struct row *ret_row, const char **ret_wrong);

#endif
