/*
 * slot_setup.h - creating publication and slot, in this order: a slot decodes with the catalog as it was, and a publication made later does not exist for it.
 */
#ifndef COMMANDS_SLOT_SETUP_H
#define COMMANDS_SLOT_SETUP_H

#include <libpq-fe.h>
#include <stdio.h>

#include "stream/catalog.h"

enum {
  SLOT_SETUP_LOCK_TIMEOUT_S = 10,  /* by default: a slot's creation waits for every transaction that is running; longer than this needs a person */
  SLOT_SETUP_COUNT_TIMEOUT_S = 15, /* counting rows is a courtesy */
};

/* The statement that creates the publication; malloc'ed. Updates are published where an entry refuses them. */
char *slot_setup_publication_sql(const struct config *config);

/* Creates the publication as postgres.admin_url's role, or the relay's own. FATAL 3 with the statement as the hint when that role may not. */
enum verdict MUST_CHECK slot_setup_create_publication(const struct config *config, struct problem *problem);

/* Takes the publication back, as far as it can, when no slot could be created after it: left behind, it would look like the trace of a lost slot. */
void slot_setup_undo_publication(const struct config *config);

/* Rows of one entry's table that were committed before the slot's start, and so are not published. */
struct rows_before {
  bool is_known;
  bool is_exact; /* counted in the slot's own snapshot; otherwise the server's estimate */
  int64_t rows;
};

enum { FAILOVER_VERSION = 170000 }; /* the first server_version that knows slots with failover */

/* Whether the server knows what postgres.failover asks for: OK, or FATAL 3. */
enum verdict MUST_CHECK slot_setup_judge_failover_support(const struct config *config, const struct catalog *catalog, struct problem *problem);
/* Besides, whether the slot has it, where there is one: OK, or FATAL 3. */
enum verdict MUST_CHECK slot_setup_judge_failover(const struct config *config, const struct catalog *catalog, struct problem *problem);

/*
 * Creates the slot as the relay's role. `rows` has one element per outbox entry, filled, or is NULL; `catalog` gives the estimates. OK with *ret_start. RETRY
 * (cause `lock_timeout`, text naming who is in the way) or FATAL: no slot is left behind.
 */
enum verdict MUST_CHECK slot_setup_create_slot(const struct config *config, const struct catalog *catalog, int lock_timeout_s, struct rows_before *rows,
                                               Lsn *ret_start, struct problem *problem);

/* A slot that was just made, and what was committed before its start. `name` holds for SET TRANSACTION SNAPSHOT as long as the walsender is open and idle. */
struct slot_snapshot {
  PGconn *walsender;
  char *name;
  Lsn start;
};

/* The same for any name ([a-z0-9_], 63 bytes), leaving the snapshot open. OK: slot_setup_close_snapshot() it. */
enum verdict MUST_CHECK slot_setup_open_snapshot(const struct config *config, const char *slot, bool has_failover, int lock_timeout_s,
                                                 struct slot_snapshot *ret_snapshot, struct problem *problem);
void slot_setup_close_snapshot(struct slot_snapshot *snapshot); /* takes one that is all zero; the slot stays */

/* Fills `rows`, one per outbox entry, as seen in the snapshot; `catalog` gives the estimates where no role may read the table. */
void slot_setup_count_rows(const struct config *config, const struct catalog *catalog, const char *snapshot, struct rows_before *rows);

/* All of it as SQL for a person, with the role for each part. */
void slot_setup_print_sql(const struct config *config, int lock_timeout_s, FILE *out);

#endif
