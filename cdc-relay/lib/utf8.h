/* utf8.h - where a character of UTF-8 ends, for whatever writes foreign bytes into a format that demands UTF-8. Pure. */
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

#endif
