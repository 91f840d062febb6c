/* test_json_scanner.c - the scanner by table; against another parser: test_json_differential.c. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "decode/json_scanner.h"

static const char *const accepted[] = {"null",
                                       "true",
                                       "false",
                                       "0",
                                       "-0",
                                       "1",
                                       "-1",
                                       "10",
                                       "0.5",
                                       "-0.5e+10",
                                       "1E5",
                                       "1e-5",
                                       "123456789012345678901234567890.5",
                                       "1e400",
                                       "\"\"",
                                       "\"a\"",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
                                       "\"\\u0000\"",
                                       "\"\\ud800\"",
                                       "\"\x7f\"",
                                       "\"\xe2\x80\xa8\"",
                                       "\"\xef\xbf\xbf\"",
                                       "\"\xf4\x8f\xbf\xbf\"",
                                       "[]",
                                       "{}",
                                       "[ ]",
                                       "{ }",
                                       " [ 1 , 2 ] ",
                                       "[[],[[]],{}]",
                                       "{\"a\":1}",
                                       "{\"a\":1,\"a\":2}",
                                       "\t\r\n{ \"a\" : { \"b\" : [ null ] } , \"c\" : \"d\" }\n",
                                       "{\"\":\"\"}",
                                       "[\"12345678\\\\\",\"1234567\\\"\"]"};

static const char *const refused[] = {"",
                                      " ",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "NaN",
                                      "Infinity",
                                      "-",
                                      "+1",
                                      "01",
                                      "-01",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "1 2",
                                      "\"",
                                      "\"a",
                                      "\"\\\"",
                                      "\"\\",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\\u-123\"",
                                      "\"\n\"",
                                      "\"\t\"",
                                      "\"\x01\"",
                                      "\"12345678\x1f\"",
                                      "'a'",
                                      "\"\x80\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf5\x80\x80\x80\"",
                                      "[",
                                      "]",
                                      "{",
                                      "}",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[,]",
                                      "[1 2]",
                                      "[1}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\" 1}",
                                      "{\"a\":1",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{1:2}",
                                      "{a:1}",
                                      "{\"a\":1]",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":1,,\"b\":2}",
                                      "[]]",
                                      "[] []",
                                      "{}x",
                                      "\xef\xbb\xbf{}",
                                      "/**/1"};

Test(json_scanner, what_postgresql_takes_as_json_is_accepted_and_nothing_else)
{
  for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
    cr_expect(json_validate(span_of_text(accepted[i])), "%s", accepted[i]);
  }
  for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
    cr_expect_not(json_validate(span_of_text(refused[i])), "%s", refused[i]);
  }
  cr_expect_not(json_validate(span_of(NULL, 0)));
  cr_expect_not(json_validate(span_of("1\0", 2)));
  cr_expect_not(json_validate(span_of("\"a\0\"", 4)));
}

Test(json_scanner, depth_ends_at_its_limit)
{
  enum { LEVELS = JSON_DEPTH_MAX + 1 };
  static char text[2 * LEVELS];

  for (size_t levels = JSON_DEPTH_MAX; levels <= LEVELS; levels++) {
    memset(text, '[', levels);
    memset(text + levels, ']', levels);
    cr_expect_eq(json_validate(span_of(text, 2 * levels)), levels <= JSON_DEPTH_MAX);
  }
  memset(text, '[', sizeof(text));
  cr_expect_not(json_validate(span_of(text, sizeof(text))));
}

Test(json_scanner, brackets_of_both_kinds_close_in_their_order_at_every_depth)
{
  enum { LEVELS = 100 };
  char text[LEVELS * 8];
  size_t length = 0;
  size_t innermost;

  for (size_t i = 0; i < LEVELS; i++) {
    const char *open = i % 3 == 0 ? "[" : "{\"a\":";

    memcpy(text + length, open, strlen(open));
    length += strlen(open);
  }
  text[length++] = '1';
  innermost = length;
  for (size_t i = LEVELS; i-- > 0;) {
    text[length++] = i % 3 == 0 ? ']' : '}';
  }
  cr_expect(json_validate(span_of(text, length)));
  for (size_t at = innermost; at < length; at++) {
    text[at] = text[at] == ']' ? '}' : ']';
    cr_expect_not(json_validate(span_of(text, length)));
    text[at] = text[at] == ']' ? '}' : ']';
  }
}

Test(json_scanner, members_come_with_the_raw_text_of_their_values)
{
  struct json_scanner scanner;
  struct json_value name;
  struct json_value value;
  static const struct {
    const char *name;
    enum json_kind kind;
    const char *raw;
  } expected[] = {{"\"a\"", JSON_KIND_OBJECT, "{ \"x\" :\t[1, 2.50]}"},
                  {"\"b\\n\"", JSON_KIND_STRING, "\"c\\\"\""},
                  {"\"d\"", JSON_KIND_NUMBER, "-1.50e3"},
                  {"\"e\"", JSON_KIND_TRUE, "true"},
                  {"\"f\"", JSON_KIND_FALSE, "false"},
                  {"\"g\"", JSON_KIND_NULL, "null"},
                  {"\"h\"", JSON_KIND_ARRAY, "[]"}};

  json_scanner_init(&scanner,
                    span_of_text(" { \"a\" : { \"x\" :\t[1, 2.50]} , \"b\\n\":\"c\\\"\",\"d\":-1.50e3 ,\"e\":true,\"f\":false,\"g\":null,\"h\":[] } "));
  cr_assert(json_object_begin(&scanner));
  for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
    cr_assert(json_object_next(&scanner, &name));
    cr_expect(span_is(name.raw, expected[i].name));
    cr_assert(json_read(&scanner, &value));
    cr_expect_eq(value.kind, expected[i].kind);
    cr_expect(span_is(value.raw, expected[i].raw), "%.*s", (int)value.raw.length, value.raw.data);
  }
  cr_expect_not(json_object_next(&scanner, &name));
  cr_expect(json_finish(&scanner));
}

