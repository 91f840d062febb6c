/*
 * test_json_differential.c - the scanner against jansson on generated documents, whole and mutated. The two differ on purpose:
 *
 *   text                                jansson      here
 *   ----------------------------------  -----------  ------------------------------------------
 *   integer beyond 64 bits, real 1e400  refused      accepted: numbers are not converted
 *   \u0000, half of a surrogate pair    refused      accepted, refused by json_unescape()
 *   JSON_DEPTH_MAX                      as here, but counts a scalar as a level
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "backoff.h"
#include "decode/json_scanner.h"

static const char *const pieces[] = {"a",        "\\n",     "\\\"",    "\\\\", "\\u00e9", "\xc3\xa9", "\\ud83d\\ude00", "\xf0\x9f\x98\x80",
                                     "12345678", "\\/",     " ",       "\x7f", "\\u20ac", "\\b",      "\xe2\x80\xa8",   "\\ufffe",
                                     "\\ud800",  "\\u0000", "\\udc00", "\x01", "\\x"};
enum { PIECES = sizeof(pieces) / sizeof(pieces[0]), SOUND_PIECES = PIECES - 5 };
static const char *const scalars[] = {
    "null",  "true", "false", "0",  "-1", "1.5", "-0.25e-3", "9223372036854775807", "-9223372036854775808", "1E+10", "9223372036854775808",
    "1e400", "01",   "1.",    "nil"};
enum { SCALARS = sizeof(scalars) / sizeof(scalars[0]), SOUND_SCALARS = SCALARS - 5 };

static uint64_t below(uint64_t *state, uint64_t bound)
{
  return chance_next(state) % bound;
}

static void put_string(FILE *out, uint64_t *state, bool is_sound)
{
  fputc('"', out);
  for (uint64_t n = below(state, 6); n > 0; n--) {
    fputs(pieces[below(state, is_sound ? SOUND_PIECES : PIECES)], out);
  }
  fputc('"', out);
}

static void put_space(FILE *out, uint64_t *state)
{
  static const char *const spaces[] = {"", "", "", " ", "\n", "\t", "\r\n "};

  fputs(spaces[below(state, sizeof(spaces) / sizeof(spaces[0]))], out);
}

static void put_value(FILE *out, uint64_t *state, int depth)
{
  uint64_t kind = below(state, depth > 0 ? 10 : 6);
  bool is_sound = below(state, 50) != 0;

  put_space(out, state);
  if (kind < 3) {
    put_string(out, state, is_sound);
  } else if (kind < 6) {
    fputs(scalars[below(state, is_sound ? SOUND_SCALARS : SCALARS)], out);
  } else {
    bool is_object = kind >= 8;

    fputc(is_object ? '{' : '[', out);
    for (uint64_t n = below(state, 5); n > 0; n--) {
      if (is_object) {
        put_space(out, state);
        put_string(out, state, is_sound);
        put_space(out, state);
        fputc(':', out);
      }
      put_value(out, state, depth - 1);
      if (n > 1) {
        fputc(',', out);
      }
    }
    fputc(is_object ? '}' : ']', out);
  }
  put_space(out, state);
}

/* What the table above lists. */
static bool is_known_difference(const json_error_t *error)
{
  enum json_error_code code = json_error_code(error);

  return code == json_error_numeric_overflow || code == json_error_null_character || code == json_error_null_byte_in_key ||
         strstr(error->text, "invalid Unicode") != NULL;
}

/* Every string of a document, unescaped by both, in the order of the text; `names` also holds the names of members. */
static void compare_strings(struct json_scanner *scanner, const json_t *reference, struct arena *arena)
{
  struct json_value value;
  struct span text;

  if (json_is_array(reference)) {
    size_t index = 0;

    cr_assert(json_array_begin(scanner));
    while (json_array_next(scanner)) {
      compare_strings(scanner, json_array_get(reference, index), arena);
      index++;
    }
    cr_assert_eq(index, json_array_size(reference));
    return;
  }
  cr_assert(json_read(scanner, &value));
  if (json_is_string(reference)) {
    cr_assert(json_unescape(value, arena, &text));
    cr_assert(span_equals(text, span_of(json_string_value(reference), json_string_length(reference))));
  } else if (json_is_integer(reference)) {
    char number[32];

    snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(reference));
    cr_assert(value.kind == JSON_KIND_NUMBER && (span_is(value.raw, number) || span_is(value.raw, "-0")));
  } else {
    cr_assert_eq(value.kind, json_is_null(reference)    ? JSON_KIND_NULL
                             : json_is_true(reference)  ? JSON_KIND_TRUE
                             : json_is_false(reference) ? JSON_KIND_FALSE
                             : json_is_real(reference)  ? JSON_KIND_NUMBER
                                                        : JSON_KIND_OBJECT);
  }
}

struct tally {
  size_t both_accept, both_refuse, differ;
};

static void compare(const char *text, size_t length, struct arena *arena, struct tally *tally)
{
  json_error_t error;
  json_t *reference = json_loadb(text, length, JSON_DECODE_ANY, &error);
  char *exact = malloc(length);
  bool is_valid;

  memcpy(exact, text, length);
  is_valid = json_validate(span_of(exact, length));
  if (reference == NULL && is_valid) {
    cr_assert(is_known_difference(&error), "jansson refuses (%s): %.*s", error.text, (int)length, text);
    tally->differ++;
  } else {
    cr_assert_eq(is_valid, reference != NULL, "jansson accepts: %.*s", (int)length, text);
    tally->both_accept += is_valid;
    tally->both_refuse += !is_valid;
  }
  if (reference != NULL) {
    struct json_scanner scanner;

    json_scanner_init(&scanner, span_of(exact, length));
    compare_strings(&scanner, reference, arena);
    cr_assert(json_finish(&scanner));
  }
  arena_reset(arena);
  json_decref(reference);
  free(exact);
}

Test(json_differential, jansson_accepts_and_reads_the_same_documents)
{
  static const char alphabet[] = "\"\\{}[]:,01-.eEuntf \n\x01\x80\xc3\xff";
  uint64_t state = 20260102;
  struct arena arena;
  struct tally tally = {0};

  arena_init(&arena, 4096);
  for (int n = 0; n < 10000; n++) {
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    put_value(out, &state, 5);
    fclose(out);
    compare(text, length, &arena, &tally);
    for (int m = 0; m < 3 && length > 0; m++) {
      size_t at = below(&state, length);

      switch (below(&state, 3)) {
      case 0:
        text[at] = alphabet[below(&state, sizeof(alphabet) - 1)];
        break;
      case 1: /* a byte is lost */
        memmove(text + at, text + at + 1, length - at - 1);
        length--;
        break;
      default: /* the end is lost */
        length = below(&state, 8) == 0 ? at : length;
        break;
      }
      compare(text, length, &arena, &tally);
    }
    free(text);
  }
  arena_done(&arena);
  cr_expect_gt(tally.both_accept, 10000);
  cr_expect_gt(tally.both_refuse, 10000);
  cr_expect_gt(tally.differ, 100);
}
