/*
 * catalog_mark.h - what a stream is judged by, as one number: the publication with all that belongs to it, and which tables there are, of which kind and persistence. The
 * look before a start asks for it, and the second connection again and again: another number means that somebody has changed something. The texts of SQL are the same for
 * both; PostgreSQL 12 to 18, primaries and standbys; no lock on a table, so that no migration can hold it up.
 */
#ifndef STREAM_CATALOG_MARK_H
#define STREAM_CATALOG_MARK_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

struct sql_text;
struct pg_row;

enum { CATALOG_MARK_COLUMNS = 2 };

struct catalog_mark {
  char server[40]; /* when the server that was asked was started, which no other was at that microsecond; empty: none was asked */
  int64_t number;  /* to be compared only */
};

/* Two expressions of a SELECT. */
void catalog_mark_put(struct sql_text *sql, const struct config *config);
/* Reads them from `column` and the next. */
void catalog_mark_read(struct pg_row *row, int column, struct catalog_mark *ret_mark);

/* For a VALUES list: `, (entry, schema, name` and `, payload column` if wanted, then `)`, for each outbox entry that is a table. */
void catalog_put_entries(struct sql_text *sql, const struct config *config, bool with_payload);
/* For a FROM: the outbox entries that are tables and exist, as e (entry, schema, name) with their rows of pg_class as c. */
void catalog_put_tables(struct sql_text *sql, const struct config *config);

#endif
