/* database_priv.h - what a database is made of; for database.c and work.c alone. */
#ifndef OUTBOX_DATABASE_PRIV_H
#define OUTBOX_DATABASE_PRIV_H

#include "backoff.h"
#include "pipeline.h"

struct kept_result {
  struct kept_result *older;
  PGresult *result;
};

struct work {
  struct database *database;
  struct arena texts;      /* of work_text(), and what is kept of results */
  struct arena parameters; /* of the statement that is being queued */
  struct kept_result *results;
  bool is_open;
  bool is_reused; /* an earlier unit of work used the connection, too */
};

struct database {
  const char *conninfo;
  const char *program;
  PGconn *connection;
  struct pipeline pipeline;
  struct work work; /* one at a time: memory and connection are the same for all */
  bool is_used;     /* a unit of work began on this connection */
  struct backoff backoff;
  int64_t not_before_us; /* the next attempt to connect */
  enum verdict refusal;  /* of the last one */
  struct problem refused;
  uint64_t chance;
};

#endif
