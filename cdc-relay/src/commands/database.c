/* database.c - blocking SQL. */
#include "commands/database.h"

#include <stdio.h>
#include <stdlib.h>

#include "stream/pg_connection.h"

enum verdict database_run(PGconn *connection, const char *sql, const char *doing, PGresult **ret_result, struct problem *problem)
{
  PGresult *result = PQexec(connection, sql);
  ExecStatusType status = PQresultStatus(result);
  enum verdict verdict;

  if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
    if (ret_result != NULL) {
      *ret_result = result;
    } else {
      PQclear(result);
    }
    return VERDICT_OK;
  }
  verdict = pg_problem(connection, result, doing, problem);
  PQclear(result);
  return verdict;
}

enum verdict database_read_catalog(PGconn *connection, const struct config *config, struct catalog *catalog, struct problem *problem)
{
  enum verdict verdict = VERDICT_OK;

  for (size_t i = 0; i < CATALOG_QUERY_COUNT && verdict == VERDICT_OK; i++) {
    char *sql = catalog_query(config, i);
    PGresult *result = NULL;

    verdict = database_run(connection, sql, "read the server's catalog", &result, problem);
    if (verdict == VERDICT_OK) {
      verdict = catalog_read(catalog, config, i, result, problem);
    }
    PQclear(result);
    free(sql);
  }
  return verdict;
}

/* pg_locks tells every role who holds a transaction id; pg_stat_activity adds state and age where the role may see them. */
static const char open_transactions_query[] =
    "SELECT string_agg(words, ', ') FROM (SELECT words FROM (SELECT format('pid %%s (role \"%%s\"%%s)', l.pid, a.usename,"
    " CASE WHEN a.state IS NULL THEN '' ELSE format(', %%s for %%s', a.state, date_trunc('second', clock_timestamp() - a.xact_start)) END) AS words,"
    " a.xact_start AS since"
    " FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()"
    " UNION ALL SELECT format('prepared transaction %%L of database \"%%s\" (owner \"%%s\", for %%s)', x.gid, x.database, x.owner,"
    " date_trunc('second', clock_timestamp() - x.prepared)), x.prepared FROM pg_catalog.pg_prepared_xacts x) AS every"
    " WHERE %d = 0 OR since < clock_timestamp() - interval '%d s' ORDER BY since NULLS LAST LIMIT 5) AS oldest";

char *database_open_transactions(PGconn *connection, int older_than_s)
{
  char *sql = NULL;
  char *words = NULL;
  PGresult *result;

  if (asprintf(&sql, open_transactions_query, older_than_s, older_than_s) < 0) {
    abort();
  }
  result = PQexec(connection, sql);
  if (asprintf(&words, "%s", PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "") < 0) {
    abort();
  }
  PQclear(result);
  free(sql);
  return words;
}
