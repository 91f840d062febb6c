/*
 * takeover_sql.h - the statements of a take-over, as text. Pure.
 */
#ifndef COMMANDS_TAKEOVER_SQL_H
#define COMMANDS_TAKEOVER_SQL_H

#include <stddef.h>

#include "config/config.h"
#include "stream/catalog.h"

enum { TAKEOVER_SLOT_NAME_MAX = 54, TAKEOVER_SLOT_NAME_SIZE = 64 }; /* the longest postgres.slot that leaves room for `_takeover`; PostgreSQL's limit is 63 */

/* What the old poller's table is like. All borrowed. */
struct old_outbox {
  const struct config_outbox *entry;
  const char *id_column; /* unique, never null; rows are marked by it */
  const char *id_type;   /* as format_type() prints it */
  const char *order_by;  /* column; the id's own, or one before it */
  const char *marked;    /* SQL condition that is true of a row that was published */
  const char *mark;      /* what stands behind SET to make it so */
};

/* The name of the slot while the backlog is not through: nobody streams from it. `ret_name` has TAKEOVER_SLOT_NAME_SIZE bytes. */
void takeover_slot_name(const char *slot, char *ret_name);

/* `"published"` and `"published" = true`; malloc'ed. */
char *takeover_marked_by_column(const char *column);
char *takeover_mark_by_column(const char *column);

/*
 * One row: how many are not marked; of these, how many have NULL in `order_by`; how many have what another one of their key has there, so that their ids decide.
 * malloc'ed, as all that follow.
 */
char *takeover_count_sql(const struct old_outbox *outbox);
/* A cursor named `backlog` over the rows that are not marked, in order: the id as text, then the table's columns as the stream has them. */
char *takeover_cursor_sql(const struct old_outbox *outbox, const struct catalog_table *table);
/* Marks the rows whose ids are in $1, a text array's literal; none that is marked already. */
char *takeover_mark_sql(const struct old_outbox *outbox);
/* One row: whether the role may SELECT and UPDATE, whether the id column is unique by itself and never null, its type. */
char *takeover_facts_sql(const struct old_outbox *outbox);

/* `{"1","a\"b"}` */
char *takeover_array_literal(const char *const *texts, size_t count);

#endif
