#include "fields.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static json_t *json_of(const char *text)
{
  json_error_t error;
  json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);

  cr_assert_not_null(json, "%s: %s", text, error.text);
  return json;
}

/* The only mistake. */
static void assert_mistake(const struct fields *fields, const char *field, const char *words)
{
  cr_assert_eq(fields->mistake_count, 1, "%zu mistakes", fields->mistake_count);
  cr_assert_str_eq(fields->mistakes[0].field, field);
  cr_assert_not_null(strstr(fields->mistakes[0].text, words), "%s", fields->mistakes[0].text);
}

static void assert_sound(const struct fields *fields)
{
  cr_assert_eq(fields->mistake_count, 0, "%s %s", fields->mistakes[0].field, fields->mistakes[0].text);
}

Test(fields, sound_members_are_read)
{
  json_t *json =
      json_of("{\"name\": \"Ann\", \"mail\": \"ann@example.org\", \"price\": 19.90, \"currency\": \"KRW\", \"count\": 3, \"items\": [1], \"more\": {}}");
  struct fields fields = fields_of(json);

  cr_assert_str_eq(fields_text(&fields, "name", 1, 3), "Ann");
  cr_assert_str_eq(fields_optional_text(&fields, "name", 3, 3), "Ann");
  cr_assert_null(fields_optional_text(&fields, "nickname", 1, 3));
  cr_assert_str_eq(fields_email(&fields, "mail"), "ann@example.org");
  cr_assert_str_eq(fields_decimal(&fields, "price", "0.01", 2), "19.9");
  cr_assert_str_eq(fields_currency(&fields, "currency"), "KRW");
  cr_assert_eq(fields_integer(&fields, "count", 1, 3), 3);
  cr_assert_eq(fields_array(&fields, "items", 1, 1), json_object_get(json, "items"));
  assert_sound(&fields);
  json_decref(json);
}

Test(fields, all_mistakes_are_noted_and_what_is_returned_does_no_harm)
{
  static const char *const documents[] = {
      "{}",
      "{\"text\": null, \"mail\": null, \"currency\": null, \"count\": null, \"price\": null, \"items\": null}",
      "{\"text\": 1, \"mail\": 1, \"currency\": 1, \"count\": \"12\", \"price\": \"12\", \"items\": {}}",
      "{\"text\": {}, \"mail\": [], \"currency\": true, \"count\": 12.0, \"price\": true, \"items\": \"[]\"}",
      "{\"text\": [], \"mail\": {}, \"currency\": {}, \"count\": [], \"price\": {}, \"items\": 5}",
  };

  for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
    json_t *json = json_of(documents[i]);
    struct fields fields = fields_of(json);

    cr_assert_str_eq(fields_text(&fields, "text", 1, 10), "");
    cr_assert_str_eq(fields_email(&fields, "mail"), "");
    cr_assert_str_eq(fields_currency(&fields, "currency"), "");
    cr_assert_eq(fields_integer(&fields, "count", 2, 20), 2);
    cr_assert_str_eq(fields_decimal(&fields, "price", "0.01", 2), "0.01");
    cr_assert_null(fields_array(&fields, "items", 0, 9));
    cr_assert_eq(fields.mistake_count, 6, "%s: %zu", documents[i], fields.mistake_count);
    cr_assert_str_eq(fields.mistakes[0].field, "text");
    cr_assert_str_eq(fields.mistakes[5].field, "items");
    if (i < 2) {
      cr_assert_str_eq(fields.mistakes[3].text, "is missing");
    }
    json_decref(json);
  }
}

Test(fields, a_document_that_is_no_object_is_one_mistake_without_a_name)
{
  static const char *const documents[] = {"[]", "\"text\"", "5", "null", "true"};

  for (size_t i = 0; i <= sizeof(documents) / sizeof(*documents); i++) {
    json_t *json = i < sizeof(documents) / sizeof(*documents) ? json_of(documents[i]) : NULL;
    struct fields fields = fields_of(json);

    cr_assert_str_eq(fields_text(&fields, "text", 1, 10), "");
    cr_assert_null(fields_optional_text(&fields, "text", 1, 10));
    cr_assert_eq(fields_integer(&fields, "count", 2, 20), 2);
    cr_assert_null(fields_array(&fields, "items", 0, 9));
    assert_mistake(&fields, "", "must be a JSON object");
    json_decref(json);
  }
}

