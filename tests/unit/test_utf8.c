#include <criterion/criterion.h>

#include "utf8.h"

Test(utf8, every_code_point_is_written_and_read_back)
{
  for (uint32_t code = 0; code <= 0x10ffff; code++) {
    char bytes[UTF8_MAX_BYTES];
    size_t length = utf8_encode(code, bytes);
    bool is_surrogate = code >= 0xd800 && code <= 0xdfff;

    cr_assert_eq(length, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
    cr_assert_eq(utf8_is_valid(span_of(bytes, length)), !is_surrogate, "U+%04X", code);
    for (size_t cut = 1; cut < length; cut++) {
      cr_assert_not(utf8_is_valid(span_of(bytes, cut)), "U+%04X cut to %zu bytes", code, cut);
    }
  }
}

Test(utf8, two_characters_have_known_bytes)
{
  char bytes[UTF8_MAX_BYTES];

  cr_expect(span_is(span_of(bytes, utf8_encode(0x20ac, bytes)), "\xe2\x82\xac"));
  cr_expect(span_is(span_of(bytes, utf8_encode(0x1f600, bytes)), "\xf0\x9f\x98\x80"));
}

Test(utf8, damage_is_found_at_any_place_of_a_long_text)
{
  static const char *const damaged[] = {"\x80",
                                        "\xbf",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xc2",
                                        "\xc2\x20",
                                        "\xc2\xc2",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xed\xbf\xbf",
                                        "\xe2\x82",
                                        "\xe2\x82\x20",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xf8\x88\x80\x80\x80",
                                        "\xfe",
                                        "\xff"};

  for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
    for (size_t at = 0; at <= 24; at++) {
      char text[40];
      size_t length = strlen(damaged[i]);

      memset(text, 'a', sizeof(text));
      cr_assert(utf8_is_valid(span_of(text, 24 + length)));
      memcpy(text + at, damaged[i], length);
      cr_assert_not(utf8_is_valid(span_of(text, 24 + length)), "case %zu at %zu", i, at);
    }
  }
}

Test(utf8, an_empty_text_is_valid)
{
  cr_expect(utf8_is_valid(span_of("", 0)));
  cr_expect(utf8_is_valid(span_of(NULL, 0)));
}
