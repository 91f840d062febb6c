/* database.h - SQL for the one-shot commands: one statement at a time, blocking. */
#ifndef COMMANDS_DATABASE_H
#define COMMANDS_DATABASE_H

#include <libpq-fe.h>

#include "config/config.h"
#include "stream/catalog.h"
#include "verdict.h"

/* Runs one statement; `doing` completes "could not ...". OK with *ret_result (the caller's, PQclear) unless it is NULL; RETRY or FATAL by SQLSTATE. */
enum verdict MUST_CHECK database_run(PGconn *connection, const char *sql, const char *doing, PGresult **ret_result, struct problem *problem);

/* Fills an initialised catalog. */
enum verdict MUST_CHECK database_read_catalog(PGconn *connection, const struct config *config, struct catalog *catalog, struct problem *problem);

/*
 * Transactions that have written and not ended, and prepared ones, oldest first, five at most, as words for a message: `pid 4711 (role "app", idle in
 * transaction for 00:10:02)`. With `older_than_s` > 0 only those that are known to be older. Empty when there is none. malloc'ed, never NULL.
 */
char *database_open_transactions(PGconn *connection, int older_than_s);

#endif
