/*
 * fields.c - reads members of a JSON object one by one, and keeps a list of what is wrong with them.
 *
 * Mistakes are words for the client: they name the member and what it must be, and do not repeat what it is. Each reader first asks member_at(), which says
 * nothing where the document is no object, since that has been said.
 *
 * Decimals are judged as text, digit by digit: 0.1 is not a double, and 0.30 must not become 0.299999999999999988 on its way to a numeric column. A JSON parser
 * has made a double of what the client wrote; up to 15 digits the shortest decimal that gives that double again is what was written, less the zeros at its end.
 */
#include "fields.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

enum { EMAIL_MAX_BYTES = 254, DECIMAL_DIGITS_MAX = 15, DOUBLE_DIGITS_MAX = 17 };

/* --- mistakes --- */

/* Ends the text before the first thing that is no character: a text that had to be cut may end in half of one. */
static void keep_characters(char *text)
{
  struct span rest = span_of_text(text);
  uint32_t code;
  size_t length;

  while ((length = utf8_character(rest, &code)) > 0) {
    rest = span_of(rest.data + length, rest.length - length);
  }
  text[rest.data - text] = '\0';
}

void fields_mistake(struct fields *fields, const char *field, const char *format, ...)
{
  struct field_mistake *mistake;
  va_list arguments;

  if (fields->mistake_count++ >= FIELDS_MISTAKES_MAX) {
    return;
  }
  mistake = &fields->mistakes[fields->mistake_count - 1];
  (void)snprintf(mistake->field, sizeof(mistake->field), "%s%s", fields->prefix, field);
  keep_characters(mistake->field);
  va_start(arguments, format);
  (void)vsnprintf(mistake->text, sizeof(mistake->text), format, arguments);
  va_end(arguments);
  keep_characters(mistake->text);
}

struct fields fields_of_member(const json_t *member, const char *prefix)
{
  struct fields fields = {.object = json_is_object(member) ? member : NULL, .prefix = prefix};

  if (fields.object == NULL) {
    size_t length = strlen(prefix);

    fields.prefix = "";
    fields_mistake(&fields, "", "must be a JSON object");
    (void)snprintf(fields.mistakes[0].field, sizeof(fields.mistakes[0].field), "%.*s", (int)(length > 0 ? length - 1 : 0), prefix);
    fields.prefix = prefix;
  }
  return fields;
}

struct fields fields_of(const json_t *document)
{
  return fields_of_member(document, "");
}

void fields_append(struct fields *fields, const struct fields *more)
{
  for (size_t i = 0; i < more->mistake_count; i++) {
    if (fields->mistake_count < FIELDS_MISTAKES_MAX && i < FIELDS_MISTAKES_MAX) {
      fields->mistakes[fields->mistake_count] = more->mistakes[i];
    }
    fields->mistake_count++;
  }
}

/* NULL: there is nothing to look at, and where that is a mistake it has been noted. */
static const json_t *member_at(struct fields *fields, const char *name, bool is_optional)
{
  const json_t *member = json_object_get(fields->object, name);

  if (member != NULL && !json_is_null(member)) {
    return member;
  }
  if (fields->object != NULL && !is_optional) {
    fields_mistake(fields, name, "is missing");
  }
  return NULL;
}

/* --- texts --- */