Test(json_scanner, a_caller_descends_into_arrays_and_objects)
{
  struct json_scanner scanner;
  struct json_value name;
  struct json_value value;
  char seen[64] = "";

  json_scanner_init(&scanner, span_of_text("[{\"a\":1,\"b\":[]},{},[2]]"));
  cr_assert(json_array_begin(&scanner));
  cr_assert(json_array_next(&scanner));
  cr_assert(json_object_begin(&scanner));
  while (json_object_next(&scanner, &name)) {
    strncat(seen, name.raw.data, name.raw.length);
    if (name.raw.data[1] == 'b') {
      cr_assert(json_array_begin(&scanner));
      cr_expect_not(json_array_next(&scanner));
    } else {
      cr_assert(json_read(&scanner, &value));
    }
  }
  cr_assert(json_array_next(&scanner));
  cr_assert(json_object_begin(&scanner));
  cr_expect_not(json_object_next(&scanner, &name));
  cr_assert(json_array_next(&scanner));
  cr_assert(json_read(&scanner, &value));
  cr_expect(span_is(value.raw, "[2]"));
  cr_expect_not(json_array_next(&scanner));
  cr_expect(json_finish(&scanner));
  cr_expect_str_eq(seen, "\"a\"\"b\"");
}

Test(json_scanner, once_failed_it_stays_failed)
{
  struct json_scanner scanner;
  struct json_value value = {.kind = JSON_KIND_TRUE};

  json_scanner_init(&scanner, span_of_text("x"));
  cr_expect_not(json_read(&scanner, &value));
  scanner.at = "1";
  scanner.end = scanner.at + 1;
  cr_expect_not(json_read(&scanner, &value));
  cr_expect_not(json_object_begin(&scanner));
  cr_expect_not(json_array_begin(&scanner));
  cr_expect_not(json_object_next(&scanner, &value));
  cr_expect_not(json_array_next(&scanner));
  cr_expect_not(json_finish(&scanner));
  cr_expect_eq(value.kind, JSON_KIND_TRUE);
}

Test(json_scanner, an_object_that_is_no_object_is_not_taken_for_an_empty_one)
{
  static const char *const texts[] = {"", "[]", "1", "{", "{\"a\":1", "{\"a\":1 \"b\":1}", "{\"a\":1,}", "{} {}"};

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct json_scanner scanner;
    struct json_value name;
    struct json_value value;

    json_scanner_init(&scanner, span_of_text(texts[i]));
    json_object_begin(&scanner);
    while (json_object_next(&scanner, &name)) {
      json_read(&scanner, &value);
    }
    cr_expect_not(json_finish(&scanner), "%s", texts[i]);
  }
}

/* NULL: no text can hold it. */
static const struct {
  const char *raw;
  const char *text;
} strings[] = {
    {"\"\"", ""},
    {"\"plain\"", "plain"},
    {"\"\\\"\"", "\""},
    {"\"a\\\\b\\/c\\bd\\fe\\nf\\rg\\th\"", "a\\b/c\bd\fe\nf\rg\th"},
    {"\"\\u0041\\u00e9\\u20AC\\uffff\"", "A\xc3\xa9\xe2\x82\xac\xef\xbf\xbf"},
    {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
    {"\"\\ud800\\udc00x\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80x\xf4\x8f\xbf\xbf"},
    {"\"\xf0\x9f\x98\x80\\n\"", "\xf0\x9f\x98\x80\n"},
    {"\"\\\\u0041\"", "\\u0041"},
    {"\"\\ud7ff\\ue000\"", "\xed\x9f\xbf\xee\x80\x80"},
    {"\"\\u0000\"", NULL},
    {"\"a\\u0000b\"", NULL},
    {"\"\\ud800\"", NULL},
    {"\"\\udc00\"", NULL},
    {"\"\\ud800x\"", NULL},
    {"\"\\ud800xudc00\"", NULL},
    {"\"\\ud800\\n\"", NULL},
    {"\"\\ud800\\u0041\"", NULL},
    {"\"\\ud800\\ud800\"", NULL},
    {"\"\\udc00\\ud800\"", NULL},
    {"\"\\ud83d\\\\ude00\"", NULL},
};

Test(json_scanner, strings_are_unescaped_or_refused)
{
  struct arena arena;

  arena_init(&arena, 64);
  for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
    struct json_scanner scanner;
    struct json_value value;
    struct span text = span_of_text("untouched");

    json_scanner_init(&scanner, span_of_text(strings[i].raw));
    cr_assert(json_read(&scanner, &value) && json_finish(&scanner), "%s", strings[i].raw);
    cr_expect_eq(json_unescape(value, &arena, &text), strings[i].text != NULL, "%s", strings[i].raw);
    cr_expect(span_is(text, strings[i].text != NULL ? strings[i].text : "untouched"), "%s is %.*s", strings[i].raw, (int)text.length, text.data);
    cr_expect(value.has_escapes || text.data == strings[i].raw + 1, "a text without escapes is not copied");
  }
  arena_done(&arena);
}

Test(json_scanner, only_strings_have_a_text)
{
  static const char *const texts[] = {"null", "true", "1", "[]", "{}"};

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    struct json_scanner scanner;
    struct json_value value;

    json_scanner_init(&scanner, span_of_text(texts[i]));
    cr_assert(json_read(&scanner, &value));
    cr_expect_not(json_unescape(value, NULL, &(struct span){0}));
  }
}
