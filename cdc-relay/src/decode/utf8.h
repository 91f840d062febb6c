/* utf8.h - the encoding of every text that comes from a database we read. Pure. */
#ifndef DECODE_UTF8_H
#define DECODE_UTF8_H

#include <stdint.h>

#include "span.h"

enum { UTF8_MAX_BYTES = 4 }; /* of one character */

/* Whether all bytes are UTF-8 as PostgreSQL takes it: shortest form, no surrogates, up to U+10FFFF. Zero bytes are characters here. */
bool utf8_is_valid(struct span text);

/* Writes the code point (at most 0x10ffff, no surrogate) to `to`, which has room for UTF8_MAX_BYTES; returns the number of bytes. */
size_t utf8_encode(uint32_t code, char *to);

#endif
