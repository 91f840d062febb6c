/*
 * text_out.c - a stream into memory that ends the process where memory does.
 *
 * Not open_memstream(): in glibc what does not fit is left out, the call that wrote it says so, and neither ferror() nor fclose() knows of it afterwards. Who does not look
 * at each call gets a text with a hole. Here the text grows in one place, which looks.
 */
#include "text_out.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { FIRST_BYTES = 256 };

struct text_out {
  char **text;
  size_t *length;
  size_t capacity;
};

static void reserve(struct text_out *text_out, size_t capacity)
{
  char *text = realloc(*text_out->text, capacity);

  if (text == NULL) {
    abort();
  }
  *text_out->text = text;
  text_out->capacity = capacity;
}

static ssize_t append(void *cookie, const char *bytes, size_t count)
{
  struct text_out *text_out = cookie;
  size_t length = *text_out->length;

  if (count >= text_out->capacity - length) {
    reserve(text_out, 2 * (text_out->capacity + count));
  }
  memcpy(*text_out->text + length, bytes, count);
  (*text_out->text)[length + count] = '\0';
  *text_out->length = length + count;
  return (ssize_t)count;
}

static int end(void *cookie)
{
  free(cookie);
  return 0;
}

FILE *text_open(char **ret_text, size_t *ret_length)
{
  struct text_out *text_out = calloc(1, sizeof(*text_out));
  FILE *out = fopencookie(text_out, "w", (cookie_io_functions_t){.write = append, .close = end});

  if (text_out == NULL || out == NULL) {
    abort();
  }
  *text_out = (struct text_out){.text = ret_text, .length = ret_length};
  *ret_text = NULL;
  *ret_length = 0;
  reserve(text_out, FIRST_BYTES);
  (*ret_text)[0] = '\0';
  return out;
}

void text_close(FILE *out)
{
  if (ferror(out) != 0 || fclose(out) != 0) {
    abort();
  }
}
