/*
 * catalog.c - asks the server about slot, publication and tables, and reads the answers.
 *
 *   query  rows                                         columns
 *   0      one                                          settings of the server, rights of the role, the slot (NULLs: there is none), the mark of what is judged
 *   1      one                                          the publication (NULLs: there is none)
 *   2      one per table entry and column; a table      the table, then one of its columns (NULL: none); entries for messages have no row
 *          without columns, or none at all, has one
 *   slot   one                                          who has the slot, and where it stands (NULLs: there is none)
 *
 * One text serves PostgreSQL 12 to 18. What only some versions have is read through a row's JSON form or by current_setting(name, true), which give NULL where a
 * column or setting is unknown. pg_settings leaves out what a role may not see, where current_setting() fails. Only what every role may read is asked for. Runs on a walsender too, whose lexer before PostgreSQL 15 reads the whole text:
 * hence no comments, no dollar quotes, and every name as a plain literal.
 */
#include "stream/catalog.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"
#include "stream/pg_connection.h"
#include "stream/pg_row.h"
#include "stream/sql_text.h"

enum { SERVER_COLUMNS = 25 + CATALOG_MARK_COLUMNS, PUBLICATION_COLUMNS = 7, TABLE_COLUMNS = 16, SLOT_COLUMNS = 4 };

#define WAL_END   " CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END"
#define FROM_SLOT " FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = "

static const char server_query[] =
    "SELECT current_setting('server_version_num'), current_setting('server_encoding'), current_database(),"
    " coalesce(current_setting('effective_wal_level', true), current_setting('wal_level')), pg_is_in_recovery()," WAL_END
    ", (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'),"
    " current_setting('synchronous_standby_names'), (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'output_plugin_libraries'),"
    " EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE (r.rolname = current_user AND (r.rolreplication OR r.rolsuper))"
    "  OR (r.rolname = 'rds_replication' AND pg_has_role(r.oid, 'MEMBER'))),"
    " s.slot_name IS NOT NULL, s.plugin, s.slot_type, s.database, s.temporary, s.active, s.active_pid, s.confirmed_flush_lsn, s.restart_lsn,"
    " to_jsonb(s) ->> 'wal_status', to_jsonb(s) ->> 'safe_wal_size', current_user, to_jsonb(s) ->> 'failover', to_jsonb(s) ->> 'synced',"
    " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'synchronized_standby_slots'), ";

static const char slot_query[] = "SELECT s.active_pid, s.confirmed_flush_lsn," WAL_END ", pg_backend_pid()" FROM_SLOT;

static const char publication_query[] = "SELECT p.oid IS NOT NULL, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, to_jsonb(p) ->> 'pubviaroot',"
                                        " pg_get_userbyid(p.pubowner)"
                                        " FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_publication p ON p.pubname = ";

/*
 * %1 the entries, %2 the publication's name, %3 whether the publication decides which columns are sent. A partitioned table's rows and inserts are its leaves'.
 * A table is published under its own name where the server's view says so, and a partitioned one that the view shows only by its leaves, where it was named. Where partitions
 * are published by their root, and an ancestor of the table is in the view, its rows come under that ancestor's name, whatever the view says of the table.
 */
static const char table_query_head[] =
    "SELECT e.entry, c.oid IS NOT NULL, c.relkind, CASE WHEN leaf.without_log THEN 'u' ELSE c.relpersistence END,"
    " EXISTS (SELECT FROM pg_catalog.pg_publication_tables v WHERE v.pubname = p.pubname AND v.schemaname = e.schema AND v.tablename = e.name)"
    "  OR (c.relkind = 'p' AND (p.puballtables OR pr.prrelid IS NOT NULL)),"
    " to_jsonb(pr) ->> 'prqual' IS NOT NULL OR to_jsonb(pr) ->> 'prattrs' IS NOT NULL,"
    " c.relreplident, EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),"
    " EXISTS (SELECT FROM pg_catalog.pg_attribute l WHERE l.attrelid = c.oid AND l.attname = e.payload AND (l.atttypmod > 0 OR EXISTS (SELECT"
    "  FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND l.attnum = ANY (k.conkey) AND pg_get_constraintdef(k.oid) LIKE "
    "'%length%'))),"
    " leaf.estimate, leaf.inserted, a.attname, a.atttypid, (WITH RECURSIVE up AS (SELECT t.oid, t.typtype, t.typbasetype FROM pg_catalog.pg_type t"
    "  WHERE t.oid = a.atttypid UNION ALL SELECT t.oid, t.typtype, t.typbasetype FROM up JOIN pg_catalog.pg_type t ON t.oid = up.typbasetype"
    "  WHERE up.typtype = 'd') SELECT up.oid FROM up WHERE up.typtype <> 'd'), leaf.maintained,"
    " CASE WHEN c.relispartition THEN (SELECT min(q.oid::regclass::text) FROM pg_partition_ancestors(c.oid) g JOIN pg_catalog.pg_class q ON q.oid = g.relid "
    "AND q.oid <> c.oid"
    "  JOIN pg_catalog.pg_namespace m ON m.oid = q.relnamespace JOIN pg_catalog.pg_publication_tables v ON v.pubname = p.pubname"
    "  AND v.schemaname = m.nspname AND v.tablename = q.relname WHERE (to_jsonb(p) ->> 'pubviaroot')::boolean) END"
    " FROM (VALUES (-1, '', '', '')";
