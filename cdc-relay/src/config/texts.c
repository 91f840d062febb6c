/* texts.c - one heap block per text, in a list; nothing is given back alone, and whatever is given back is overwritten first, as any text may be a secret. */
#include "config/texts.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text_block {
  struct text_block *older;
  size_t size;
  alignas(max_align_t) char bytes[];
};

void *texts_alloc(struct texts *texts, size_t size)
{
  struct text_block *block;

  if (size > SIZE_MAX - sizeof(*block)) {
    abort();
  }
  block = calloc(1, sizeof(*block) + size);
  if (block == NULL) {
    abort();
  }
  block->older = texts->newest;
  block->size = size;
  texts->newest = block;
  return block->bytes;
}

void *texts_array(struct texts *texts, size_t count, size_t size)
{
  if (size != 0 && count > SIZE_MAX / size) {
    abort();
  }
  return texts_alloc(texts, count * size);
}

const char *texts_copy(struct texts *texts, const char *data, size_t length)
{
  char *copy = texts_alloc(texts, length + 1);

  memcpy(copy, data, length);
  return copy;
}

const char *texts_format(struct texts *texts, const char *format, ...)
{
  va_list arguments, again;
  int length;
  char *text;

  va_start(arguments, format);
  va_copy(again, arguments);
  length = vsnprintf(NULL, 0, format, arguments);
  if (length < 0) {
    abort();
  }
  text = texts_alloc(texts, (size_t)length + 1);
  (void)vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  va_end(arguments);
  return text;
}

void texts_done(struct texts *texts)
{
  while (texts->newest != NULL) {
    struct text_block *block = texts->newest;

    texts->newest = block->older;
    explicit_bzero(block->bytes, block->size);
    free(block);
  }
}