/* White_Space of the Unicode character database. */
static bool is_space(uint32_t code)
{
  return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
         code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

static bool is_control(uint32_t code)
{
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

struct characters {
  size_t count;
  bool is_valid; /* UTF-8 without U+0000 */
  bool is_blank; /* nothing but spaces */
  bool has_space_or_control;
};

static struct characters characters_of(struct span text)
{
  struct characters characters = {.is_valid = true, .is_blank = true};

  while (text.length > 0) {
    uint32_t code = 0;
    size_t length = utf8_character(text, &code);

    if (length == 0 || code == 0) {
      characters.is_valid = false;
      break;
    }
    characters.is_blank = characters.is_blank && is_space(code);
    characters.has_space_or_control = characters.has_space_or_control || is_space(code) || is_control(code);
    characters.count++;
    text = span_of(text.data + length, text.length - length);
  }
  return characters;
}

static struct span span_of_string(const json_t *string)
{
  return span_of(json_string_value(string), json_string_length(string));
}

/* NULL after a mistake. */
static const char *sound_text(struct fields *fields, const char *name, const json_t *member, size_t least, size_t most)
{
  struct characters characters;

  if (!json_is_string(member)) {
    fields_mistake(fields, name, "must be a text");
    return NULL;
  }
  characters = characters_of(span_of_string(member));
  if (!characters.is_valid) {
    fields_mistake(fields, name, "must be UTF-8 without the character U+0000");
  } else if (least > 0 && characters.is_blank) {
    fields_mistake(fields, name, "must not be blank");
  } else if (characters.count < least || characters.count > most) {
    fields_mistake(fields, name, "must have %zu to %zu characters, has %zu", least, most, characters.count);
  } else {
    return json_string_value(member);
  }
  return NULL;
}

const char *fields_text(struct fields *fields, const char *name, size_t least, size_t most)
{
  const json_t *member = member_at(fields, name, false);
  const char *text = member != NULL ? sound_text(fields, name, member, least, most) : NULL;

  return text != NULL ? text : "";
}

const char *fields_optional_text(struct fields *fields, const char *name, size_t least, size_t most)
{
  const json_t *member = member_at(fields, name, true);

  return member != NULL ? sound_text(fields, name, member, least, most) : NULL;
}

const char *fields_email(struct fields *fields, const char *name)
{
  const json_t *member = member_at(fields, name, false);
  struct span text = member != NULL && json_is_string(member) ? span_of_string(member) : span_of(NULL, 0);
  struct characters characters = characters_of(text);
  const char *at;

  if (member == NULL) {
    return "";
  }
  at = text.length > 0 && characters.is_valid ? strchr(text.data, '@') : NULL;
  if (at == NULL || at == text.data || at[1] == '\0' || strchr(at + 1, '@') != NULL || characters.has_space_or_control || text.length > EMAIL_MAX_BYTES) {
    fields_mistake(fields, name, "must be an e-mail address of at most %d bytes", EMAIL_MAX_BYTES);
    return "";
  }
  return text.data;
}

/* Table A.1 of ISO 4217 with its amendments up to 180, sorted, without the two that stand for no money: one for tests, one for no currency. */
static const char currencies[][4] = {
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP",
    "BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CLF", "CLP", "CNY", "COP", "COU", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN",
    "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK",
    "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD",
    "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP",
    "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP",
    "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "USN", "UYI", "UYU", "UYW", "UZS", "VED", "VES", "VND", "VUV",
    "WST", "XAD", "XAF", "XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XCD", "XCG", "XDR", "XOF", "XPD", "XPF", "XPT", "XSU", "XUA", "YER", "ZAR", "ZMW", "ZWG",
};

static int compare_codes(const void *text, const void *code)
{
  return strcmp(text, code);
}

const char *fields_currency(struct fields *fields, const char *name)
{
  const json_t *member = member_at(fields, name, false);
  const char *text = json_string_value(member);

  if (member == NULL) {
    return "";
  }
  if (text == NULL || json_string_length(member) != 3 ||
      bsearch(text, currencies, sizeof(currencies) / sizeof(*currencies), sizeof(*currencies), compare_codes) == NULL) {
    fields_mistake(fields, name, "must be a currency's code of ISO 4217, three capital letters");
    return "";
  }
  return text;
}

/* --- numbers --- */

int64_t fields_integer(struct fields *fields, const char *name, int64_t least, int64_t most)
{
  const json_t *member = member_at(fields, name, false);

  if (member == NULL) {
    return least;
  }
  if (!json_is_integer(member) || json_integer_value(member) < least || json_integer_value(member) > most) {
    fields_mistake(fields, name, "must be a whole number from %" PRId64 " to %" PRId64, least, most);
    return least;
  }
  return json_integer_value(member);
}

/*
 * A decimal number in plain notation, as its digits: 12.05 is "1205" with 2 of them behind the point; neither zeros in front of the whole part nor at the end.
 */
struct decimal {
  bool is_negative;
  size_t length;
  size_t scale; /* may be more than length: 0.001 is "1", 3 */
  char digits[FIELDS_DECIMAL_SIZE];
};

static void decimal_trim(struct decimal *decimal)
{
  size_t zeros = strspn(decimal->digits, "0");

  memmove(decimal->digits, decimal->digits + zeros, decimal->length - zeros + 1);
  decimal->length -= zeros;
  while (decimal->scale > 0 && decimal->length > 0 && decimal->digits[decimal->length - 1] == '0') {
    decimal->digits[--decimal->length] = '\0';
    decimal->scale--;
  }
  if (decimal->length == 0) { /* zero has no sign */
    decimal->is_negative = false;
    decimal->scale = 0;
  }
}

/* Digits of `text`, with any sign before and one point or what the locale has for it. Up to its end or an `e`. */
static struct decimal decimal_of_text(const char *text)
{
  struct decimal decimal = {.is_negative = *text == '-'};
  bool is_behind = false;

  for (text += decimal.is_negative; *text != '\0' && *text != 'e'; text++) {
    if (*text < '0' || *text > '9') {
      is_behind = true;
      continue;
    }
    assert(decimal.length < sizeof(decimal.digits) - 1);
    decimal.digits[decimal.length++] = *text;
    decimal.scale += is_behind;
  }
  decimal_trim(&decimal);
  return decimal;
}

/* How many digits plain notation has, without a lone 0 before the point. */
static size_t decimal_width(const struct decimal *decimal)
{
  return decimal->length > decimal->scale ? decimal->length : decimal->scale;
}

/* False: more than DECIMAL_DIGITS_MAX digits. */
static bool decimal_of_double(double value, struct decimal *ret_decimal)
{
  char text[FIELDS_DECIMAL_SIZE];
  struct decimal decimal;
  int digits = 1;
  int exponent;

  do {
    (void)snprintf(text, sizeof(text), "%.*e", digits - 1, value);
  } while (strtod(text, NULL) != value && ++digits <= DOUBLE_DIGITS_MAX);
  decimal = decimal_of_text(text);
  exponent = atoi(strchr(text, 'e') + 1);
  if (decimal.length > DECIMAL_DIGITS_MAX || abs(exponent) > DECIMAL_DIGITS_MAX) {
    return false;
  }
  for (; exponent < 0; exponent++) {
    decimal.scale++;
  }
  for (; exponent > 0; exponent--) {
    if (decimal.scale > 0) {
      decimal.scale--;
    } else {
      decimal.digits[decimal.length++] = '0';
      decimal.digits[decimal.length] = '\0';
    }
  }
  decimal_trim(&decimal);
  *ret_decimal = decimal;
  return decimal_width(&decimal) <= DECIMAL_DIGITS_MAX;
}

static bool decimal_of_number(const json_t *number, struct decimal *ret_decimal)
{
  char text[FIELDS_DECIMAL_SIZE];

  if (json_is_real(number)) {
    return isfinite(json_real_value(number)) && decimal_of_double(json_real_value(number), ret_decimal);
  }
  (void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(number));
  *ret_decimal = decimal_of_text(text);
  return decimal_width(ret_decimal) <= DECIMAL_DIGITS_MAX;
}

/* The digit of that power of ten. */
static char digit_at(const struct decimal *decimal, int power)
{
  int at = (int)decimal->length - (int)decimal->scale - 1 - power;

  return at >= 0 && at < (int)decimal->length ? decimal->digits[at] : '0';
}

static void decimal_write(const struct decimal *decimal, char ret_text[FIELDS_DECIMAL_SIZE])
{
  int whole = (int)decimal->length - (int)decimal->scale;
  char *to = ret_text;

  if (decimal->is_negative) {
    *to++ = '-';
  }
  for (int power = whole > 0 ? whole - 1 : 0; power >= -(int)decimal->scale; power--) {
    if (power == -1) {
      *to++ = '.';
    }
    *to++ = digit_at(decimal, power);
  }
  *to = '\0';
}

static bool decimal_is_less(const struct decimal *a, const struct decimal *b)
{
  if (a->is_negative != b->is_negative) {
    return a->is_negative;
  }
  for (int power = FIELDS_DECIMAL_SIZE; power >= -FIELDS_DECIMAL_SIZE; power--) {
    char of_a = digit_at(a, power);
    char of_b = digit_at(b, power);

    if (of_a != of_b) {
      return (of_a < of_b) != a->is_negative;
    }
  }
  return false;
}

const char *fields_decimal(struct fields *fields, const char *name, const char *least, int scale)
{
  const json_t *member = member_at(fields, name, false);
  struct decimal lowest = decimal_of_text(least);
  struct decimal decimal;

  if (member == NULL) {
    return least;
  }
  if (!json_is_number(member) || !decimal_of_number(member, &decimal) || (int)decimal.scale > scale || decimal_is_less(&decimal, &lowest)) {
    fields_mistake(fields, name, "must be a number of at least %s with at most %d digits, at most %d of them behind the point", least, DECIMAL_DIGITS_MAX,
                   scale);
    return least;
  }
  assert(fields->decimal_count < FIELDS_DECIMALS_MAX);
  decimal_write(&decimal, fields->decimals[fields->decimal_count]);
  return fields->decimals[fields->decimal_count++];
}

/* --- lists --- */

const json_t *fields_array(struct fields *fields, const char *name, size_t least, size_t most)
{
  const json_t *member = member_at(fields, name, false);

  if (member == NULL) {
    return NULL;
  }
  if (!json_is_array(member)) {
    fields_mistake(fields, name, "must be a list");
    return NULL;
  }
  if (json_array_size(member) < least || json_array_size(member) > most) {
    fields_mistake(fields, name, "must have %zu to %zu members, has %zu", least, most, json_array_size(member));
    return NULL;
  }
  return member;
}
