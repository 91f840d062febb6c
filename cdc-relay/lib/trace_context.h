/*
 * trace_context.h - the header traceparent (W3C Trace Context, level 1): `00-<32 hex: trace>-<16 hex: span>-<2 hex: flags>`. Pure but for chance.
 */
#ifndef TRACE_CONTEXT_H
#define TRACE_CONTEXT_H

#include <stdbool.h>

enum { TRACEPARENT_SIZE = 56 }; /* 55 characters and a zero */

/* Of a version that we know (00), lower case, neither trace nor span all zero. Later versions are taken for what their first 55 characters say, as the standard asks. */
bool traceparent_is_sound(const char *text);
/* A span of ours in the trace of `parent`, with its flags; a new trace where `parent` is NULL or not sound. */
void traceparent_child(const char *parent, char ret_text[TRACEPARENT_SIZE]);

#endif
