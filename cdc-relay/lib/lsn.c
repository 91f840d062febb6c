/* lsn.c - text form of a WAL position (PostgreSQL src/backend/utils/adt/pg_lsn.c defines it). */
#include "lsn.h"

#include <stdbool.h>

/* Without leading zeros, as %X does; returns the end. By hand, because a header of every record needs it. */
static char *put_hex(char *out, uint32_t value)
{
  int shift = 28;

  while (shift > 0 && value >> shift == 0) {
    shift -= 4;
  }
  for (; shift >= 0; shift -= 4) {
    *out++ = "0123456789ABCDEF"[value >> shift & 0xf];
  }
  return out;
}

struct lsn_text lsn_text(Lsn lsn)
{
  struct lsn_text result = {""};
  char *end = put_hex(result.text, (uint32_t)(lsn >> 32));

  *end++ = '/';
  *put_hex(end, (uint32_t)lsn) = '\0';
  return result;
}

/* Reads hexadecimal digits up to `end`, returns how many (0 to 8); nine or more return 9. */
static size_t hex_half(const char *text, size_t at, size_t end, uint32_t *ret_half)
{
  uint32_t half = 0;
  size_t digits = 0;

  for (; at < end && digits < 9; at++, digits++) {
    char c = text[at];
    uint32_t digit;

    if (c >= '0' && c <= '9') {
      digit = (uint32_t)(c - '0');
    } else if (c >= 'A' && c <= 'F') {
      digit = (uint32_t)(c - 'A') + 10;
    } else if (c >= 'a' && c <= 'f') {
      digit = (uint32_t)(c - 'a') + 10;
    } else {
      break;
    }
    half = half << 4 | digit;
  }
  *ret_half = half;
  return digits;
}

enum verdict lsn_parse(const char *text, size_t length, Lsn *ret_lsn)
{
  uint32_t high;
  uint32_t low;
  size_t high_digits = hex_half(text, 0, length, &high);
  size_t low_digits;

  if (high_digits < 1 || high_digits > 8 || high_digits >= length || text[high_digits] != '/') {
    return VERDICT_FATAL;
  }
  low_digits = hex_half(text, high_digits + 1, length, &low);
  if (low_digits < 1 || low_digits > 8 || high_digits + 1 + low_digits != length) {
    return VERDICT_FATAL;
  }
  *ret_lsn = (Lsn)high << 32 | low;
  return VERDICT_OK;
}
