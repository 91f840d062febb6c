/*
 * slot_query.c - one row per outbox table, or a single one when there is none; all but the table's columns are the same in each.
 *
 *    0 end of WAL   1, 2 the mark of the catalog   3 slot exists   4 active   5 its pid   6 wal_status   7 safe_wal_size   8 confirmed   9 restart
 *   10 entry (NULL: no table)   11 oid   12 updated   13 deleted
 *
 * wal_status and safe_wal_size are read through the row's JSON form, which gives NULL before PostgreSQL 13. Partitions are found in pg_inherits and not by
 * pg_partition_tree(), which would lock each of them and wait behind an ALTER TABLE.
 */
#include "ops/slot_query.h"

#include <string.h>

#include "stream/pg_row.h"
#include "stream/sql_text.h"

enum answer_column {
  COLUMN_WAL_END,
  COLUMN_MARK,
  COLUMN_EXISTS = COLUMN_MARK + CATALOG_MARK_COLUMNS,
  COLUMN_ACTIVE,
  COLUMN_ACTIVE_PID,
  COLUMN_STATUS,
  COLUMN_SAFE_BYTES,
  COLUMN_CONFIRMED,
  COLUMN_RESTART,
  COLUMN_ENTRY,
  COLUMN_OID,
  COLUMN_UPDATED,
  COLUMN_DELETED,
  COLUMN_COUNT,
};

static const char query_head[] = "WITH RECURSIVE member (entry, root, oid) AS (SELECT e.entry, c.oid, c.oid FROM ";
static const char query_server[] =
    " UNION SELECT m.entry, m.root, i.inhrelid FROM member m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid)"
    " SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, ";
static const char query_slot[] = ", s.slot_name IS NOT NULL, s.active, s.active_pid,"
                                 " pg_catalog.to_jsonb(s) ->> 'wal_status', pg_catalog.to_jsonb(s) ->> 'safe_wal_size', s.confirmed_flush_lsn, s.restart_lsn,"
                                 " t.entry, t.root, t.updated, t.deleted FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = ";
static const char query_tail[] =
    " LEFT JOIN (SELECT m.entry, m.root, sum(pg_catalog.pg_stat_get_tuples_updated(m.oid))::bigint AS updated,"
    " sum(pg_catalog.pg_stat_get_tuples_deleted(m.oid))::bigint AS deleted FROM member m GROUP BY m.entry, m.root) t ON true ORDER BY t.entry";

char *slot_query(const struct config *config)
{
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put(&sql, query_head);
  catalog_put_tables(&sql, config);
  sql_text_put(&sql, query_server);
  catalog_mark_put(&sql, config);
  sql_text_put(&sql, query_slot);
  sql_text_put_literal(&sql, config->postgres.slot);
  sql_text_put(&sql, query_tail);
  return sql_text_close(&sql);
}

static void read_slot(struct pg_row *row, struct slot_figures *figures)
{
  bool has_limit = pg_row_text(row, COLUMN_SAFE_BYTES) != NULL;
  int64_t safe_bytes = pg_row_int(row, COLUMN_SAFE_BYTES, INT64_MIN, INT64_MAX, -1);

  catalog_mark_read(row, COLUMN_MARK, &figures->catalog);
  figures->slot_exists = pg_row_bool(row, COLUMN_EXISTS);
  figures->slot_is_active = pg_row_bool(row, COLUMN_ACTIVE);
  figures->active_pid = (int32_t)pg_row_int(row, COLUMN_ACTIVE_PID, 0, INT32_MAX, 0);
  figures->status = slot_status_parse(pg_row_text(row, COLUMN_STATUS));
  figures->wal_end = pg_row_lsn(row, COLUMN_WAL_END);
  figures->confirmed = pg_row_lsn(row, COLUMN_CONFIRMED);
  figures->restart = pg_row_lsn(row, COLUMN_RESTART);
  /* A slot that was lost has no restart position. A standby may not have replayed as far as the slot yet. */
  figures->retained_bytes = figures->restart != 0 && figures->wal_end > figures->restart ? (int64_t)(figures->wal_end - figures->restart) : 0;
  /* The server says NULL for "no limit", but also once the slot is lost; and less than nothing between the limit and the next checkpoint. */
  if (figures->status == SLOT_LOST || (has_limit && safe_bytes < 0)) {
    safe_bytes = 0;
  }
  figures->safe_bytes = safe_bytes;
}

static void read_table(struct pg_row *row, const struct config *config, struct slot_answer *answer)
{
  int64_t entry = pg_row_int(row, COLUMN_ENTRY, 0, (int64_t)config->outbox_count - 1, -1);

  if (entry >= 0) {
    answer->tables[entry] = (struct table_counts){
        .is_known = true,
        .oid = (uint32_t)pg_row_int(row, COLUMN_OID, 0, UINT32_MAX, 0),
        .updated = (uint64_t)pg_row_int(row, COLUMN_UPDATED, 0, INT64_MAX, 0),
        .deleted = (uint64_t)pg_row_int(row, COLUMN_DELETED, 0, INT64_MAX, 0),
    };
  }
}

enum verdict slot_query_read(const struct config *config, const PGresult *result, struct slot_answer *ret_answer, struct problem *problem)
{
  struct pg_row row = {.result = result};
  struct slot_answer answer = {0};

  if (PQresultStatus(result) != PGRES_TUPLES_OK || PQnfields(result) != COLUMN_COUNT || PQntuples(result) < 1) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "bad_answer", "could not read the slot's figures: unexpected form of the answer");
  }
  read_slot(&row, &answer.figures);
  for (; row.number < PQntuples(result); row.number++) {
    read_table(&row, config, &answer);
  }
  if (row.is_damaged) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "bad_answer", "could not read the slot's figures: a value is not of its column's type");
  }
  *ret_answer = answer;
  return VERDICT_OK;
}

void slot_baseline_advance(struct slot_baseline *baseline, struct slot_answer *answer)
{
  const struct catalog_mark *mark = &answer->figures.catalog;
  bool is_known = baseline->catalog.server[0] != '\0';
  bool is_same_server = strcmp(baseline->catalog.server, mark->server) == 0;

  /* Also across a restart, since the session may have been back, and have judged, before this connection was; rows and OIDs are the same then. */
  answer->figures.catalog_has_changed = is_known && baseline->catalog.number != mark->number;
  for (size_t i = 0; i < CONFIG_OUTBOX_MAX; i++) {
    const struct table_counts *before = &baseline->tables[i];
    const struct table_counts *after = &answer->tables[i];

    if (is_same_server && before->is_known && after->is_known && before->oid == after->oid && before->updated <= after->updated &&
        before->deleted <= after->deleted) {
      answer->figures.updated[i] = after->updated - before->updated;
      answer->figures.deleted[i] = after->deleted - before->deleted;
    }
  }
  baseline->catalog = *mark;
  memcpy(baseline->tables, answer->tables, sizeof(baseline->tables));
}
