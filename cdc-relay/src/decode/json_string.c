/*
 * json_string.c - finds the end of a string and undoes its escapes.
 *
 *   \" \\ \/ \b \f \n \r \t     one byte
 *   \uXXXX                        a character of the basic plane, but for surrogates and zero
 *   \uD8XX..DBXX \uDCXX..DFXX     a pair: one character above it
 */
#include "decode/json_string.h"

#include <endian.h>
#include <limits.h>
#include <stdint.h>

#include "fault_point.h"
#include "hex.h"
#include "utf8.h"

/* The two halves of UTF-16, in which \u escapes are written. */
enum { UNIT_HIGH_FIRST = 0xd800, UNIT_LOW_FIRST = 0xdc00, UNIT_LOW_LAST = 0xdfff };

/* The character that `\x` stands for; 0: no such escape (\u is apart). */
static const char escapes[256] = {['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

/* Four hexadecimal digits; the caller has checked that there are four bytes. -1: other characters. */
static int32_t hex4(const char *digits)
{
  int32_t unit = 0;

  for (size_t i = 0; i < 4; i++) {
    int digit = hex_value(digits[i]);

    if (digit < 0) {
      return -1;
    }
    unit = unit * 16 + digit;
  }
  return unit;
}

/* Eight bytes as a number whose lowest byte is the first. */
static uint64_t eight_bytes(const char *at)
{
  uint64_t word;

  memcpy(&word, at, sizeof(word));
  return le64toh(word);
}

#define IN_EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/*
 * Bits set for the bytes of `word` that are a backslash, or anything but plain; only the lowest set bit is to be trusted, for borrows run upwards. A byte below 0x80 that is
 * smaller than n gets its highest bit when n is subtracted; bytes above have theirs already and are masked.
 */
static uint64_t escape_bytes(uint64_t word)
{
  return ((word ^ IN_EACH_BYTE('\\')) - IN_EACH_BYTE(1)) & ~word & IN_EACH_BYTE(0x80);
}

/* Flipping the bit 0x02 brings the quote (0x22) to 0x20, next to the control characters, which stay among themselves: one comparison for both. */
static uint64_t special_bytes(uint64_t word)
{
  uint64_t quote_or_control = (word ^ IN_EACH_BYTE('"' ^ 0x20)) - IN_EACH_BYTE(0x21);

  return escape_bytes(word) | (quote_or_control & ~word & IN_EACH_BYTE(0x80));
}

static size_t first_byte(uint64_t bits)
{
  return (size_t)__builtin_ctzll(bits) / CHAR_BIT;
}

/* Not the quote, not an escape's backslash, not a control character (which must be escaped); every byte of a multibyte character is plain. */
static bool is_plain(char c)
{
  return (uint8_t)c >= 0x20 && c != '"' && c != '\\';
}

/* The first byte that is not plain, or `end`. */
static const char *plain_end(const char *at, const char *end)
{
  while (end - at >= 8) {
    uint64_t bits = special_bytes(eight_bytes(at));

    if (bits != 0) {
      return at + first_byte(bits);
    }
    at += 8;
  }
  while (at < end && is_plain(*at)) {
    at++;
  }
  return at;
}

/* The end of the escape at `at`; NULL: JSON does not know it. */
static const char *escape_end(const char *at, const char *end)
{
  if (end - at < 2) {
    return NULL;
  }
  if (at[1] == 'u') {
    return end - at >= 6 && hex4(at + 2) >= 0 ? at + 6 : NULL;
  }
  return escapes[(uint8_t)at[1]] != 0 ? at + 2 : NULL;
}

/* As json_string_end(), from the first byte that is not plain. Apart, so that the many strings without escapes do not pay for its registers. */
static __attribute__((noinline)) const char *escaped_end(const char *at, const char *end, bool *ret_has_escapes)
{
  while (at < end && *at == '\\') {
    at = escape_end(at, end);
    if (at == NULL) {
      return NULL;
    }
    at = plain_end(at, end);
  }
  if (at == end || *at != '"') {
    return NULL;
  }
  *ret_has_escapes = true;
  return at + 1;
}

const char *json_string_end(const char *at, const char *end, bool *ret_has_escapes)
{
  at = plain_end(at + 1, end);
  if (at == end || *at != '"') {
    return escaped_end(at, end, ret_has_escapes);
  }
  *ret_has_escapes = false;
  return at + 1;
}

/* The code point of the \u escape (or pair of them) at *at, which moves behind it. -1: it stands for nothing that a text can hold. */
static int32_t unescape_unicode(const char **at, const char *end)
{
  int32_t high = end - *at >= 6 ? hex4(*at + 2) : -1;
  int32_t low;

  if (high <= 0 || (high >= UNIT_LOW_FIRST && high <= UNIT_LOW_LAST)) {
    return -1;
  }
  *at += 6;
  if (high < UNIT_HIGH_FIRST || high > UNIT_LOW_LAST) {
    return high;
  }
  low = end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' ? hex4(*at + 2) : -1;
  if (low < UNIT_LOW_FIRST || low > UNIT_LOW_LAST) {
    return -1;
  }
  *at += 6;
  return 0x10000 + ((high - UNIT_HIGH_FIRST) << 10) + (low - UNIT_LOW_FIRST);
}

/* Copies up to the next escape; returns the number of bytes. `to` has at least the room that is left in the source, so it may be written eight at once. */
static size_t copy_plain(const char *at, const char *end, char *to)
{
  const char *first = at;

  while (end - at >= 8) {
    uint64_t escapes_in = escape_bytes(eight_bytes(at));

    memcpy(to, at, 8);
    if (escapes_in != 0) {
      return (size_t)(at - first) + first_byte(escapes_in);
    }
    at += 8;
    to += 8;
  }
  while (at < end && *at != '\\') {
    *to++ = *at++;
  }
  return (size_t)(at - first);
}

bool json_string_unescape(struct span escaped, struct arena *arena, struct span *ret_text)
{
  const char *at = escaped.data;
  const char *end = escaped.data + escaped.length;
  char *text;
  char *to;

  /* No escape is shorter than what it stands for: six bytes for at most three, twelve for four. */
  text = arena_alloc(arena, (size_t)(end - at));
  to = text;
  while (at < end) {
    size_t plain = copy_plain(at, end, to);

    to += plain;
    at += plain;
    if (at == end) {
      break;
    }
    if (at[1] == 'u') {
      int32_t code = unescape_unicode(&at, end);

      if (code < 0) {
        return false;
      }
      to += utf8_encode((uint32_t)code, to);
    } else {
      *to++ = MUTANT(ESCAPES_LITERAL) ? at[1] : escapes[(uint8_t)at[1]];
      at += 2;
    }
  }
  *ret_text = span_of(text, (size_t)(to - text));
  return true;
}
