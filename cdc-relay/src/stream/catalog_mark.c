/*
 * catalog_mark.c - rows of the catalog are told apart by their transaction ids: another one stands for a row that somebody has written anew. A table's row is written anew all
 * day, by ANALYZE for one, so of that only what matters counts.
 *
 *   publication   its row, those of its tables, and what else depends on it: its schemas (PostgreSQL 15 and later) have a catalog that older servers do not know
 *   tables        entry, OID, kind, persistence, and which of its partitions are not persistent: an unlogged one writes no log, and no walsender says so. Others may come
 *                 and go, as they do each month. Whose partition it is, since its rows may come under that name; and which columns have a domain, since one over bytea comes as
 *                 text. Columns of other types come and go, too
 */
#include "stream/catalog_mark.h"

#include <stdio.h>

#include "stream/pg_row.h"
#include "stream/sql_text.h"

static const char mark_head[] =
    "pg_catalog.pg_postmaster_start_time(), pg_catalog.hashtextextended(pg_catalog.concat((SELECT pg_catalog.concat(p.oid, ' ', p.xmin, ' ',"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat(r.prrelid, ' ', r.xmin), ' ' ORDER BY r.prrelid) FROM pg_catalog.pg_publication_rel r"
    " WHERE r.prpubid = p.oid), ' ',"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat(d.classid, ' ', d.objid), ' ' ORDER BY d.classid, d.objid) FROM pg_catalog.pg_depend d"
    " WHERE d.refclassid = 'pg_catalog.pg_publication'::pg_catalog.regclass AND d.refobjid = p.oid))"
    " FROM pg_catalog.pg_publication p WHERE p.pubname = ";
static const char mark_middle[] =
    "), '/', (SELECT pg_catalog.string_agg(pg_catalog.concat(e.entry, ' ', c.oid, ' ', c.relkind, ' ', c.relpersistence, ' ',"
    " (WITH RECURSIVE part (oid) AS (SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid"
    " UNION SELECT i.inhrelid FROM part JOIN pg_catalog.pg_inherits i ON i.inhparent = part.oid) SELECT pg_catalog.string_agg(q.oid::text, ' ' ORDER BY q.oid)"
    " FROM part JOIN pg_catalog.pg_class q ON q.oid = part.oid AND q.relpersistence <> 'p'), ' ',"
    " (WITH RECURSIVE up (oid) AS (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid"
    " UNION SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid) SELECT pg_catalog.string_agg(up.oid::text, ' ' ORDER BY up.oid) "
    "FROM up), ' ',"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat(a.attname, ' ', a.atttypid), ' ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typtype = 'd' WHERE a.attrelid = c.oid AND a.attnum > 0)), ' ' ORDER BY e.entry) FROM ";
static const char mark_tail[] = ")), 0)";

void catalog_put_entries(struct sql_text *sql, const struct config *config, bool with_payload)
{
  for (size_t i = 0; i < config->outbox_count; i++) {
    if (config->outbox[i].message_prefix == NULL) {
      sql_text_put_format(sql, ", (%zu, ", i);
      sql_text_put_literal(sql, config->outbox[i].table_schema);
      sql_text_put(sql, ", ");
      sql_text_put_literal(sql, config->outbox[i].table_name);
      if (with_payload) {
        sql_text_put(sql, ", ");
        sql_text_put_literal(sql, config->outbox[i].field_payload);
      }
      sql_text_put(sql, ")");
    }
  }
}

void catalog_put_tables(struct sql_text *sql, const struct config *config)
{
  sql_text_put(sql, "(VALUES (-1, '', '')");
  catalog_put_entries(sql, config, false);
  sql_text_put(sql, ") AS e (entry, schema, name) JOIN pg_catalog.pg_namespace n ON n.nspname = e.schema"
                    " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = e.name");
}

void catalog_mark_put(struct sql_text *sql, const struct config *config)
{
  sql_text_put(sql, mark_head);
  sql_text_put_literal(sql, config->postgres.publication);
  sql_text_put(sql, mark_middle);
  catalog_put_tables(sql, config);
  sql_text_put(sql, mark_tail);
}

void catalog_mark_read(struct pg_row *row, int column, struct catalog_mark *ret_mark)
{
  const char *server = pg_row_text(row, column);

  (void)snprintf(ret_mark->server, sizeof(ret_mark->server), "%s", server != NULL ? server : "");
  ret_mark->number = pg_row_int(row, column + 1, INT64_MIN, INT64_MAX, 0);
}
