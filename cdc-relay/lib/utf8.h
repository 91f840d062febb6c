/* utf8.h - UTF-8 read, checked and written, as PostgreSQL takes it: shortest form, no surrogates, up to U+10FFFF. Pure. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "span.h"

/*
 * Bytes of the character at the start of `bytes` (1 to 4), its code point in *ret_code; 0 when they begin with none: a stray or cut sequence, an overlong one,
 * a surrogate, past U+10FFFF, or an empty span.
 */
size_t utf8_character(struct span bytes, uint32_t *ret_code);

/* Whether all bytes are characters; zero bytes are, too. */
bool utf8_is_valid(struct span text);

enum { UTF8_MAX_BYTES = 4 }; /* of one character */

/* Writes the code point (at most 0x10ffff, no surrogate) to `to`, which has room for UTF8_MAX_BYTES; returns the number of bytes. */
size_t utf8_encode(uint32_t code, char *to);

#endif