static const char table_query_middle[] =
    ") AS e (entry, schema, name, payload)"
    " LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = e.schema"
    " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = e.name"
    " LEFT JOIN LATERAL (SELECT CASE WHEN bool_or(q.reltuples > 0) THEN sum(greatest(q.reltuples, 0))::bigint END AS estimate,"
    "  sum(pg_stat_get_tuples_inserted(q.oid))::bigint AS inserted,"
    "  bool_or(q.reltuples >= 0 AND current_setting('server_version_num')::int >= 140000) AS maintained, bool_or(q.relpersistence <> 'p') AS without_log"
    "  FROM pg_catalog.pg_class q WHERE q.oid = c.oid OR q.oid IN (SELECT f.relid FROM pg_partition_tree(c.oid) f WHERE f.isleaf AND c.relkind = 'p')) leaf"
    "  ON true"
    " LEFT JOIN pg_catalog.pg_publication p ON p.pubname = ";
static const char table_query_tail[] = " LEFT JOIN pg_catalog.pg_publication_rel pr ON pr.prpubid = p.oid AND pr.prrelid = c.oid"
                                       " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND (%s"
                                       "  OR CASE WHEN to_jsonb(pr) ->> 'prattrs' IS NOT NULL THEN (to_jsonb(pr) -> 'prattrs') @> to_jsonb(a.attnum)"
                                       "     ELSE a.attgenerated = '' OR (a.attgenerated = 's' AND coalesce(to_jsonb(p) ->> 'pubgencols', 'n') = 's') END)"
                                       " WHERE e.entry >= 0 ORDER BY e.entry, a.attnum";

void catalog_init(struct catalog *catalog)
{
  *catalog = (struct catalog){.slot_status = SLOT_UNKNOWN, .slot_safe_bytes = -1};
}

static void tables_done(struct catalog *catalog)
{
  for (size_t i = 0; i < catalog->table_count; i++) {
    for (size_t k = 0; k < catalog->tables[i].column_count; k++) {
      free(catalog->tables[i].columns[k].name);
    }
    free(catalog->tables[i].columns);
    free(catalog->tables[i].published_as);
  }
  free(catalog->tables);
  catalog->tables = NULL;
  catalog->table_count = 0;
}

void catalog_done(struct catalog *catalog)
{
  free(catalog->server_encoding);
  free(catalog->database);
  free(catalog->wal_level);
  free(catalog->synchronous_standby_names);
  free(catalog->allowed_plugins);
  free(catalog->role);
  free(catalog->slot_plugin);
  free(catalog->slot_type);
  free(catalog->slot_database);
  free(catalog->synchronized_standby_slots);
  free(catalog->publication_owner);
  tables_done(catalog);
  catalog_init(catalog);
}

static void put_table_query(struct sql_text *sql, const struct config *config)
{
  sql_text_put(sql, table_query_head);
  catalog_put_entries(sql, config, true);
  sql_text_put(sql, table_query_middle);
  sql_text_put_literal(sql, config->postgres.publication);
  /* wal2json knows nothing of publications and sends generated columns too. */
  sql_text_put_format(sql, table_query_tail, config->postgres.plugin == PLUGIN_WAL2JSON ? "true" : "false");
}

