/*
 * arena.h - memory for one message. Everything that is taken from an arena is given back at once by arena_reset(); nothing is freed alone.
 * A fresh arena owns one block; a message that needs more gets further blocks, which the reset frees, so a single huge row does not stay resident.
 * Out of memory ends the process (abort): a relay that cannot hold one row can only be restarted, and the slot makes that safe.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

#include "span.h"

struct arena_block;

struct arena {
  struct arena_block *newest;
  size_t first_bytes; /* size of the block that survives a reset */
};

void arena_init(struct arena *arena, size_t first_bytes);
void arena_done(struct arena *arena);
void arena_reset(struct arena *arena);

/* `size` bytes, aligned for any type, not cleared; size 0 gives a valid pointer. Borrowed until arena_reset(). */
void *arena_alloc(struct arena *arena, size_t size);
/* As above, for `count` elements; aborts when the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A copy with a zero behind it (not counted in the length); the null span stays null. */
struct span arena_copy(struct arena *arena, struct span source);

#endif
