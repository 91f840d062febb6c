/*
 * json_body.c - depth first: jansson descends up to 2048 levels, which is more than a request needs and than those who walk through the document like. A first
 * look at the brackets outside of strings tells the depth before any memory is taken.
 */
#include "json_body.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "service.h"

static const char *skip_blanks(const char *text)
{
  return text + strspn(text, " \t");
}

/* `text` stands behind `charset=`. */
static bool is_utf8_charset(const char *text)
{
  static const char name[] = "utf-8";
  bool is_quoted = *text == '"';

  text += is_quoted;
  if (strncasecmp(text, name, strlen(name)) != 0) {
    return false;
  }
  text += strlen(name);
  if (is_quoted) {
    if (*text != '"') {
      return false;
    }
    text++;
  }
  text = skip_blanks(text);
  return *text == '\0' || *text == ';';
}

bool json_body_is_announced(const char *content_type)
{
  static const char type[] = "application/json";
  static const char charset[] = "charset=";
  const char *at;

  if (content_type == NULL || strncasecmp(content_type, type, strlen(type)) != 0) {
    return false;
  }
  at = skip_blanks(content_type + strlen(type));
  while (*at == ';') {
    at = skip_blanks(at + 1);
    if (strncasecmp(at, charset, strlen(charset)) == 0 && !is_utf8_charset(at + strlen(charset))) {
      return false;
    }
    at += strcspn(at, ";");
  }
  return *at == '\0';
}

/* False where it goes deeper than allowed; the place in *ret_line and *ret_column, counted from 1. Brackets that do not match are jansson's to find. */
static bool is_shallow(struct span body, int *ret_line, int *ret_column)
{
  bool is_string = false;
  int depth = 0;
  int line = 1;
  size_t line_at = 0;

  for (size_t i = 0; i < body.length; i++) {
    char byte = body.data[i];

    if (byte == '\n') {
      line++;
      line_at = i + 1;
    }
    if (is_string) {
      if (byte == '\\') {
        i++;
      } else if (byte == '"') {
        is_string = false;
      }
    } else if (byte == '"') {
      is_string = true;
    } else if (byte == '[' || byte == '{') {
      if (++depth > HTTP_JSON_DEPTH_MAX) {
        *ret_line = line;
        *ret_column = (int)(i - line_at) + 1;
        return false;
      }
    } else if (byte == ']' || byte == '}') {
      depth--;
    }
  }
  return true;
}

json_t *json_body_read(struct span body, char ret_mistake[JSON_BODY_MISTAKE_SIZE])
{
  json_error_t error;
  json_t *document;
  int line;
  int column;

  if (!is_shallow(body, &line, &column)) {
    (void)snprintf(ret_mistake, JSON_BODY_MISTAKE_SIZE, "the body is nested deeper than %d levels at line %d, column %d", HTTP_JSON_DEPTH_MAX, line, column);
    return NULL;
  }
  document = json_loadb(body.data, body.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
  if (document == NULL) {
    (void)snprintf(ret_mistake, JSON_BODY_MISTAKE_SIZE, "the body is no JSON that is understood here, at line %d, column %d: %s", error.line, error.column,
                   error.text);
  }
  return document;
}
