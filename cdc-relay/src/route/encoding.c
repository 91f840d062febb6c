/*
 * encoding.c - hexadecimal and base64 (RFC 4648 section 4).
 *
 *   3 bytes    aaaaaaaa bbbbbbbb cccccccc
 *   4 digits   aaaaaa aabbbb bbbbcc cccccc      1 or 2 bytes at the end: 2 or 3 digits and `=` up to four
 */
#include "route/encoding.h"

#include <stdint.h>

#include "hex.h"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool hex_decode(struct span digits, struct arena *arena, struct span *ret_bytes)
{
  size_t count = digits.length / 2;
  char *bytes;

  if (digits.length % 2 != 0) {
    return false;
  }
  bytes = arena_alloc(arena, count);
  for (size_t i = 0; i < count; i++) {
    int high = hex_value(digits.data[2 * i]);
    int low = hex_value(digits.data[2 * i + 1]);

    if (high < 0 || low < 0) {
      return false;
    }
    bytes[i] = (char)(unsigned char)(high << 4 | low);
  }
  *ret_bytes = span_of(bytes, count);
  return true;
}

size_t base64_length(size_t count)
{
  return (count + 2) / 3 * 4;
}

char *base64_write(char *to, struct span bytes)
{
  const unsigned char *from = (const unsigned char *)bytes.data;
  size_t left = bytes.length;

  for (; left >= 3; left -= 3, from += 3) {
    *to++ = base64_digits[from[0] >> 2];
    *to++ = base64_digits[(from[0] & 3) << 4 | from[1] >> 4];
    *to++ = base64_digits[(from[1] & 15) << 2 | from[2] >> 6];
    *to++ = base64_digits[from[2] & 63];
  }
  if (left > 0) {
    unsigned char second = left == 2 ? from[1] : 0;

    *to++ = base64_digits[from[0] >> 2];
    *to++ = base64_digits[(from[0] & 3) << 4 | second >> 4];
    *to++ = left == 2 ? base64_digits[(second & 15) << 2] : '=';
    *to++ = '=';
  }
  return to;
}

static int base64_digit(char c)
{
  if (c >= 'A' && c <= 'Z') {
    return c - 'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - 'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - '0' + 52;
  }
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct span text, struct arena *arena, struct span *ret_bytes)
{
  char *bytes = arena_alloc(arena, text.length / 4 * 3 + 3);
  size_t count = 0;
  uint32_t group = 0;
  unsigned digits = 0; /* in this group, padding included */
  unsigned padding = 0;

  for (size_t i = 0; i < text.length; i++) {
    char c = text.data[i];
    int digit;

    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      continue;
    }
    if (c == '=') {
      if (digits < 2) {
        return false;
      }
      padding++;
      digit = 0;
    } else {
      digit = base64_digit(c);
      if (digit < 0 || padding > 0) {
        return false;
      }
    }
    group = group << 6 | (uint32_t)digit;
    if (++digits == 4) {
      bytes[count] = (char)(unsigned char)(group >> 16 & 255);
      bytes[count + 1] = (char)(unsigned char)(group >> 8 & 255);
      bytes[count + 2] = (char)(unsigned char)(group & 255);
      count += 3 - padding;
      group = 0;
      digits = 0;
    }
  }
  if (digits != 0) {
    return false;
  }
  *ret_bytes = span_of(bytes, count);
  return true;
}
