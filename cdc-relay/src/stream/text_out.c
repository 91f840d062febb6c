/* text_out.c - open_memstream(), where all that was written is there, or nothing. */
#include "stream/text_out.h"

#include <stdlib.h>

FILE *text_open(char **ret_text, size_t *ret_size)
{
  FILE *out = open_memstream(ret_text, ret_size);

  if (out == NULL) {
    abort();
  }
  return out;
}

void text_close(FILE *out)
{
  if (fclose(out) != 0) {
    abort();
  }
}
