/* texts.h - the memory of a configuration: texts and arrays that live as long as it does, overwritten before they are given back. Out of memory: abort. */
#ifndef CONFIG_TEXTS_H
#define CONFIG_TEXTS_H

#include <stddef.h>

#include "verdict.h"

struct text_block;

/* `{0}` is an empty pool. */
struct texts {
  struct text_block *newest;
};

/* Zeroed, aligned for any type; owned by the pool. */
void *texts_alloc(struct texts *texts, size_t size);
void *texts_array(struct texts *texts, size_t count, size_t size);
/* A copy with a zero behind it. */
const char *texts_copy(struct texts *texts, const char *data, size_t length);
const char *texts_format(struct texts *texts, const char *format, ...) PRINTF_LIKE(2, 3);
void texts_done(struct texts *texts);

#endif
