/*
 * uuid.c - sixteen random bytes, six bits of which say what they are:
 *
 *   xxxxxxxx-xxxx-4xxx-Yxxx-xxxxxxxxxxxx      4: the version; Y: 8, 9, a or b, the variant
 *
 * Random, so that any number of processes make identifiers without asking each other.
 */
#include "uuid.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { UUID_BYTES = 16 };

/* Where the bytes have a hyphen between them. */
static bool has_hyphen_before(size_t byte)
{
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static void fill_with_chance(unsigned char *bytes, size_t size)
{
  size_t filled = 0;

  while (filled < size) {
    ssize_t count = getrandom(bytes + filled, size - filled, 0);

    if (count < 0 && errno != EINTR) {
      abort();
    }
    filled += count > 0 ? (size_t)count : 0;
  }
}

/* As text, with the six bits. */
static void write_text(const unsigned char random[UUID_BYTES], char ret_text[UUID_SIZE])
{
  static const char digits[] = "0123456789abcdef";
  unsigned char bytes[UUID_BYTES];
  char *to = ret_text;

  memcpy(bytes, random, sizeof(bytes));
  bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
  bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
  for (size_t i = 0; i < sizeof(bytes); i++) {
    if (has_hyphen_before(i)) {
      *to++ = '-';
    }
    *to++ = digits[bytes[i] >> 4];
    *to++ = digits[bytes[i] & 0x0f];
  }
  *to = '\0';
}

void uuid_new(char ret_text[UUID_SIZE])
{
  unsigned char bytes[UUID_BYTES];

  fill_with_chance(bytes, sizeof(bytes));
  write_text(bytes, ret_text);
}

void uuid_next(struct uuid_source *source, char ret_text[UUID_SIZE])
{
  if (source->left < UUID_BYTES) {
    fill_with_chance(source->bytes, sizeof(source->bytes));
    source->left = sizeof(source->bytes);
  }
  source->left -= UUID_BYTES;
  write_text(source->bytes + source->left, ret_text);
}

bool uuid_is_sound(const char *text)
{
  static const char form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";

  if (text == NULL) {
    return false;
  }
  for (size_t i = 0; form[i] != '\0'; i++) {
    if (form[i] == '-' ? text[i] != '-' : text[i] == '\0' || strchr("0123456789abcdefABCDEF", text[i]) == NULL) {
      return false; /* at the text's end at the latest */
    }
  }
  return text[sizeof(form) - 1] == '\0';
}
