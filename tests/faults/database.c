/* database.c - libpq's asynchronous calls with a limit of time for each answer. */
#include "database.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "stop_signal.h"

enum { POLL_MS = 50 };

bool database_open(struct database *database)
{
  /* What a scenario's own conninfo says wins: later keywords of an expanded one do. */
  const char *keywords[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                            "keepalives_count", "tcp_user_timeout", "client_encoding",
                            "application_name", "dbname",           NULL};
  const char *values[] = {"5", "2", "1", "3", "5000", "UTF8", database->name, database->conninfo, NULL};

  database_close(database);
  database->connection = PQconnectdbParams(keywords, values, 1);
  if (PQstatus(database->connection) != CONNECTION_OK) {
    database_close(database);
    return false;
  }
  return true;
}

void database_close(struct database *database)
{
  PQfinish(database->connection);
  database->connection = NULL;
}

static bool is_out_of_time(const struct database *database, int64_t began_us)
{
  return (database->patience_us > 0 && stop_signal_clock_us() - began_us > database->patience_us) || stop_signal_age_us() > STOP_PATIENCE_US;
}

/* Waits until the next result is there. */
static bool await(struct database *database, int64_t began_us)
{
  while (PQflush(database->connection) == 1 || PQisBusy(database->connection)) {
    struct pollfd socket = {.fd = PQsocket(database->connection), .events = POLLIN};

    if (is_out_of_time(database, began_us)) {
      return false;
    }
    (void)poll(&socket, 1, POLL_MS);
    if (PQconsumeInput(database->connection) == 0) {
      return false;
    }
  }
  return true;
}

static enum database_answer gone(struct database *database, PGresult *result)
{
  PQclear(result);
  database_close(database);
  return DATABASE_GONE;
}

static enum database_answer take(struct database *database, bool was_sent, PGresult **ret_result)
{
  int64_t began_us = stop_signal_clock_us();
  PGresult *first = NULL;
  ExecStatusType status;

  if (!was_sent) {
    return gone(database, NULL);
  }
  for (;;) {
    PGresult *result;

    if (!await(database, began_us)) {
      return gone(database, first);
    }
    result = PQgetResult(database->connection);
    if (result == NULL) {
      break;
    }
    if (first == NULL) {
      first = result;
    } else {
      PQclear(result);
    }
  }
  status = PQresultStatus(first);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && PQstatus(database->connection) != CONNECTION_OK) {
    return gone(database, first);
  }
  if (ret_result != NULL) {
    *ret_result = first;
  } else {
    PQclear(first);
  }
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? DATABASE_DONE : DATABASE_REFUSED;
}

enum database_answer database_ask(struct database *database, const char *sql, int count, const char *const *values, PGresult **ret_result)
{
  if (database->connection == NULL) {
    return DATABASE_GONE;
  }
  return take(database, PQsendQueryParams(database->connection, sql, count, NULL, values, NULL, NULL, 0) == 1, ret_result);
}

enum database_answer database_ask_prepared(struct database *database, const char *name, int count, const char *const *values, PGresult **ret_result)
{
  if (database->connection == NULL) {
    return DATABASE_GONE;
  }
  return take(database, PQsendQueryPrepared(database->connection, name, count, values, NULL, NULL, 0) == 1, ret_result);
}

bool database_prepare(struct database *database, const char *name, const char *sql)
{
  return database->connection != NULL && take(database, PQsendPrepare(database->connection, name, sql, 0, NULL) == 1, NULL) == DATABASE_DONE;
}
