/*
 * takeover_sql.c - text only. Names of columns and tables are quoted; the two pieces of SQL that a person gives (--marked-sql, --mark-sql) stand in the statements as
 * they are: whoever may run this command as that role may run any statement as it.
 */
#include "commands/takeover_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/sql_text.h"

static void put_table(struct sql_text *sql, const struct old_outbox *outbox)
{
  sql_text_put_table(sql, outbox->entry->table_schema, outbox->entry->table_name);
}

static void put_unmarked(struct sql_text *sql, const struct old_outbox *outbox)
{
  sql_text_put_format(sql, "(%s) IS NOT TRUE", outbox->marked);
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
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put_identifier(&sql, column);
  sql_text_put(&sql, " = true");
  return sql_text_close(&sql);
}

static bool is_ordered_by_id(const struct old_outbox *outbox)
{
  return strcmp(outbox->order_by, outbox->id_column) == 0;
}

/* An id is never null and never equal to another one. */
static void put_count_of_ids(struct sql_text *sql, const struct old_outbox *outbox)
{
  sql_text_put(sql, "SELECT count(*), 0, 0 FROM ");
  put_table(sql, outbox);
  sql_text_put(sql, " WHERE ");
  put_unmarked(sql, outbox);
}

static void put_count_of_places(struct sql_text *sql, const struct old_outbox *outbox)
{
  sql_text_put(sql, "SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (WHERE place IS NULL), 0), coalesce(sum(n) FILTER (WHERE n > 1), 0) FROM (SELECT ");
  sql_text_put_identifier(sql, outbox->order_by);
  sql_text_put(sql, " AS place, count(*) AS n FROM ");
  put_table(sql, outbox);
  sql_text_put(sql, " WHERE ");
  put_unmarked(sql, outbox);
  sql_text_put(sql, " GROUP BY ");
  sql_text_put_identifier(sql, outbox->order_by);
  sql_text_put(sql, ", ");
  sql_text_put_identifier(sql, outbox->entry->field_key);
  /* Not every type that can be a key knows equality. */
  sql_text_put(sql, "::text) AS places");
}

char *takeover_count_sql(const struct old_outbox *outbox)
{
  struct sql_text sql;

  sql_text_open(&sql);
  if (is_ordered_by_id(outbox)) {
    put_count_of_ids(&sql, outbox);
  } else {
    put_count_of_places(&sql, outbox);
  }
  return sql_text_close(&sql);
}

char *takeover_cursor_sql(const struct old_outbox *outbox, const struct catalog_table *table)
{
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put(&sql, "DECLARE backlog NO SCROLL CURSOR FOR SELECT ");
  sql_text_put_identifier(&sql, outbox->id_column);
  sql_text_put(&sql, "::text");
  for (size_t i = 0; i < table->column_count; i++) {
    sql_text_put(&sql, ", ");
    sql_text_put_identifier(&sql, table->columns[i].name);
  }
  sql_text_put(&sql, " FROM ");
  put_table(&sql, outbox);
  /* With a bare name here ORDER BY would mean the output's column, which is text, where `10` comes before `9`: hence the table's name before it. */
  sql_text_put(&sql, " AS old_outbox WHERE ");
  put_unmarked(&sql, outbox);
  sql_text_put(&sql, " ORDER BY old_outbox.");
  sql_text_put_identifier(&sql, outbox->order_by);
  if (!is_ordered_by_id(outbox)) {
    sql_text_put(&sql, ", old_outbox.");
    sql_text_put_identifier(&sql, outbox->id_column);
  }
  return sql_text_close(&sql);
}

char *takeover_mark_sql(const struct old_outbox *outbox)
{
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put(&sql, "UPDATE ");
  put_table(&sql, outbox);
  sql_text_put_format(&sql, " SET %s WHERE ", outbox->mark);
  sql_text_put_identifier(&sql, outbox->id_column);
  sql_text_put_format(&sql, " = ANY ($1::%s[]) AND ", outbox->id_type);
  put_unmarked(&sql, outbox);
  return sql_text_close(&sql);
}

char *takeover_facts_sql(const struct old_outbox *outbox)
{
  struct sql_text sql;
  char *table = sql_table(outbox->entry->table_schema, outbox->entry->table_name);

  sql_text_open(&sql);
  sql_text_put(
      &sql,
      "SELECT has_table_privilege(c.oid, 'SELECT') AND has_any_column_privilege(c.oid, 'UPDATE'), a.attnotnull AND EXISTS (SELECT FROM pg_catalog.pg_index i"
      " WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),"
      " format_type(a.atttypid, NULL), current_user"
      " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ");
  sql_text_put_literal(&sql, outbox->id_column);
  sql_text_put(&sql, " WHERE c.oid = ");
  sql_text_put_literal(&sql, table);
  sql_text_put(&sql, "::regclass");
  free(table);
  return sql_text_close(&sql);
}

char *takeover_array_literal(const char *const *texts, size_t count)
{
  struct sql_text literal;

  sql_text_open(&literal);
  sql_text_put(&literal, "{");
  for (size_t i = 0; i < count; i++) {
    sql_text_put(&literal, i == 0 ? "\"" : ",\"");
    for (const char *text = texts[i]; *text != '\0'; text++) {
      if (*text == '"' || *text == '\\') {
        (void)fputc('\\', literal.out);
      }
      (void)fputc(*text, literal.out);
    }
    sql_text_put(&literal, "\"");
  }
  sql_text_put(&literal, "}");
  return sql_text_close(&literal);
}
