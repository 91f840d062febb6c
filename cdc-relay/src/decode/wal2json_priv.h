/* wal2json_priv.h - the seam between the line (wal2json.c) and the rows in it (wal2json_row.c); included by these two only. */
#ifndef DECODE_WAL2JSON_PRIV_H
#define DECODE_WAL2JSON_PRIV_H

#include "arena.h"
#include "decode/change.h"
#include "decode/json_scanner.h"

/* A span of a constant text, where an expression cannot stand. */
#define LITERAL(text)                                                                                                                                          \
  {                                                                                                                                                            \
    text, sizeof(text) - 1                                                                                                                                     \
  }

/* One row's columns as they are read, before it is known whether their shape is an old one. */
struct wal2json_row {
  size_t count;
  struct column columns[COLUMNS_MAX]; /* names without a zero, borrowed from line or arena */
  struct value values[COLUMNS_MAX];
};

/* Whether a name in the line is `word`, which needs no escapes. */
static inline bool wal2json_is_named(const struct json_value *name, struct span word)
{
  return name->raw.length == word.length + 2 && memcmp(name->raw.data + 1, word.data, word.length) == 0;
}

/* An integer from..to written without fraction or exponent. False: something else (*ret_integer untouched). */
bool wal2json_read_integer(struct json_value value, int64_t from, int64_t to, int64_t *ret_integer);

/*
 * Reads an array of columns, the next thing in the scanner. False: column number row->count cannot be read, or there are more than COLUMNS_MAX.
 * Values and names are borrowed from the line, or from the arena when they had escapes.
 */
bool wal2json_read_row(struct json_scanner *scanner, struct arena *arena, struct wal2json_row *row);

#endif