char *catalog_query(const struct config *config, size_t index)
{
  struct sql_text sql;

  sql_text_open(&sql);
  if (index == 0) {
    sql_text_put(&sql, server_query);
    catalog_mark_put(&sql, config); /* with the first: what is judged is read behind it, and so is as old at most */
    sql_text_put(&sql, FROM_SLOT);
    sql_text_put_literal(&sql, config->postgres.slot);
  } else if (index == 1) {
    sql_text_put(&sql, publication_query);
    sql_text_put_literal(&sql, config->postgres.publication);
  } else {
    put_table_query(&sql, config);
  }
  return sql_text_close(&sql);
}

char *catalog_slot_query(const struct config *config)
{
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put(&sql, slot_query);
  sql_text_put_literal(&sql, config->postgres.slot);
  return sql_text_close(&sql);
}

static char *row_copy(const struct pg_row *row, int column)
{
  const char *text = pg_row_text(row, column);
  char *copy = text != NULL ? strdup(text) : NULL;

  if (text != NULL && copy == NULL) {
    abort();
  }
  return copy;
}

static void take_text(char **at, char *text)
{
  free(*at);
  *at = text;
}

static void read_server(struct catalog *catalog, struct pg_row *row)
{
  catalog->server_version = (int)pg_row_int(row, 0, 0, INT32_MAX, 0);
  take_text(&catalog->server_encoding, row_copy(row, 1));
  take_text(&catalog->database, row_copy(row, 2));
  take_text(&catalog->wal_level, row_copy(row, 3));
  catalog->is_in_recovery = pg_row_bool(row, 4);
  catalog->wal_end = pg_row_lsn(row, 5);
  catalog->wal_sender_timeout_us = pg_row_int(row, 6, 0, INT32_MAX, 0) * US_PER_MS;
  take_text(&catalog->synchronous_standby_names, row_copy(row, 7));
  take_text(&catalog->allowed_plugins, row_copy(row, 8));
  catalog->role_may_replicate = pg_row_bool(row, 9);
  catalog->slot_exists = pg_row_bool(row, 10);
  take_text(&catalog->slot_plugin, row_copy(row, 11));
  take_text(&catalog->slot_type, row_copy(row, 12));
  take_text(&catalog->slot_database, row_copy(row, 13));
  catalog->slot_is_temporary = pg_row_bool(row, 14);
  catalog->slot_is_active = pg_row_bool(row, 15);
  catalog->slot_active_pid = (int32_t)pg_row_int(row, 16, 0, INT32_MAX, 0);
  catalog->slot_confirmed = pg_row_lsn(row, 17);
  catalog->slot_restart = pg_row_lsn(row, 18);
  catalog->slot_status = slot_status_parse(pg_row_text(row, 19));
  catalog->slot_safe_bytes = pg_row_int(row, 20, INT64_MIN, INT64_MAX, -1);
  take_text(&catalog->role, row_copy(row, 21));
  catalog->slot_has_failover = pg_row_bool(row, 22);
  catalog->slot_is_synced = pg_row_bool(row, 23);
  take_text(&catalog->synchronized_standby_slots, row_copy(row, 24));
  catalog_mark_read(row, 25, &catalog->mark);
  row->is_damaged = row->is_damaged || catalog->server_encoding == NULL || catalog->database == NULL || catalog->wal_level == NULL;
}

static void read_publication(struct catalog *catalog, struct pg_row *row)
{
  catalog->publication_exists = pg_row_bool(row, 0);
  catalog->publishes_insert = pg_row_bool(row, 1);
  catalog->publishes_update = pg_row_bool(row, 2);
  catalog->publishes_delete = pg_row_bool(row, 3);
  catalog->publishes_truncate = pg_row_bool(row, 4);
  catalog->publishes_via_root = pg_row_bool(row, 5);
  take_text(&catalog->publication_owner, row_copy(row, 6));
}

