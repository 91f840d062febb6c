/*
 * arena.c - a chain of blocks, newest first; allocation moves a mark forward in the newest.
 *
 *   newest -> [ block 3 | used . . . ] -> [ block 2 ] -> [ first block ]      reset keeps only the first block
 *
 * Whoever keeps a pointer beyond a reset finds the old bytes in the first block, mostly. AddressSanitizer is told what is not taken, and sees that, too.
 */
#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h> /* does nothing in other builds */
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

struct arena_block {
  struct arena_block *older;
  size_t used;
  size_t size;
  alignas(max_align_t) char bytes[];
};

static struct arena_block *block_new(size_t size, struct arena_block *older)
{
  struct arena_block *block;

  if (size > SIZE_MAX - sizeof(*block)) {
    abort();
  }
  block = malloc(sizeof(*block) + size);
  if (block == NULL) {
    abort();
  }
  block->older = older;
  block->used = 0;
  block->size = size;
  ASAN_POISON_MEMORY_REGION(block->bytes, block->size);
  return block;
}

void arena_init(struct arena *arena, size_t first_bytes)
{
  arena->first_bytes = first_bytes;
  arena->newest = block_new(first_bytes, NULL);
}

void arena_done(struct arena *arena)
{
  while (arena->newest != NULL) {
    struct arena_block *older = arena->newest->older;

    free(arena->newest);
    arena->newest = older;
  }
}

void arena_reset(struct arena *arena)
{
  while (arena->newest->older != NULL) {
    struct arena_block *older = arena->newest->older;

    free(arena->newest);
    arena->newest = older;
  }
  ASAN_POISON_MEMORY_REGION(arena->newest->bytes, arena->newest->used);
  arena->newest->used = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
  struct arena_block *block = arena->newest;
  size_t rounded;
  void *memory;

  if (size > SIZE_MAX - alignof(max_align_t)) {
    abort();
  }
  rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
  if (rounded > block->size - block->used) {
    block = block_new(rounded > arena->first_bytes ? rounded : arena->first_bytes, block);
    arena->newest = block;
  }
  memory = block->bytes + block->used;
  block->used += rounded;
  ASAN_UNPOISON_MEMORY_REGION(memory, size);
  return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
  if (size != 0 && count > SIZE_MAX / size) {
    abort();
  }
  return arena_alloc(arena, count * size);
}

struct span arena_copy(struct arena *arena, struct span source)
{
  char *copy;

  if (source.data == NULL) {
    return source;
  }
  copy = arena_alloc(arena, source.length + 1);
  memcpy(copy, source.data, source.length);
  copy[source.length] = '\0';
  return span_of(copy, source.length);
}
