/*
 * pg_row.h - reads one row of a result, by column. Damage stays: a value that does not have the form of its type marks the row as damaged and reads as NULL would, so that
 * a caller reads all and asks once.
 */
#ifndef STREAM_PG_ROW_H
#define STREAM_PG_ROW_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "lsn.h"

struct pg_row {
  const PGresult *result; /* borrowed */
  int number;
  bool is_damaged;
};

const char *pg_row_text(const struct pg_row *row, int column); /* NULL for SQL's NULL; the result's memory */
bool pg_row_bool(struct pg_row *row, int column);              /* as the server writes it (t, f), or as JSON has it; false for NULL */
int64_t pg_row_int(struct pg_row *row, int column, int64_t least, int64_t most, int64_t if_null);
Lsn pg_row_lsn(struct pg_row *row, int column); /* 0 for NULL */

#endif
