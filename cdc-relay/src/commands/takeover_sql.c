/*
 * takeover_sql.c - text only. Names of columns and tables are quoted; the two pieces of SQL that a person gives (--marked-sql, --mark-sql) stand in the statements as
 * they are: whoever may run this command as that role may run any statement as it.
 */
#include "commands/takeover_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/pg_connection.h"
#include "stream/text_out.h"

static void put_identifier(FILE *out, const char *name)
{
  char *identifier = sql_identifier(name);

  (void)fputs(identifier, out);
  free(identifier);
}

static void put_literal(FILE *out, const char *text)
{
  char *literal = sql_literal(text);

  (void)fputs(literal, out);
  free(literal);
}

static void put_table(FILE *out, const struct config_outbox *entry)
{
  put_identifier(out, entry->table_schema);
  (void)fputc('.', out);
  put_identifier(out, entry->table_name);
}

static void put_unmarked(FILE *out, const struct old_outbox *outbox)
{
  (void)fprintf(out, "(%s) IS NOT TRUE", outbox->marked);
}

void takeover_slot_name(const char *slot, char *ret_name)
{
  (void)snprintf(ret_name, TAKEOVER_SLOT_NAME_SIZE, "%.*s_takeover", TAKEOVER_SLOT_NAME_MAX, slot);
}

char *takeover_marked_by_column(const char *column)
{
  return sql_identifier(column);
}

char *takeover_mark_by_column(const char *column)
{
  char *sql;
  size_t size;
  FILE *out = text_open(&sql, &size);

  put_identifier(out, column);
  (void)fputs(" = true", out);
  text_close(out);
  return sql;
}

char *takeover_count_sql(const struct old_outbox *outbox)
{
  char *sql;
  size_t size;
  FILE *out = text_open(&sql, &size);

  (void)fputs("SELECT count(*) FROM ", out);
  put_table(out, outbox->entry);
  (void)fputs(" WHERE ", out);
  put_unmarked(out, outbox);
  text_close(out);
  return sql;
}

char *takeover_cursor_sql(const struct old_outbox *outbox, const struct catalog_table *table)
{
  char *sql;
  size_t size;
  FILE *out = text_open(&sql, &size);

  (void)fputs("DECLARE backlog NO SCROLL CURSOR FOR SELECT ", out);
  put_identifier(out, outbox->id_column);
  (void)fputs("::text", out);
  for (size_t i = 0; i < table->column_count; i++) {
    (void)fputs(", ", out);
    put_identifier(out, table->columns[i].name);
  }
  (void)fputs(" FROM ", out);
  put_table(out, outbox->entry);
  /* With a bare name here ORDER BY would mean the output's column, which is text, where `10` comes before `9`: hence the table's name before it. */
  (void)fputs(" AS old_outbox WHERE ", out);
  put_unmarked(out, outbox);
  (void)fputs(" ORDER BY old_outbox.", out);
  put_identifier(out, outbox->order_by);
  if (strcmp(outbox->order_by, outbox->id_column) != 0) {
    (void)fputs(", old_outbox.", out);
    put_identifier(out, outbox->id_column);
  }
  text_close(out);
  return sql;
}

char *takeover_mark_sql(const struct old_outbox *outbox)
{
  char *sql;
  size_t size;
  FILE *out = text_open(&sql, &size);

  (void)fputs("UPDATE ", out);
  put_table(out, outbox->entry);
  (void)fprintf(out, " SET %s WHERE ", outbox->mark);
  put_identifier(out, outbox->id_column);
  (void)fprintf(out, " = ANY ($1::%s[]) AND ", outbox->id_type);
  put_unmarked(out, outbox);
  text_close(out);
  return sql;
}

char *takeover_facts_sql(const struct old_outbox *outbox)
{
  char *sql;
  char *table;
  size_t size;
  FILE *out = text_open(&table, &size);

  put_table(out, outbox->entry);
  text_close(out);
  out = text_open(&sql, &size);
  (void)fputs(
      "SELECT has_table_privilege(c.oid, 'SELECT') AND has_any_column_privilege(c.oid, 'UPDATE'), a.attnotnull AND EXISTS (SELECT FROM pg_catalog.pg_index i"
      " WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),"
      " format_type(a.atttypid, NULL), current_user"
      " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ",
      out);
  put_literal(out, outbox->id_column);
  (void)fputs(" WHERE c.oid = ", out);
  put_literal(out, table);
  (void)fputs("::regclass", out);
  text_close(out);
  free(table);
  return sql;
}

char *takeover_array_literal(const char *const *texts, size_t count)
{
  char *literal;
  size_t size;
  FILE *out = text_open(&literal, &size);

  (void)fputc('{', out);
  for (size_t i = 0; i < count; i++) {
    (void)fputs(i == 0 ? "\"" : ",\"", out);
    for (const char *text = texts[i]; *text != '\0'; text++) {
      if (*text == '"' || *text == '\\') {
        (void)fputc('\\', out);
      }
      (void)fputc(*text, out);
    }
    (void)fputc('"', out);
  }
  (void)fputc('}', out);
  text_close(out);
  return literal;
}
