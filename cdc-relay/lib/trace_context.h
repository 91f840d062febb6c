/*
 * trace_context.h - the header traceparent (W3C Trace Context, level 1): `00-<32 hex: trace>-<16 hex: span>-<2 hex: flags>`. Pure but for chance.
 */
#ifndef TRACE_CONTEXT_H
#define TRACE_CONTEXT_H

#include <stdbool.h>

#include "uuid.h"

enum { TRACEPARENT_SIZE = 56 }; /* 55 characters and a zero */

/*
 * Lower case, neither trace nor span all zero. Version 00 is exactly 55 characters; later ones are taken for what their first 55 say, behind which only a
 * hyphen may follow, as the standard asks; ff is no version. NULL is not sound.
 */
bool traceparent_is_sound(const char *text);
/*
 * A span of ours in the trace of `parent`, sampled if that is; a new, sampled trace where `parent` is NULL or not sound. Of version 00, out of at most two
 * identifiers of `source`. May write over `parent`.
 */
void traceparent_child(const char *parent, struct uuid_source *source, char ret_text[TRACEPARENT_SIZE]);

#endif