Test(fields, mistakes_in_members_carry_their_prefix_to_the_document)
{
  json_t *json = json_of("{\"items\": [{\"quantity\": 0}, 7]}");
  struct fields fields = fields_of(json);
  const json_t *items = fields_array(&fields, "items", 1, 10);

  for (size_t i = 0; i < json_array_size(items); i++) {
    char prefix[32];
    struct fields item;

    (void)snprintf(prefix, sizeof(prefix), "items[%zu].", i);
    item = fields_of_member(json_array_get(items, i), prefix);
    (void)fields_integer(&item, "quantity", 1, 100);
    fields_append(&fields, &item);
  }
  cr_assert_eq(fields.mistake_count, 2);
  cr_assert_str_eq(fields.mistakes[0].field, "items[0].quantity");
  cr_assert_str_eq(fields.mistakes[0].text, "must be a whole number from 1 to 100");
  cr_assert_str_eq(fields.mistakes[1].field, "items[1]");
  cr_assert_str_eq(fields.mistakes[1].text, "must be a JSON object");
  json_decref(json);
}

Test(fields, further_mistakes_are_counted)
{
  struct fields fields = fields_of(NULL);
  struct fields all = fields_of(NULL);

  for (int i = 1; i < FIELDS_MISTAKES_MAX + 5; i++) {
    fields_mistake(&fields, "x", "number %d", i);
  }
  cr_assert_eq(fields.mistake_count, FIELDS_MISTAKES_MAX + 5);
  cr_assert_str_eq(fields.mistakes[FIELDS_MISTAKES_MAX - 1].text, "number 15");
  fields_append(&all, &fields);
  cr_assert_eq(all.mistake_count, FIELDS_MISTAKES_MAX + 6);
  cr_assert_str_eq(all.mistakes[FIELDS_MISTAKES_MAX - 1].text, "number 14");
}

/* Else the answer, which is JSON, could not be made of them. */
Test(fields, words_that_had_to_be_cut_stay_utf8)
{
  for (size_t shift = 0; shift < 3; shift++) {
    char text[300];
    struct fields fields = {.prefix = ""};
    json_t *json;

    memset(text, 'x', shift);
    for (size_t at = shift; at < sizeof(text); at += 3) {
      (void)snprintf(text + at, sizeof(text) - at, "\xea\xb0\x80");
    }
    fields_mistake(&fields, text, "%s", text);
    json = json_pack("{s:s, s:s}", "field", fields.mistakes[0].field, "text", fields.mistakes[0].text);
    cr_assert_not_null(json);
    cr_assert(strlen(fields.mistakes[0].text) >= FIELDS_TEXT_MAX - 3);
    json_decref(json);
  }
}

