/*
 * traceparent.h - the trace context of an event: the `traceparent` that an application's tracing library left in the tracing column, which holds a
 * java.util.Properties text. Pure.
 */
#ifndef ROUTE_TRACEPARENT_H
#define ROUTE_TRACEPARENT_H

#include <stdbool.h>

#include "arena.h"
#include "span.h"

/*
 * Finds the property `traceparent` (the last one, as Properties.load() does). False, and nothing is written, when there is none or its value does not have
 * the form of W3C Trace Context: a trace that cannot be continued is no reason to hold an event up.
 */
bool traceparent_find(struct span properties, struct arena *arena, struct span *ret_traceparent);

#endif