static void read_table(struct catalog_table *table, struct pg_row *row)
{
  const char *kind = pg_row_text(row, 2);
  const char *persistence = pg_row_text(row, 3);
  const char *identity = pg_row_text(row, 6);
  int64_t inserted = pg_row_int(row, 10, 0, INT64_MAX, 0);

  table->exists = pg_row_bool(row, 1);
  table->is_partitioned = kind != NULL && kind[0] == 'p';
  table->is_view_or_other = kind != NULL && kind[0] != 'p' && kind[0] != 'r';
  table->is_persistent = persistence != NULL && persistence[0] == 'p';
  table->is_published = pg_row_bool(row, 4);
  table->has_row_filter_or_column_list = pg_row_bool(row, 5);
  table->replica_identity = identity != NULL ? identity[0] : '\0';
  table->has_primary_key = pg_row_bool(row, 7);
  table->has_payload_limit = pg_row_bool(row, 8);
  table->rows_estimate = pg_row_int(row, 9, 0, INT64_MAX, inserted > 0 ? inserted : -1);
  table->inserted_rows = inserted;
  table->was_maintained = pg_row_bool(row, 14);
  take_text(&table->published_as, row_copy(row, 15));
}

static void read_column(struct catalog_table *table, struct pg_row *row)
{
  struct catalog_column *columns;

  if (pg_row_text(row, 11) == NULL) {
    return;
  }
  columns = realloc(table->columns, (table->column_count + 1) * sizeof(*columns));
  if (columns == NULL) {
    abort();
  }
  table->columns = columns;
  columns[table->column_count] = (struct catalog_column){
      .name = row_copy(row, 11), .type_oid = (uint32_t)pg_row_int(row, 12, 0, UINT32_MAX, 0), .base_type_oid = (uint32_t)pg_row_int(row, 13, 0, UINT32_MAX, 0)};
  table->column_count++;
}

static void read_tables(struct catalog *catalog, const struct config *config, struct pg_row *row)
{
  int64_t previous = -1;

  tables_done(catalog);
  catalog->tables = calloc(config->outbox_count > 0 ? config->outbox_count : 1, sizeof(*catalog->tables));
  if (catalog->tables == NULL) {
    abort();
  }
  catalog->table_count = config->outbox_count;
  for (size_t i = 0; i < config->outbox_count; i++) {
    catalog->tables[i].is_message = config->outbox[i].message_prefix != NULL;
    catalog->tables[i].rows_estimate = -1;
  }
  for (row->number = 0; row->number < PQntuples(row->result) && !row->is_damaged; row->number++) {
    int64_t entry = pg_row_int(row, 0, 0, (int64_t)config->outbox_count - 1, -1);

    if (entry < 0) {
      row->is_damaged = true;
      return;
    }
    if (entry != previous) {
      read_table(&catalog->tables[entry], row);
      previous = entry;
    }
    read_column(&catalog->tables[entry], row);
  }
}

enum verdict catalog_read(struct catalog *catalog, const struct config *config, size_t index, const PGresult *result, struct problem *problem)
{
  static const int columns[CATALOG_QUERY_COUNT] = {SERVER_COLUMNS, PUBLICATION_COLUMNS, TABLE_COLUMNS};
  struct pg_row row = {.result = result};

  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    return pg_problem(NULL, result, "read the server's catalog", problem);
  }
  row.is_damaged = PQnfields(result) != columns[index] || (index < 2 && PQntuples(result) != 1);
  if (!row.is_damaged) {
    if (index == 0) {
      read_server(catalog, &row);
    } else if (index == 1) {
      read_publication(catalog, &row);
    } else {
      read_tables(catalog, config, &row);
    }
  }
  if (row.is_damaged) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "catalog", "unexpected answer to catalog query %zu: %d rows of %d columns", index,
                       PQntuples(result), PQnfields(result));
  }
  return VERDICT_OK;
}

enum verdict catalog_read_slot(const PGresult *result, struct catalog_slot *ret_slot, struct problem *problem)
{
  struct pg_row row = {.result = result};
  struct catalog_slot slot = {0};

  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    return pg_problem(NULL, result, "read the replication slot's position", problem);
  }
  row.is_damaged = PQnfields(result) != SLOT_COLUMNS || PQntuples(result) != 1;
  if (!row.is_damaged) {
    slot.active_pid = (int32_t)pg_row_int(&row, 0, 0, INT32_MAX, 0);
    slot.confirmed = pg_row_lsn(&row, 1);
    slot.wal_end = pg_row_lsn(&row, 2);
    slot.asking_pid = (int32_t)pg_row_int(&row, 3, 0, INT32_MAX, 0);
  }
  if (row.is_damaged) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "catalog", "unexpected answer to the query for the slot's position: %d rows of %d columns",
                       PQntuples(result), PQnfields(result));
  }
  *ret_slot = slot;
  return VERDICT_OK;
}