Test(fields, texts_are_measured_in_characters)
{
  static const struct {
    const char *json;
    size_t least, most;
    const char *words; /* NULL: sound */
  } cases[] = {
      {"\"abc\"", 1, 3, NULL},
      {"\"abcd\"", 1, 3, "must have 1 to 3 characters, has 4"},
      {"\"ab\"", 3, 9, "must have 3 to 9 characters, has 2"},
      {"\"\xea\xb0\x80\xeb\x82\x98\xeb\x8b\xa4\"", 3, 3, NULL},
      {"\"\xf0\x9f\x90\x98\xf0\x9f\x90\x98\"", 2, 2, NULL},
      {"\"\\ud83d\\udc18\"", 1, 1, NULL},
      {"\"\"", 1, 3, "must not be blank"},
      {"\"\"", 0, 3, NULL},
      {"\"  \"", 0, 3, NULL},
      {"\"  \"", 1, 3, "must not be blank"},
      {"\" \\t\\n\xe3\x80\x80\xc2\xa0\"", 1, 9, "must not be blank"},
      {"\" a \"", 1, 2, "has 3"},
      {"\"a\\nb\"", 1, 9, NULL},
      {"\"a\\u0000b\"", 1, 9, "U+0000"},
      {"\"\\u0000\"", 0, 9, "U+0000"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    json_t *json = json_object();
    struct fields fields;

    json_object_set_new(json, "t", json_of(cases[i].json));
    fields = fields_of(json);
    if (cases[i].words != NULL) {
      cr_assert_str_eq(fields_text(&fields, "t", cases[i].least, cases[i].most), "");
      assert_mistake(&fields, "t", cases[i].words);
      cr_assert_null(fields_optional_text(&fields, "t", cases[i].least, cases[i].most));
      cr_assert_eq(fields.mistake_count, 2);
    } else {
      cr_assert_str_eq(fields_text(&fields, "t", cases[i].least, cases[i].most), json_string_value(json_object_get(json, "t")));
      assert_sound(&fields);
    }
    json_decref(json);
  }
}

/* jansson refuses it in a document; a program may have made it by hand. */
Test(fields, a_text_that_is_not_utf8_is_a_mistake)
{
  json_t *json = json_object();
  struct fields fields;

  json_object_set_new(json, "t", json_string_nocheck("a\xff"));
  fields = fields_of(json);
  cr_assert_str_eq(fields_text(&fields, "t", 1, 9), "");
  assert_mistake(&fields, "t", "UTF-8");
  json_decref(json);
}

Test(fields, addresses_of_mail_have_one_at_and_no_space)
{
  static const char *const sound[] = {"a@b", "ann.o'neil+x@example.org", "\xea\xb0\x80@\xeb\x82\x98.kr"};
  static const char *const unsound[] = {"", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", " a@b", "a@b ", "a\t@b", "a\n@b", "a\x7f@b", "a\xe3\x80\x80@b"};
  char longest[256];

  for (size_t i = 0; i < sizeof(sound) / sizeof(*sound) + 1; i++) {
    const char *text = i < sizeof(sound) / sizeof(*sound) ? sound[i] : longest;
    json_t *json;
    struct fields fields;

    memset(longest, 'x', sizeof(longest));
    longest[1] = '@';
    longest[254] = '\0';
    json = json_pack("{s:s}", "m", text);
    fields = fields_of(json);
    cr_assert_str_eq(fields_email(&fields, "m"), text);
    assert_sound(&fields);
    json_decref(json);
  }
  longest[254] = 'x';
  longest[255] = '\0';
  for (size_t i = 0; i < sizeof(unsound) / sizeof(*unsound) + 1; i++) {
    json_t *json = json_pack("{s:s}", "m", i < sizeof(unsound) / sizeof(*unsound) ? unsound[i] : longest);
    struct fields fields = fields_of(json);

    cr_assert_str_eq(fields_email(&fields, "m"), "", "case %zu", i);
    assert_mistake(&fields, "m", "e-mail");
    json_decref(json);
  }
}

Test(fields, an_address_with_a_zero_in_it_is_refused)
{
  json_t *json = json_of("{\"m\": \"a@b\\u0000c\"}");
  struct fields fields = fields_of(json);

  cr_assert_str_eq(fields_email(&fields, "m"), "");
  assert_mistake(&fields, "m", "e-mail");
  json_decref(json);
}

Test(fields, currencies_are_active_codes)
{
  static const char *const active[] = {"AED", "KRW", "USD", "EUR", "JPY", "XCG", "VED", "SLE", "ZWG", "GBP", "MRU", "BYN"};
  static const char *const others[] = {"", "usd", "Usd", "US", "USDX", "DEM", "HRK", "BGN", "ANG", "ZWL", "QQQ", "XTS", "XXX", "$", "U D"};

  for (size_t i = 0; i < sizeof(active) / sizeof(*active); i++) {
    json_t *json = json_pack("{s:s}", "c", active[i]);
    struct fields fields = fields_of(json);

    cr_assert_str_eq(fields_currency(&fields, "c"), active[i]);
    assert_sound(&fields);
    json_decref(json);
  }
  for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
    json_t *json = json_pack("{s:s}", "c", others[i]);
    struct fields fields = fields_of(json);

    cr_assert_str_eq(fields_currency(&fields, "c"), "", "%s", others[i]);
    assert_mistake(&fields, "c", "ISO 4217");
    json_decref(json);
  }
}

/* Found by its binary search: a table out of order would lose some. The count is that of the standard's table with its amendments up to 180, less XTS and XXX. */
Test(fields, every_currency_of_the_table_is_found)
{
  size_t count = 0;

  for (int code = 0; code < 26 * 26 * 26; code++) {
    char text[4] = {(char)('A' + code / 676), (char)('A' + code / 26 % 26), (char)('A' + code % 26), '\0'};
    json_t *json = json_pack("{s:s}", "c", text);
    struct fields fields = fields_of(json);

    count += fields_currency(&fields, "c")[0] != '\0';
    json_decref(json);
  }
  cr_assert_eq(count, 176, "%zu", count);
}

Test(fields, integers_are_exact_and_within_their_limits)
{
  static const struct {
    const char *json;
    int64_t least, most;
    bool is_sound;
  } cases[] = {
      {"1", 1, 1, true},
      {"0", 1, 9, false},
      {"10", 1, 9, false},
      {"-1", -1, 0, true},
      {"9007199254740993", 0, INT64_MAX, true}, /* 2^53 + 1: no double */
      {"9223372036854775807", INT64_MIN, INT64_MAX, true},
      {"-9223372036854775808", INT64_MIN, INT64_MAX, true},
      {"12.0", 0, 100, false},
      {"1e1", 0, 100, false},
      {"\"12\"", 0, 100, false},
      {"true", 0, 100, false},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    json_t *json = json_object();
    struct fields fields;
    int64_t value;

    json_object_set_new(json, "n", json_of(cases[i].json));
    fields = fields_of(json);
    value = fields_integer(&fields, "n", cases[i].least, cases[i].most);
    cr_assert_eq(fields.mistake_count, cases[i].is_sound ? 0 : 1, "%s", cases[i].json);
    cr_assert_eq(value, cases[i].is_sound ? strtoll(cases[i].json, NULL, 10) : cases[i].least, "%s", cases[i].json);
    json_decref(json);
  }
}

static const struct {
  const char *json;
  const char *least;
  int scale;
  const char *text; /* NULL: a mistake */
} decimals[] = {
    {"19.99", "0.01", 2, "19.99"},
    {"19.90", "0.01", 2, "19.9"},
    {"20.00", "0.01", 2, "20"},
    {"100", "0", 2, "100"},
    {"0", "0", 2, "0"},
    {"0.0", "0", 2, "0"},
    {"-0.0", "0", 2, "0"},
    {"0.1", "0.01", 2, "0.1"},
    {"0.3", "0", 1, "0.3"},
    {"0.01", "0.01", 2, "0.01"},
    {"0.005", "0", 2, NULL},
    {"0.001", "0", 3, "0.001"},
    {"0.000000000000001", "0", 15, "0.000000000000001"},
    {"1e-15", "0", 15, "0.000000000000001"},
    {"1e-16", "0", 20, NULL},
    {"1e-300", "0", 20, NULL},
    {"1e2", "0", 0, "100"},
    {"1.5e3", "0", 0, "1500"},
    {"1.25e1", "0", 1, "12.5"},
    {"12.5E-1", "0", 2, "1.25"},
    {"1e14", "0", 0, "100000000000000"},
    {"1e15", "0", 0, NULL},
    {"1e300", "0", 0, NULL},
    {"1.7976931348623157e308", "0", 0, NULL},
    {"999999999999999", "0", 0, "999999999999999"},
    {"1000000000000000", "0", 0, NULL},
    {"9007199254740993", "0", 0, NULL},
    {"9223372036854775807", "0", 0, NULL},
    {"-9223372036854775808", "-9999999999999999999", 0, NULL},
    {"9999999999999.99", "0", 2, "9999999999999.99"},
    {"99999999999999.99", "0", 2, NULL},
    {"0.1234567890123456", "0", 16, NULL},
    {"0.30000000000000004", "0", 17, NULL}, /* 0.1 + 0.2 */
    {"1.10", "1.1", 2, "1.1"},
    {"1.09", "1.1", 2, NULL},
    {"2", "10", 2, NULL},
    {"10", "9", 2, "10"},
    {"0.02", "0.1", 2, NULL},
    {"0.009", "0.01", 3, NULL},
    {"0", "0.01", 2, NULL},
    {"-0.01", "0", 2, NULL},
    {"-5", "-5", 0, "-5"},
    {"-5.01", "-5", 2, NULL},
    {"-4.99", "-5", 2, "-4.99"},
    {"3", "-5", 0, "3"},
    {"-0.5", "-0.50", 1, "-0.5"},
    {"\"1\"", "0", 0, NULL},
    {"true", "0", 0, NULL},
};

static void expect_decimals(void)
{
  for (size_t i = 0; i < sizeof(decimals) / sizeof(*decimals); i++) {
    json_t *json = json_object();
    struct fields fields;
    const char *text;

    json_object_set_new(json, "d", json_of(decimals[i].json));
    fields = fields_of(json);
    text = fields_decimal(&fields, "d", decimals[i].least, decimals[i].scale);
    cr_expect_str_eq(text, decimals[i].text != NULL ? decimals[i].text : decimals[i].least, "%s gave %s", decimals[i].json, text);
    cr_expect_eq(fields.mistake_count, decimals[i].text != NULL ? 0 : 1, "%s", decimals[i].json);
    json_decref(json);
  }
}

Test(fields, decimals_are_the_shortest_text_without_an_exponent)
{
  expect_decimals();
}

Test(fields, decimals_do_not_depend_on_the_locale)
{
  if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "ko_KR.UTF-8") == NULL) {
    cr_log_info("no other locale is installed");
  }
  expect_decimals();
}

