/*
 * backlog.h - publishes rows of a table as the stream would have: the same router, the same publisher, one batch after the other. Knows nothing of slots and marks.
 */
#ifndef COMMANDS_BACKLOG_H
#define COMMANDS_BACKLOG_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "config/config.h"
#include "stream/catalog.h"
#include "verdict.h"

enum { BACKLOG_BATCH_MAX = 10000, BACKLOG_BATCH_DEFAULT = 500 };

struct backlog;

/*
 * `entry` is the index of the table's entry, `id_column` what the cursor's first field is called, `table` its columns, `start` the position that stands for all of its rows. All are borrowed. OK, or FATAL 2 where the
 * publisher cannot be made from the configuration.
 */
enum verdict MUST_CHECK backlog_new(const struct config *config, size_t entry, const char *id_column, const struct catalog_table *table, Lsn start,
                                    size_t batch, struct backlog **ret_backlog, struct problem *problem);
void backlog_free(struct backlog *backlog); /* takes NULL; what is in flight is dropped */

/*
 * Fetches the next batch from the cursor `backlog` of `reader`, publishes it in order, and waits for Kafka's word on every row, without limit while Kafka is away (a
 * warning every half minute). Never more than one row is in memory besides what librdkafka holds. After any verdict the rows that Kafka has are backlog_delivered().
 * OK: all of them, *ret_fetched, 0 at the end. RETRY, FATAL (3 the database, 5 a row, 6 Kafka): not all; `reader` can only be closed.
 */
enum verdict MUST_CHECK backlog_carry_batch(struct backlog *backlog, PGconn *reader, size_t *ret_fetched, struct problem *problem);

/* The ids of the last batch's rows that Kafka has acknowledged; borrowed until the next batch. */
const char *const *backlog_delivered(struct backlog *backlog, size_t *ret_count);

#endif
