/*
 * slot_setup.c - publication, then slot, then what lies before it.
 *
 *   ordinary or admin connection   CREATE PUBLICATION
 *   walsender                      SET lock_timeout; CREATE_REPLICATION_SLOT, which exports the snapshot of its start ...
 *   ordinary or admin connection   ... in which the rows that are not going to be published are counted, exactly, while the walsender stays idle
 */
#include "commands/slot_setup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands/database.h"
#include "stream/pg_connection.h"
#include "stream/sql_text.h"

char *slot_setup_publication_sql(const struct config *config)
{
  struct sql_text sql;
  const char *before = " FOR TABLE ";
  bool updates = false;

  sql_text_open(&sql);
  sql_text_put(&sql, "CREATE PUBLICATION ");
  sql_text_put_identifier(&sql, config->postgres.publication);
  for (size_t i = 0; i < config->outbox_count; i++) {
    const struct config_outbox *entry = &config->outbox[i];

    if (entry->message_prefix == NULL) {
      sql_text_put(&sql, before);
      sql_text_put_table(&sql, entry->table_schema, entry->table_name);
      before = ", ";
      updates = updates || config_outbox_wants_updates(entry);
    }
  }
  sql_text_put_format(&sql, " WITH (publish = '%s', publish_via_partition_root = true);", updates ? "insert, update" : "insert");
  return sql_text_close(&sql);
}

enum verdict slot_setup_create_publication(const struct config *config, struct problem *problem)
{
  PGconn *connection = NULL;
  char *sql = slot_setup_publication_sql(config);
  enum verdict verdict = pg_connect(config, PG_ADMIN, &connection, problem);

  if (verdict == VERDICT_OK) {
    verdict = database_run(connection, sql, "create the publication", NULL, problem);
    if (verdict == VERDICT_FATAL) {
      problem_hint(problem, "as the tables' owner, or with postgres.admin_url set to that role: %s", sql);
    }
    PQfinish(connection);
  }
  free(sql);
  return verdict;
}

void slot_setup_undo_publication(const struct config *config)
{
  struct problem ignored;
  PGconn *connection = NULL;
  char *publication = sql_identifier(config->postgres.publication);
  char *sql;

  if (asprintf(&sql, "DROP PUBLICATION %s", publication) < 0) {
    abort();
  }
  if (pg_connect(config, PG_ADMIN, &connection, &ignored) == VERDICT_OK) {
    PQclear(PQexec(connection, sql));
    PQfinish(connection);
  }
  free(sql);
  free(publication);
}

/* Whether `connection` reads all rows of the table, row policies included; then how many there are in the snapshot. */
static bool count_table(PGconn *connection, const char *snapshot, const struct config_outbox *entry, int64_t *ret_rows)
{
  struct problem ignored;
  PGresult *result = NULL;
  char *table = sql_table(entry->table_schema, entry->table_name);
  char *table_literal = sql_literal(table);
  char *snapshot_literal = sql_literal(snapshot);
  char *privilege_sql;
  char *count_sql;
  bool may;

  if (asprintf(&privilege_sql, "SELECT has_table_privilege(%s, 'SELECT') AND NOT row_security_active(%s)", table_literal, table_literal) < 0 ||
      asprintf(&count_sql,
               "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '%ds'; SET TRANSACTION SNAPSHOT %s;"
               " SELECT count(*) FROM %s",
               SLOT_SETUP_COUNT_TIMEOUT_S, snapshot_literal, table) < 0) {
    abort();
  }
  may = database_run(connection, privilege_sql, "ask for privileges", &result, &ignored) == VERDICT_OK && PQntuples(result) == 1 &&
        PQgetvalue(result, 0, 0)[0] == 't';
  PQclear(result);
  if (may) {
    result = NULL;
    may = database_run(connection, count_sql, "count rows", &result, &ignored) == VERDICT_OK && PQntuples(result) == 1;
    if (may) {
      *ret_rows = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    }
    PQclear(result);
    PQclear(PQexec(connection, "ROLLBACK"));
  }
  free(privilege_sql);
  free(count_sql);
  free(snapshot_literal);
  free(table_literal);
  free(table);
  return may;
}

void slot_setup_count_rows(const struct config *config, const struct catalog *catalog, const char *snapshot, struct rows_before *rows)
{
  static const enum pg_role roles[] = {PG_ORDINARY, PG_ADMIN};

  for (size_t i = 0; i < config->outbox_count; i++) {
    rows[i] =
        (struct rows_before){.is_known = !catalog->tables[i].is_message && catalog->tables[i].rows_estimate >= 0, .rows = catalog->tables[i].rows_estimate};
  }
  for (size_t r = 0; r < sizeof(roles) / sizeof(*roles); r++) {
    struct problem ignored;
    PGconn *connection = NULL;

    if ((roles[r] == PG_ADMIN && config->postgres.admin_url == NULL) || pg_connect(config, roles[r], &connection, &ignored) != VERDICT_OK) {
      continue;
    }
    for (size_t i = 0; i < config->outbox_count; i++) {
      if (config->outbox[i].message_prefix == NULL && !rows[i].is_exact && count_table(connection, snapshot, &config->outbox[i], &rows[i].rows)) {
        rows[i].is_known = true;
        rows[i].is_exact = true;
      }
    }
    PQfinish(connection);
  }
}

/* Says who is in the way, in place of "canceling statement due to lock timeout". */
static enum verdict explain_timeout(const struct config *config, const char *slot, int lock_timeout_s, struct problem *problem)
{
  struct problem ignored;
  PGconn *connection = NULL;
  char *words = NULL;
  enum verdict verdict;