/* Every amount that a shop can ask for comes out as it was written. */
Test(fields, amounts_survive_the_way_through_a_double)
{
  uint64_t state = 1;

  for (int round = 0; round < 200000; round++) {
    char written[32];
    char document[64];
    json_t *json;
    struct fields fields;
    const char *text;
    size_t length;

    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    length = (size_t)snprintf(written, sizeof(written), "%llu.%02u", (unsigned long long)((state >> 20) % UINT64_C(10000000000000) >> state % 40),
                              (unsigned int)((state >> 8) % 100));
    (void)snprintf(document, sizeof(document), "{\"d\": %s}", written);
    json = json_of(document);
    fields = fields_of(json);
    text = fields_decimal(&fields, "d", "0", 2);
    while (written[length - 1] == '0') {
      written[--length] = '\0';
    }
    if (written[length - 1] == '.') {
      written[--length] = '\0';
    }
    cr_assert_str_eq(text, written);
    assert_sound(&fields);
    json_decref(json);
  }
}

Test(fields, decimals_of_one_object_do_not_overwrite_each_other)
{
  json_t *json = json_of("{\"a\": 1.5, \"b\": 2.5, \"c\": 3.5}");
  struct fields fields = fields_of(json);
  const char *a = fields_decimal(&fields, "a", "0", 1);
  const char *b = fields_decimal(&fields, "b", "0", 1);
  const char *c = fields_decimal(&fields, "c", "0", 1);

  cr_assert_str_eq(a, "1.5");
  cr_assert_str_eq(b, "2.5");
  cr_assert_str_eq(c, "3.5");
  json_decref(json);
}

Test(fields, lists_have_a_size)
{
  json_t *json = json_of("{\"l\": [1, 2]}");
  struct fields fields = fields_of(json);

  cr_assert_not_null(fields_array(&fields, "l", 2, 2));
  assert_sound(&fields);
  cr_assert_null(fields_array(&fields, "l", 3, 9));
  assert_mistake(&fields, "l", "must have 3 to 9 members, has 2");
  cr_assert_null(fields_array(&fields, "l", 0, 1));
  cr_assert_eq(fields.mistake_count, 2);
  json_decref(json);
}
