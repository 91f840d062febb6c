/*
 * change.h - the neutral model of what a logical replication stream says, the same from both plugins.
 *
 * Values are text in one canonical form, whatever the plugin: boolean `true`/`false`; bytea as hexadecimal digits without a prefix; numbers, timestamps
 * (ISO, UTC), uuid, json as PostgreSQL prints them under the session settings that stream/ forces. Everything a change points to is borrowed from
 * the message and the arena it was decoded with, until the arena's next reset; relations are borrowed until decoder_reset().
 */
#ifndef DECODE_CHANGE_H
#define DECODE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lsn.h"
#include "span.h"

/* Type OIDs that mean something to the router (PostgreSQL src/include/catalog/pg_type.dat); all others are plain text to us. */
enum pg_type_oid {
  PG_BOOL = 16,
  PG_BYTEA = 17,
  PG_INT8 = 20,
  PG_INT2 = 21,
  PG_INT4 = 23,
  PG_TEXT = 25,
  PG_JSON = 114,
  PG_FLOAT4 = 700,
  PG_FLOAT8 = 701,
  PG_BPCHAR = 1042,
  PG_VARCHAR = 1043,
  PG_DATE = 1082,
  PG_TIMESTAMP = 1114,
  PG_TIMESTAMPTZ = 1184,
  PG_NUMERIC = 1700,
  PG_UUID = 2950,
  PG_JSONB = 3802,
};

enum { COLUMNS_MAX = 1664 }; /* PostgreSQL's MaxTupleAttributeNumber; more in one relation is damage */

struct column {
  struct span name; /* zero-terminated */
  uint32_t type_oid;
};

/* The shape of a table as of one row. A changed shape is a new struct with a new `version`; two rows with the same version have the same shape. */
struct relation {
  uint64_t version;   /* unique within the decoder's life, never 0 */
  struct span schema; /* zero-terminated, as are all names */
  struct span table;
  size_t column_count;
  const struct column *columns;
};

enum value_state {
  VALUE_PRESENT,
  VALUE_NULL,
  VALUE_UNCHANGED, /* toasted and not sent; only in an UPDATE */
};

struct value {
  enum value_state state;
  struct span text; /* null unless VALUE_PRESENT */
};

enum change_kind {
  CHANGE_NONE, /* understood, and nothing for us (relation, type, origin, empty line) */
  CHANGE_BEGIN,
  CHANGE_COMMIT,
  CHANGE_INSERT,
  CHANGE_UPDATE,
  CHANGE_DELETE,
  CHANGE_TRUNCATE, /* `relation` is the first of the truncated ones; `truncated_count` says how many there are in `truncated` */
  CHANGE_MESSAGE,  /* pg_logical_emit_message */
};

struct change {
  enum change_kind kind;

  /* CHANGE_BEGIN: commit_lsn (start of the commit record), xid, commit_time_us. CHANGE_COMMIT: commit_lsn, end_lsn, commit_time_us. */
  Lsn commit_lsn;
  Lsn end_lsn; /* first byte behind the commit record: what may be confirmed */
  uint32_t xid;
  int64_t commit_time_us; /* since 1970-01-01 UTC */

  /* CHANGE_INSERT, CHANGE_UPDATE (new row), CHANGE_DELETE (old row or its key, possibly no values at all) */
  const struct relation *relation;
  const struct value *values; /* relation->column_count of them; NULL for a DELETE that carries none */

  const struct relation *const *truncated;
  size_t truncated_count;

  /* CHANGE_MESSAGE */
  struct span prefix;
  struct span content;
  bool transactional;
};

#endif
