/*
 * table_name.c - identifiers as PostgreSQL's scanner reads them (src/backend/parser/scan.l): bare ones begin with a letter, `_` or a byte beyond ASCII and go
 * on with these, digits and `$`. Longer ones than 63 bytes are refused, where PostgreSQL would cut them with a notice.
 */
#include "config/table_name.h"

#include <stdbool.h>
#include <string.h>

enum { IDENTIFIER_MAX_BYTES = 63 };

static bool is_first(unsigned char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_further(unsigned char c)
{
  return is_first(c) || (c >= '0' && c <= '9') || c == '$';
}

/* Reads one identifier and moves *text behind it; NULL or what is wrong. */
static const char *read_identifier(const char **text, struct texts *texts, const char **ret_identifier)
{
  char *identifier = texts_alloc(texts, strlen(*text) + 1);
  const char *at = *text;
  size_t length = 0;

  if (*at == '"') {
    for (at++; *at != '"' || at[1] == '"'; at++) {
      if (*at == '\0') {
        return "a quoted name does not end";
      }
      at += *at == '"';
      identifier[length++] = *at;
    }
    at++;
  } else if (is_first((unsigned char)*at)) {
    for (; is_further((unsigned char)*at); at++) {
      identifier[length++] = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    }
  }
  if (length == 0) {
    return "expected [schema.]table; a name with other characters than letters, digits, _ and $ is written in double quotes";
  }
  if (length > IDENTIFIER_MAX_BYTES) {
    return "a name is longer than 63 bytes";
  }
  *text = at;
  *ret_identifier = identifier;
  return NULL;
}

/* As it was, or in quotes where folding or the scanner would read something else. */
static const char *displayed(const char *identifier, struct texts *texts)
{
  bool is_plain = is_first((unsigned char)identifier[0]);
  char *quoted, *at;

  for (const char *c = identifier; *c != '\0'; c++) {
    is_plain = is_plain && is_further((unsigned char)*c) && !(*c >= 'A' && *c <= 'Z');
  }
  if (is_plain) {
    return identifier;
  }
  at = quoted = texts_alloc(texts, 2 * strlen(identifier) + 3);
  *at++ = '"';
  for (const char *c = identifier; *c != '\0'; c++) {
    if (*c == '"') {
      *at++ = '"';
    }
    *at++ = *c;
  }
  *at = '"';
  return quoted;
}

const char *table_name_parse(const char *text, struct texts *texts, struct table_name *ret_name)
{
  struct table_name name = {.schema = "public"};
  const char *refusal = read_identifier(&text, texts, &name.table);

  if (refusal == NULL && *text == '.') {
    name.schema = name.table;
    text++;
    refusal = read_identifier(&text, texts, &name.table);
  }
  if (refusal != NULL) {
    return refusal;
  }
  if (*text == '.') {
    return "has more than two parts; expected [schema.]table, as a relay reads one database";
  }
  if (*text != '\0') {
    return "expected [schema.]table; a name with other characters than letters, digits, _ and $ is written in double quotes";
  }
  name.display = texts_format(texts, "%s.%s", displayed(name.schema, texts), displayed(name.table, texts));
  *ret_name = name;
  return NULL;
}
