/*
 * encoding.h - bytes as text: hexadecimal (how a decoder hands out bytea) and base64 (how JSON carries bytes). Pure.
 */
#ifndef ROUTE_ENCODING_H
#define ROUTE_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "span.h"

/* Hexadecimal digits of either case, two for a byte, no prefix -> bytes in the arena. False: an odd count, or something that is no digit. */
bool hex_decode(struct span digits, struct arena *arena, struct span *ret_bytes);

/* Length of the base64 text (with padding) of `count` bytes. */
size_t base64_length(size_t count);
/* Writes that text at `to` (no zero behind it) and returns the place behind it. */
char *base64_write(char *to, struct span bytes);
/*
 * Base64 text in the standard alphabet, with padding; blanks and line breaks are skipped, since PostgreSQL's encode() breaks lines -> bytes in the arena.
 * False: anything else.
 */
bool base64_decode(struct span text, struct arena *arena, struct span *ret_bytes);

#endif
