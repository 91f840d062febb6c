/*
 * sql_text.c - doubles what would end a name or a value. A literal has an E only where it has a backslash: in that form a backslash is doubled whatever
 * standard_conforming_strings says, and all other literals are plain, which the lexer of an old walsender wants.
 */
#include "stream/sql_text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "text_out.h"

static void put_quoted(FILE *out, const char *text, char quote, bool doubles_backslash)
{
  (void)fputc(quote, out);
  for (; *text != '\0'; text++) {
    if (*text == quote || (doubles_backslash && *text == '\\')) {
      (void)fputc(*text, out);
    }
    (void)fputc(*text, out);
  }
  (void)fputc(quote, out);
}

void sql_text_open(struct sql_text *sql)
{
  sql->out = text_open(&sql->text, &sql->size);
}

char *sql_text_close(struct sql_text *sql)
{
  text_close(sql->out);
  return sql->text;
}

void sql_text_put(struct sql_text *sql, const char *words)
{
  (void)fputs(words, sql->out);
}

void sql_text_put_format(struct sql_text *sql, const char *format, ...)
{
  va_list arguments;

  va_start(arguments, format);
  (void)vfprintf(sql->out, format, arguments);
  va_end(arguments);
}

void sql_text_put_literal(struct sql_text *sql, const char *text)
{
  bool has_backslash = strchr(text, '\\') != NULL;

  sql_text_put(sql, has_backslash ? "E" : "");
  put_quoted(sql->out, text, '\'', has_backslash);
}

void sql_text_put_identifier(struct sql_text *sql, const char *name)
{
  put_quoted(sql->out, name, '"', false);
}

void sql_text_put_table(struct sql_text *sql, const char *schema, const char *name)
{
  sql_text_put_identifier(sql, schema);
  sql_text_put(sql, ".");
  sql_text_put_identifier(sql, name);
}

char *sql_literal(const char *text)
{
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put_literal(&sql, text);
  return sql_text_close(&sql);
}

char *sql_identifier(const char *name)
{
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put_identifier(&sql, name);
  return sql_text_close(&sql);
}

char *sql_table(const char *schema, const char *name)
{
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put_table(&sql, schema, name);
  return sql_text_close(&sql);
}
