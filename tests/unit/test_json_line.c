#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "dice.h"
#include "json_line.h"
#include "load.h"
#include "names.h"

#include <criterion/criterion.h>

/* What was written, as one JSON object. The caller's to give back. */
static json_t *written(struct json_line *line)
{
  int ends[2];
  char text[65536];
  ssize_t length;
  json_t *object;

  cr_assert_eq(pipe(ends), 0);
  json_line_write(line, ends[1]);
  length = read(ends[0], text, sizeof(text));
  (void)close(ends[0]);
  (void)close(ends[1]);
  cr_assert_gt(length, 0);
  cr_assert_eq(text[length - 1], '\n');
  object = json_loadb(text, (size_t)length, 0, NULL);
  cr_assert_not_null(object, "%.*s", (int)length, text);
  return object;
}

Test(json_line, members_and_arrays_are_what_a_reader_of_json_sees)
{
  struct json_line line = {0};
  json_t *object;

  json_line_begin(&line, "commit");
  json_line_string(&line, "text", "a\"\\\n\x01 \xE6\xBC\xA2");
  json_line_string(&line, "null", NULL);
  json_line_number(&line, "number", INT64_MIN);
  json_line_open(&line, "events", '[');
  for (int i = 0; i < 2; i++) {
    json_line_open(&line, NULL, '{');
    json_line_number(&line, "n", i);
    json_line_close(&line, '}');
  }
  json_line_close(&line, ']');
  json_line_open(&line, "undone", '[');
  json_line_string(&line, NULL, "x");
  json_line_string(&line, NULL, "y");
  json_line_close(&line, ']');
  object = written(&line);
  cr_assert_str_eq(json_string_value(json_object_get(object, "op")), "commit");
  cr_assert_gt(json_integer_value(json_object_get(object, "t")), INT64_C(1500000000000000));
  cr_assert_str_eq(json_string_value(json_object_get(object, "text")), "a\"\\\n\x01 \xE6\xBC\xA2");
  cr_assert(json_is_null(json_object_get(object, "null")));
  cr_assert_eq(json_integer_value(json_object_get(object, "number")), INT64_MIN);
  cr_assert_eq(json_array_size(json_object_get(object, "events")), 2);
  cr_assert_str_eq(json_string_value(json_array_get(json_object_get(object, "undone"), 1)), "y");
  json_decref(object);
  json_line_done(&line);
}

Test(json_line, bytes_that_are_no_text_are_written_in_hexadecimal_digits)
{
  static const struct {
    const char *bytes;
    size_t length;
    const char *text;
  } cases[] = {
      {"\xFF", 1, "hex:ff"},
      {"a\0b", 3, "hex:610062"},
      {"\xC0\xAF", 2, "hex:c0af"},
      {"\xED\xA0\x80", 3, "hex:eda080"},
      {"\xF4\x90\x80\x80", 4, "hex:f4908080"},
      {"\xE6\xBC", 2, "hex:e6bc"},
      {"\xF4\x8F\xBF\xBF", 4, "\xF4\x8F\xBF\xBF"},
      {"\xC2\x80", 2, "\xC2\x80"},
      {"", 0, ""},
  };
  struct json_line line = {0};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    json_t *object;

    json_line_begin(&line, "read");
    json_line_text(&line, "key", cases[i].bytes, cases[i].length);
    object = written(&line);
    cr_assert_str_eq(json_string_value(json_object_get(object, "key")), cases[i].text, "case %zu", i);
    json_decref(object);
  }
  json_line_done(&line);
}

Test(load, every_payload_is_json_and_holds_its_key)
{
  const struct load load = {.key_prefix = "k"};
  struct dice dice = {.state = 7};
  struct json_line payload = {0};

  for (uint32_t i = 0; i < 500; i++) {
    char key[LOAD_KEY_MAX_BYTES], whole[8192];
    json_t *object;
    json_error_t error;

    load_key(&load, i, key);
    load_payload(&dice, key, i * 3, &payload);
    cr_assert_geq(payload.length, (size_t)i * 3);
    (void)snprintf(whole, sizeof(whole), "{\"n\":%u%s", i, payload.bytes);
    for (char *huge = strstr(whole, "1e400"); huge != NULL; huge = strstr(huge, "1e400")) {
      memcpy(huge, "1e100", 5); /* PostgreSQL takes it, jansson does not */
    }
    object = json_loads(whole, JSON_ALLOW_NUL, &error);
    cr_assert_not_null(object, "%s: %s", error.text, whole);
    cr_assert_str_eq(json_string_value(json_object_get(object, "key")), key);
    cr_assert_eq(json_integer_value(json_object_get(object, "n")), i);
    json_decref(object);
  }
  json_line_done(&payload);
}

Test(load, the_same_seed_makes_the_same_payloads)
{
  struct dice one = {.state = 7}, other = {.state = 7};
  struct json_line a = {0}, b = {0};

  for (int i = 0; i < 20; i++) {
    load_payload(&one, "k", 900, &a);
    load_payload(&other, "k", 900, &b);
    cr_assert_str_eq(a.bytes, b.bytes);
  }
  json_line_done(&a);
  json_line_done(&b);
}

Test(load, the_hash_is_sha_256)
{
  char hex[65];

  load_sha256("abc", 3, hex);
  cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-2, B.1 */
}

Test(dice, stay_within_what_was_asked_and_reach_both_ends)
{
  struct dice dice = {.state = 3};
  bool has_least = false, has_most = false;
  int small = 0;

  for (int i = 0; i < 20000; i++) {
    uint32_t rolled = dice_skewed(&dice, 2, 9);

    cr_assert(rolled >= 2 && rolled <= 9);
    has_least = has_least || rolled == 2;
    has_most = has_most || rolled == 9;
    small += rolled <= 4 ? 1 : 0;
    cr_assert_eq(dice_skewed(&dice, 5, 5), 5);
    cr_assert_lt(dice_below(&dice, 3), 3);
  }
  cr_assert(has_least && has_most);
  cr_assert_gt(small, 10000);
}

Test(names, a_text_has_one_number_however_many_there_are)
{
  struct names names = {0};
  char text[16];

  for (int round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < 5000; i++) {
      (void)snprintf(text, sizeof(text), "name %u", i);
      cr_assert_eq(names_add(&names, text), i);
    }
  }
  cr_assert_eq(names.count, 5000);
  cr_assert_str_eq(names_text(&names, 4321), "name 4321");
  cr_assert_str_eq(names_text(&names, NAME_NONE), "-");
  names_done(&names);
}
