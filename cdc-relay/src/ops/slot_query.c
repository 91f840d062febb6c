/*
 * slot_query.c - one row per outbox table, or a single one when there is none; the slot's columns are the same in each.
 *
 *    0 end of WAL     1 start of the server     2 slot exists   3 active   4 its pid   5 wal_status   6 safe_wal_size   7 confirmed   8 restart
 *    9 entry (NULL: no table)   10 oid   11 updated   12 deleted   13 publication
 *
 * The last one stands for the publication's rows in the catalog, by their transaction ids: another value means that somebody has changed, dropped or made it.
 * Its schemas (PostgreSQL 15 and later) have a catalog that older servers do not know; they are seen by what depends on the publication.
 *
 * wal_status and safe_wal_size are read through the row's JSON form, which gives NULL before PostgreSQL 13. Partitions are found in pg_inherits and not by
 * pg_partition_tree(), which would lock each of them and wait behind an ALTER TABLE.
 */
#include "ops/slot_query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/sql_text.h"

enum answer_column {
  COLUMN_WAL_END,
  COLUMN_SERVER_START,
  COLUMN_EXISTS,
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
  COLUMN_PUBLICATION,
  COLUMN_COUNT,
};

static const char query_head[] = "WITH RECURSIVE member (entry, root, oid) AS (SELECT e.entry, c.oid, c.oid FROM (VALUES (-1, '', '')";
static const char query_middle[] =
    ") AS e (entry, schema, name)"
    " JOIN pg_catalog.pg_namespace n ON n.nspname = e.schema JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = e.name"
    " UNION SELECT m.entry, m.root, i.inhrelid FROM member m JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid)"
    " SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END,"
    " pg_catalog.pg_postmaster_start_time(), s.slot_name IS NOT NULL, s.active, s.active_pid,"
    " pg_catalog.to_jsonb(s) ->> 'wal_status', pg_catalog.to_jsonb(s) ->> 'safe_wal_size', s.confirmed_flush_lsn, s.restart_lsn,"
    " t.entry, t.root, t.updated, t.deleted, (SELECT pg_catalog.hashtextextended(pg_catalog.concat(p.oid, ' ', p.xmin, ' ',"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat(r.prrelid, ' ', r.xmin), ' ' ORDER BY r.prrelid) FROM pg_catalog.pg_publication_rel r"
    " WHERE r.prpubid = p.oid), ' ',"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat(d.classid, ' ', d.objid), ' ' ORDER BY d.classid, d.objid) FROM pg_catalog.pg_depend d"
    " WHERE d.refclassid = 'pg_catalog.pg_publication'::pg_catalog.regclass AND d.refobjid = p.oid)), 0)"
    " FROM pg_catalog.pg_publication p WHERE p.pubname = ";
static const char query_slot[] = ")"
                                 " FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = ";
static const char query_tail[] =
    " LEFT JOIN (SELECT m.entry, m.root, sum(pg_catalog.pg_stat_get_tuples_updated(m.oid))::bigint AS updated,"
    " sum(pg_catalog.pg_stat_get_tuples_deleted(m.oid))::bigint AS deleted FROM member m GROUP BY m.entry, m.root) t ON true ORDER BY t.entry";

char *slot_query(const struct config *config)
{
  struct sql_text sql;

  sql_text_open(&sql);
  sql_text_put(&sql, query_head);
  for (size_t i = 0; i < config->outbox_count; i++) {
    if (config->outbox[i].message_prefix == NULL) {
      sql_text_put_format(&sql, ", (%zu, ", i);
      sql_text_put_literal(&sql, config->outbox[i].table_schema);
      sql_text_put(&sql, ", ");
      sql_text_put_literal(&sql, config->outbox[i].table_name);
      sql_text_put(&sql, ")");
    }
  }
  sql_text_put(&sql, query_middle);
  sql_text_put_literal(&sql, config->postgres.publication);
  sql_text_put(&sql, query_slot);
  sql_text_put_literal(&sql, config->postgres.slot);
  sql_text_put(&sql, query_tail);
  return sql_text_close(&sql);
}

/* Reads columns of one row; a value that is not of its type leaves the reader failed. */
struct row_reader {
  const PGresult *result;
  int row;
  bool failed;
};

static const char *value_of(const struct row_reader *reader, enum answer_column column)
{
  return PQgetisnull(reader->result, reader->row, (int)column) ? NULL : PQgetvalue(reader->result, reader->row, (int)column);
}

static int64_t read_int(struct row_reader *reader, enum answer_column column, int64_t least, int64_t most, int64_t if_null)
{
  const char *text = value_of(reader, column);
  char *end;
  long long value;

  if (text == NULL) {
    return if_null;
  }
  errno = 0;
  value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
    reader->failed = true;
    return if_null;
  }
  return value;
}

