/* pg_row.c - text of the server to values. */
#include "stream/pg_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *pg_row_text(const struct pg_row *row, int column)
{
  return PQgetisnull(row->result, row->number, column) ? NULL : PQgetvalue(row->result, row->number, column);
}

bool pg_row_bool(struct pg_row *row, int column)
{
  const char *text = pg_row_text(row, column);
  bool is_true = text != NULL && (strcmp(text, "t") == 0 || strcmp(text, "true") == 0);

  if (text != NULL && !is_true && strcmp(text, "f") != 0 && strcmp(text, "false") != 0) {
    row->is_damaged = true;
  }
  return is_true;
}

int64_t pg_row_int(struct pg_row *row, int column, int64_t least, int64_t most, int64_t if_null)
{
  const char *text = pg_row_text(row, column);
  char *end;
  long long value;

  if (text == NULL) {
    return if_null;
  }
  errno = 0;
  value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
    row->is_damaged = true;
    return if_null;
  }
  return value;
}

Lsn pg_row_lsn(struct pg_row *row, int column)
{
  const char *text = pg_row_text(row, column);
  Lsn lsn = 0;

  if (text != NULL && lsn_parse(text, strlen(text), &lsn) != VERDICT_OK) {
    row->is_damaged = true;
    return 0;
  }
  return lsn;
}
