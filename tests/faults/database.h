/*
 * database.h - a connection to PostgreSQL that expects to be lost: it waits for no answer longer than it was told, and says which of the three cases it was.
 * After DATABASE_GONE the connection is closed, and database_open() makes a new one.
 */
#ifndef FAULTS_DATABASE_H
#define FAULTS_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum database_answer {
  DATABASE_DONE,
  DATABASE_REFUSED, /* the server refused the statement; the connection lives */
  DATABASE_GONE,    /* no answer: whether the statement was carried out is not known */
};

/* Zeroed but for `conninfo`: closed. */
struct database {
  const char *conninfo; /* borrowed */
  const char *name;     /* static: application_name */
  int64_t patience_us;  /* for one answer; after a stop signal STOP_PATIENCE_US */
  PGconn *connection;
};

enum { STOP_PATIENCE_US = 5000000 };

/* Returns false when it could not connect; the reason goes to standard error once per outage. */
bool database_open(struct database *database);

/* Parameters are texts. `*ret_result` is the caller's to clear; NULL is allowed there, and after DATABASE_GONE none is written. */
enum database_answer database_ask(struct database *database, const char *sql, int count, const char *const *values, PGresult **ret_result);

/* The same by the name of a prepared statement. */
enum database_answer database_ask_prepared(struct database *database, const char *name, int count, const char *const *values, PGresult **ret_result);

bool database_prepare(struct database *database, const char *name, const char *sql);

void database_close(struct database *database);

#endif