static bool read_bool(struct row_reader *reader, enum answer_column column)
{
  const char *text = value_of(reader, column);

  if (text != NULL && strcmp(text, "t") != 0 && strcmp(text, "f") != 0) {
    reader->failed = true;
  }
  return text != NULL && text[0] == 't';
}

static Lsn read_lsn(struct row_reader *reader, enum answer_column column)
{
  const char *text = value_of(reader, column);
  Lsn lsn = 0;

  if (text != NULL && lsn_parse(text, strlen(text), &lsn) != VERDICT_OK) {
    reader->failed = true;
  }
  return lsn;
}

static void read_slot(struct row_reader *reader, struct slot_figures *figures)
{
  bool has_limit = value_of(reader, COLUMN_SAFE_BYTES) != NULL;
  int64_t safe_bytes = read_int(reader, COLUMN_SAFE_BYTES, INT64_MIN, INT64_MAX, -1);

  figures->slot_exists = read_bool(reader, COLUMN_EXISTS);
  figures->slot_is_active = read_bool(reader, COLUMN_ACTIVE);
  figures->active_pid = (int32_t)read_int(reader, COLUMN_ACTIVE_PID, 0, INT32_MAX, 0);
  figures->status = slot_status_parse(value_of(reader, COLUMN_STATUS));
  figures->wal_end = read_lsn(reader, COLUMN_WAL_END);
  figures->confirmed = read_lsn(reader, COLUMN_CONFIRMED);
  figures->restart = read_lsn(reader, COLUMN_RESTART);
  /* A slot that was lost has no restart position. A standby may not have replayed as far as the slot yet. */
  figures->retained_bytes = figures->restart != 0 && figures->wal_end > figures->restart ? (int64_t)(figures->wal_end - figures->restart) : 0;
  /* The server says NULL for "no limit", but also once the slot is lost; and less than nothing between the limit and the next checkpoint. */
  if (figures->status == SLOT_LOST || (has_limit && safe_bytes < 0)) {
    safe_bytes = 0;
  }
  figures->safe_bytes = safe_bytes;
}

static void read_table(struct row_reader *reader, const struct config *config, struct slot_answer *answer)
{
  int64_t entry = read_int(reader, COLUMN_ENTRY, 0, (int64_t)config->outbox_count - 1, -1);

  if (entry >= 0) {
    answer->tables[entry] = (struct table_counts){
        .is_known = true,
        .oid = (uint32_t)read_int(reader, COLUMN_OID, 0, UINT32_MAX, 0),
        .updated = (uint64_t)read_int(reader, COLUMN_UPDATED, 0, INT64_MAX, 0),
        .deleted = (uint64_t)read_int(reader, COLUMN_DELETED, 0, INT64_MAX, 0),
    };
  }
}

enum verdict slot_query_read(const struct config *config, const PGresult *result, struct slot_answer *ret_answer, struct problem *problem)
{
  struct row_reader reader = {.result = result};
  struct slot_answer answer = {0};

  if (PQresultStatus(result) != PGRES_TUPLES_OK || PQnfields(result) != COLUMN_COUNT || PQntuples(result) < 1) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "bad_answer", "could not read the slot's figures: unexpected form of the answer");
  }
  read_slot(&reader, &answer.figures);
  answer.publication = read_int(&reader, COLUMN_PUBLICATION, INT64_MIN, INT64_MAX, 0);
  (void)snprintf(answer.server_start, sizeof(answer.server_start), "%s", PQgetvalue(result, 0, COLUMN_SERVER_START));
  for (; reader.row < PQntuples(result); reader.row++) {
    read_table(&reader, config, &answer);
  }
  if (reader.failed) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "bad_answer", "could not read the slot's figures: a value is not of its column's type");
  }
  *ret_answer = answer;
  return VERDICT_OK;
}

void slot_baseline_advance(struct slot_baseline *baseline, struct slot_answer *answer)
{
  bool is_known = baseline->server_start[0] != '\0';
  bool is_same_server = strcmp(baseline->server_start, answer->server_start) == 0;

  /* Also across a restart, since the session may have been back, and have judged, before this connection was; rows and OIDs are the same then. */
  answer->figures.catalog_has_changed = is_known && baseline->publication != answer->publication;
  for (size_t i = 0; i < CONFIG_OUTBOX_MAX; i++) {
    const struct table_counts *before = &baseline->tables[i];
    const struct table_counts *after = &answer->tables[i];

    if (is_known && (before->is_known != after->is_known || before->oid != after->oid)) {
      answer->figures.catalog_has_changed = true;
    }
    if (is_same_server && before->is_known && after->is_known && before->oid == after->oid && before->updated <= after->updated &&
        before->deleted <= after->deleted) {
      answer->figures.updated[i] = after->updated - before->updated;
      answer->figures.deleted[i] = after->deleted - before->deleted;
    }
  }
  memcpy(baseline->server_start, answer->server_start, sizeof(baseline->server_start));
  baseline->publication = answer->publication;
  memcpy(baseline->tables, answer->tables, sizeof(baseline->tables));
}