  if (pg_connect(config, PG_ORDINARY, &connection, &ignored) == VERDICT_OK) {
    words = database_open_transactions(connection, 0);
    PQfinish(connection);
  }
  verdict = problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "lock_timeout",
                        "could not create replication slot \"%s\" within %d s: it has to wait for every open transaction that has written%s%s", slot,
                        lock_timeout_s, words != NULL && words[0] != '\0' ? ", at present " : "", words != NULL ? words : "");
  problem_hint(problem, "end those transactions (COMMIT, ROLLBACK, or SELECT pg_terminate_backend(<pid>);) and try again");
  free(words);
  return verdict;
}

enum verdict slot_setup_judge_failover_support(const struct config *config, const struct catalog *catalog, struct problem *problem)
{
  enum verdict verdict = VERDICT_OK;

  if (config->postgres.failover && catalog->server_version < FAILOVER_VERSION) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "failover",
                          "postgres.failover needs PostgreSQL 17 or later, and the server is PostgreSQL %d: its standbys keep no copies of logical slots",
                          catalog->server_version / 10000);
    problem_hint(problem, "set postgres.failover to false; after a promotion the slot is missing on this version");
  }
  return verdict;
}

enum verdict slot_setup_judge_failover(const struct config *config, const struct catalog *catalog, struct problem *problem)
{
  enum verdict verdict = slot_setup_judge_failover_support(config, catalog, problem);

  if (verdict == VERDICT_OK && config->postgres.failover && catalog->slot_exists && !catalog->slot_has_failover) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "failover",
                          "replication slot \"%s\" exists without the property failover: standbys keep no copy of it", config->postgres.slot);
    problem_hint(problem, "while no relay reads it: psql 'dbname=%s replication=database' -c 'ALTER_REPLICATION_SLOT \"%s\" (FAILOVER true)'",
                 catalog->database, config->postgres.slot);
  }
  return verdict;
}

enum verdict slot_setup_open_snapshot(const struct config *config, const char *slot, bool has_failover, int lock_timeout_s, struct slot_snapshot *ret_snapshot,
                                      struct problem *problem)
{
  PGconn *walsender = NULL;
  PGresult *result = NULL;
  char *sql = NULL;
  const char *point;
  enum verdict verdict = pg_connect(config, PG_REPLICATION, &walsender, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (asprintf(&sql, "SET lock_timeout = '%ds'", lock_timeout_s) < 0) {
    abort();
  }
  verdict = database_run(walsender, sql, "set lock_timeout", NULL, problem);
  free(sql);
  if (verdict == VERDICT_OK) {
    /* The name was validated: [a-z0-9_]. A snapshot is exported by default, in every version's syntax. */
    if (asprintf(&sql, "CREATE_REPLICATION_SLOT \"%s\" LOGICAL %s%s", slot, plugin_name(config->postgres.plugin), has_failover ? " (FAILOVER true)" : "") < 0) {
      abort();
    }
    verdict = database_run(walsender, sql, "create the replication slot", &result, problem);
    free(sql);
    if (verdict == VERDICT_RETRY && strcmp(problem->cause, "lock_timeout") == 0) {
      verdict = explain_timeout(config, slot, lock_timeout_s, problem);
    }
  }
  if (verdict == VERDICT_OK) {
    point = PQntuples(result) == 1 && PQnfields(result) == 4 ? PQgetvalue(result, 0, 1) : "";
    if (lsn_parse(point, strlen(point), &ret_snapshot->start) != VERDICT_OK) {
      verdict = problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "protocol", "unexpected answer to CREATE_REPLICATION_SLOT");
    }
  }
  if (verdict == VERDICT_OK) {
    ret_snapshot->name = strdup(PQgetvalue(result, 0, 2));
    if (ret_snapshot->name == NULL) {
      abort();
    }
    ret_snapshot->walsender = walsender;
    walsender = NULL;
  }
  PQclear(result);
  PQfinish(walsender);
  return verdict;
}

void slot_setup_close_snapshot(struct slot_snapshot *snapshot)
{
  PQfinish(snapshot->walsender);
  free(snapshot->name);
  *snapshot = (struct slot_snapshot){0};
}

enum verdict slot_setup_create_slot(const struct config *config, const struct catalog *catalog, int lock_timeout_s, struct rows_before *rows, Lsn *ret_start,
                                    struct problem *problem)
{
  struct slot_snapshot snapshot = {0};
  enum verdict verdict = slot_setup_open_snapshot(config, config->postgres.slot, config->postgres.failover, lock_timeout_s, &snapshot, problem);

  if (verdict == VERDICT_OK) {
    *ret_start = snapshot.start;
    if (rows != NULL) {
      slot_setup_count_rows(config, catalog, snapshot.name, rows);
    }
  }
  slot_setup_close_snapshot(&snapshot);
  return verdict;
}

void slot_setup_print_sql(const struct config *config, int lock_timeout_s, FILE *out)
{
  char *publication = slot_setup_publication_sql(config);
  char *slot = sql_literal(config->postgres.slot);

  (void)fprintf(out, "-- 1. as the tables' owner, who needs CREATE on the database:\n%s\n\n", publication);
  (void)fprintf(out,
                "-- 2. as the relay's role (LOGIN REPLICATION), after the publication has been committed. It waits for open transactions.\n"
                "SET lock_timeout = '%ds';\nSELECT pg_create_logical_replication_slot(%s, '%s'%s);\n",
                lock_timeout_s, slot, plugin_name(config->postgres.plugin), config->postgres.failover ? ", failover => true" : "");
  free(publication);
  free(slot);
}
