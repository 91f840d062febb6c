/*
 * utf8.c - UTF-8 by the table of the Unicode Standard (3.9, table 3-7): the first byte says how many follow and what the second may be.
 *
 *   first     second    further          what the bounds of the second byte keep out
 *   00..7f
 *   c2..df    80..bf                     (c0, c1: longer than needed)
 *   e0        a0..bf    1                longer than needed
 *   e1..ec    80..bf    1
 *   ed        80..9f    1                surrogates
 *   ee..ef    80..bf    1
 *   f0        90..bf    2                longer than needed
 *   f1..f3    80..bf    2
 *   f4        80..8f    2                beyond U+10FFFF
 */
#include "decode/utf8.h"

struct lead {
  uint8_t first_from, first_to;
  uint8_t second_from, second_to;
  uint8_t further;
};

static const struct lead leads[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 0}, {0xe0, 0xe0, 0xa0, 0xbf, 1}, {0xe1, 0xec, 0x80, 0xbf, 1}, {0xed, 0xed, 0x80, 0x9f, 1},
    {0xee, 0xef, 0x80, 0xbf, 1}, {0xf0, 0xf0, 0x90, 0xbf, 2}, {0xf1, 0xf3, 0x80, 0xbf, 2}, {0xf4, 0xf4, 0x80, 0x8f, 2},
};

/* Length of the multibyte character at `at`, 0 when it is none. */
static size_t multibyte_length(const uint8_t *at, size_t left)
{
  for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
    const struct lead *lead = &leads[i];

    if (at[0] < lead->first_from || at[0] > lead->first_to) {
      continue;
    }
    if (left < (size_t)lead->further + 2 || at[1] < lead->second_from || at[1] > lead->second_to) {
      return 0;
    }
    for (size_t further = 0; further < lead->further; further++) {
      if ((at[2 + further] & 0xc0) != 0x80) {
        return 0;
      }
    }
    return (size_t)lead->further + 2;
  }
  return 0;
}

bool utf8_is_valid(struct span text)
{
  const uint8_t *bytes = (const uint8_t *)text.data;
  size_t at = 0;

  while (at < text.length) {
    size_t length;
    uint64_t word;

    if (text.length - at >= sizeof(word)) {
      memcpy(&word, bytes + at, sizeof(word));
      if ((word & UINT64_C(0x8080808080808080)) == 0) {
        at += sizeof(word);
        continue;
      }
    }
    length = bytes[at] < 0x80 ? 1 : multibyte_length(bytes + at, text.length - at);
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

size_t utf8_encode(uint32_t code, char *to)
{
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    to[0] = (char)(0xc0 | code >> 6);
    to[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    to[0] = (char)(0xe0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 0x3f));
    to[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  to[0] = (char)(0xf0 | code >> 18);
  to[1] = (char)(0x80 | (code >> 12 & 0x3f));
  to[2] = (char)(0x80 | (code >> 6 & 0x3f));
  to[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}
