/*
 * load_content.c - keys and payloads that are hard to carry: escapes of all kinds, characters of one to four bytes, line separators, blanks where JSON allows them,
 * numbers that no double holds, members given twice.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "load.h"

void load_key(const struct load *load, uint32_t key, char ret_key[LOAD_KEY_MAX_BYTES])
{
  static const char *const tails[] = {"", "", "", "", "", "", "-\xC3\xA9\xE6\xBC\xA2", "-\"\\", "- \xF0\x9F\x98\x80", "-'%s"};

  (void)snprintf(ret_key, LOAD_KEY_MAX_BYTES, "%.40s%u%s", load->key_prefix, key, tails[key % (sizeof(tails) / sizeof(*tails))]);
}

void load_payload(struct dice *dice, const char *key, uint32_t bytes, struct json_line *line)
{
  static const char *const pieces[] = {
      ",\"text\":\"plain words, and more of them\"",
      ",\"escapes\":\"\\u0000\\u0001\\u001f\\b\\f\\n\\r\\t\\/\\\\\\\"\"",
      ",\"characters\":\"\xC3\xA9\xC2\x80\xE6\xBC\xA2\xE2\x80\xA8\xE2\x80\xA9\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\"",
      ",\"surrogates\":\"\\ud83d\\ude00\"",
      " ,\t\"blanks\" : [ 1 ,2,\t3\n, {} , [ ] ]",
      ",\"numbers\":[-0,0.10,1e400,-1E-400,123456789012345678901234567890.123456789]",
      ",\"twice\":1,\"twice\":null,\"\":true",
      ",\"deep\":[[[[[[[[[[{\"a\":{\"b\":[false]}}]]]]]]]]]]",
      ",\"sql\":\"'; DROP TABLE outbox; -- $1 %s ${x} \\\\N\"",
  };

  line->length = 0;
  json_line_append(line, ",");
  json_line_string(line, "key", key);
  while (line->length < bytes) {
    json_line_append(line, pieces[dice_below(dice, sizeof(pieces) / sizeof(*pieces))]);
  }
  json_line_append(line, "}");
}

void load_sha256(const void *bytes, size_t length, char ret_hex[65])
{
  unsigned char digest[SHA256_DIGEST_LENGTH];

  (void)SHA256(bytes, length, digest);
  for (size_t i = 0; i < sizeof(digest); i++) {
    (void)snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
  }
}
