/*
 * percent.c - decodes once, from left to right: `%2541` is `%41`. What comes out goes to the database and into events, so only text passes: U+0000 would end a
 * C string early, other control characters have no business in an identifier, and PostgreSQL takes no bytes that are not UTF-8.
 */
#include "percent.h"

#include <stdint.h>

#include "hex.h"
#include "utf8.h"

bool percent_decode(struct span encoded, char *ret_text)
{
  size_t length = 0;

  for (size_t i = 0; i < encoded.length; i++) {
    unsigned char byte = (unsigned char)encoded.data[i];

    if (byte == '%') {
      int high = encoded.length - i > 2 ? hex_value(encoded.data[i + 1]) : -1;
      int low = high >= 0 ? hex_value(encoded.data[i + 2]) : -1;

      if (low < 0) {
        return false;
      }
      byte = (unsigned char)(high * 16 + low);
      i += 2;
    }
    if (byte < 0x20 || byte == 0x7f) {
      return false;
    }
    ret_text[length++] = (char)byte;
  }
  ret_text[length] = '\0';
  return utf8_is_valid(span_of(ret_text, length));
}
