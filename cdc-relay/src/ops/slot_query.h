/*
 * slot_query.h - the monitor's one question to the server, and how its answer is read. Pure: text and rows only.
 */
#ifndef OPS_SLOT_QUERY_H
#define OPS_SLOT_QUERY_H

#include <libpq-fe.h>

#include "config/config.h"
#include "ops/slot_monitor.h"

/* What the statistics say of one outbox entry's table, its partitions included, since they were last reset. */
struct table_counts {
  bool is_known; /* false: no such table, or a message entry */
  uint32_t oid;
  uint64_t updated;
  uint64_t deleted;
};

struct slot_answer {
  struct slot_figures figures; /* all but asked_us, updated, deleted and catalog_has_changed, which are 0 */
  struct table_counts tables[CONFIG_OUTBOX_MAX];
};

/* SQL text; malloc'ed. The same for PostgreSQL 12 to 18, primaries and standbys; takes no lock on a table, so that no migration can hold it up. */
char *slot_query(const struct config *config);
/* OK: *ret_answer. RETRY: the result does not have the form that the query asked for. */
enum verdict MUST_CHECK slot_query_read(const struct config *config, const PGresult *result, struct slot_answer *ret_answer, struct problem *problem);

/* What differences are taken from. All zero: none yet. */
struct slot_baseline {
  struct catalog_mark catalog;
  struct table_counts tables[CONFIG_OUTBOX_MAX];
};

/*
 * Fills updated and deleted of answer->figures with what was added since the baseline, and makes the answer the new baseline. Counts that cannot be compared
 * (first answer, another server or a restarted one, a table created anew, a count that went back because statistics were reset) give 0. catalog_has_changed:
 * its number is not that of the answer before, whichever server gave that.
 */
void slot_baseline_advance(struct slot_baseline *baseline, struct slot_answer *answer);

#endif
