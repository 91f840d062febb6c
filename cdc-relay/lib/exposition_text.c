/*
 * exposition_text.c - numbers and texts as scrapers read them. A scraper refuses the whole page for one byte that is not UTF-8, so that U+FFFD stands for each.
 */
#include "exposition_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "utf8.h"

void exposition_text_put_number(FILE *out, double value)
{
  char text[32];

  if (isnan(value) || isinf(value)) {
    (void)fputs(isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", out);
    return;
  }
  (void)snprintf(text, sizeof(text), "%.15g", value);
  if (strtod(text, NULL) != value) {
    (void)snprintf(text, sizeof(text), "%.17g", value);
  }
  (void)fputs(text, out);
}

static void put_escaped(FILE *out, const char *text, bool is_quoted)
{
  struct span rest = span_of_text(text);

  while (rest.length > 0) {
    uint32_t code = 0;
    size_t length = utf8_character(rest, &code);

    if (length == 0) {
      (void)fputs("\xef\xbf\xbd", out);
      length = 1;
    } else if (code == '\n') {
      (void)fputs("\\n", out);
    } else {
      (void)fprintf(out, "%s%.*s", code == '\\' || (is_quoted && code == '"') ? "\\" : "", (int)length, rest.data);
    }
    rest = span_of(rest.data + length, rest.length - length);
  }
}

void exposition_text_put_label(FILE *out, const char *separator, const char *name, const char *value)
{
  (void)fprintf(out, "%s%s=\"", separator, name);
  put_escaped(out, value, true);
  (void)fputc('"', out);
}

void exposition_text_put_help(FILE *out, const char *help)
{
  put_escaped(out, help, false);
}
