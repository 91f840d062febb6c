/*
 * uuid.h - random identifiers (RFC 9562, version 4) as text.
 */
#ifndef UUID_H
#define UUID_H

#include <stdbool.h>
#include <stddef.h>

enum {
  UUID_SIZE = 37,         /* 36 characters and a zero */
  UUID_SOURCE_BYTES = 96, /* of six */
};

/* From the kernel's random source, lower case. Ends the process where that has none, which no supported kernel does. */
void uuid_new(char ret_text[UUID_SIZE]);

/* For who makes several at once (a request, a record): the kernel is asked once for six of them. Zeroed it is empty. One thread at a time; not to be copied. */
struct uuid_source {
  unsigned char bytes[UUID_SOURCE_BYTES];
  size_t left;
};
/* As uuid_new(), out of `source`, which fills itself. */
void uuid_next(struct uuid_source *source, char ret_text[UUID_SIZE]);

/* 8-4-4-4-12 hexadecimal digits of either case, any version. NULL is not sound. */
bool uuid_is_sound(const char *text);

#endif
