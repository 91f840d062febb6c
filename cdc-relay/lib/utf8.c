/*
 * utf8.c - the well-formed sequences of the Unicode standard (table 3-7). Only the second byte has ranges of its own; they keep out what is overlong,
 * the surrogates, and what lies past U+10FFFF.
 */
#include "utf8.h"

static const struct lead {
  unsigned char first, last;               /* range of the first byte */
  unsigned char second_least, second_most; /* range of the second */
  unsigned char length;
} leads[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, /**/
    {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_character(struct span bytes, uint32_t *ret_code)
{
  unsigned char first;

  if (bytes.length == 0) {
    return 0;
  }
  first = (unsigned char)bytes.data[0];
  if (first < 0x80) {
    *ret_code = first;
    return 1;
  }
  for (size_t i = 0; i < sizeof(leads) / sizeof(*leads); i++) {
    const struct lead *lead = &leads[i];
    uint32_t code;

    if (first < lead->first || first > lead->last) {
      continue;
    }
    if (bytes.length < lead->length) {
      return 0;
    }
    code = first & (0xffU >> (lead->length + 1));
    for (size_t at = 1; at < lead->length; at++) {
      unsigned char byte = (unsigned char)bytes.data[at];

      if (byte < (at == 1 ? lead->second_least : 0x80) || byte > (at == 1 ? lead->second_most : 0xbf)) {
        return 0;
      }
      code = code << 6 | (byte & 0x3fU);
    }
    *ret_code = code;
    return lead->length;
  }
  return 0;
}

bool utf8_is_valid(struct span text)
{
  size_t at = 0;

  while (at < text.length) {
    size_t length;
    uint64_t word;
    uint32_t code;

    /* Most text is ASCII: eight bytes at a time. */
    if (text.length - at >= sizeof(word)) {
      memcpy(&word, text.data + at, sizeof(word));
      if ((word & UINT64_C(0x8080808080808080)) == 0) {
        at += sizeof(word);
        continue;
      }
    }
    length = utf8_character(span_of(text.data + at, text.length - at), &code);
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
