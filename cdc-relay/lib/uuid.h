/*
 * uuid.h - random identifiers (RFC 9562, version 4) as text.
 */
#ifndef UUID_H
#define UUID_H

#include <stdbool.h>

enum { UUID_SIZE = 37 }; /* 36 characters and a zero */

/* From the kernel's random source, lower case. Ends the process where that has none, which no supported kernel does. */
void uuid_new(char ret_text[UUID_SIZE]);
/* 8-4-4-4-12 hexadecimal digits of either case, any version. NULL is not sound. */
bool uuid_is_sound(const char *text);

#endif
