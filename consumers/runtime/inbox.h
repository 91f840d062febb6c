/*
 * inbox.h - which events were handled before: one row per event and consumer, written first in the transaction of the event's effect.
 *
 *     CREATE TABLE notification.inbox (consumer text, event_id text, topic text, partition integer, "offset" bigint, handled_at timestamptz DEFAULT now(),
 *                                      PRIMARY KEY (consumer, event_id))      sql/inbox.sql makes one
 *
 * Its event_id is the event's unique_id: the id, and where that is no uuid the topic before it.
 *
 * A row that does not come in was there: the event is a duplicate. Of two consumers that have the same event in hand at once (one was stopped, its partition
 * given away, and goes on) the second waits for the first one's transaction, and is told the truth afterwards. Rows come in in the order of their ids, so that
 * two batches with the same events do not wait for each other.
 */
#ifndef CONSUMER_INBOX_H
#define CONSUMER_INBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "consumer.h"
#include "verdict.h"
#include "work.h"

enum {
  INBOX_TABLE_MAX_BYTES = 127, /* schema, point and name, of at most 63 each */
  INBOX_SQL_SIZE = 768,
  INBOX_PARAMETERS = 5,
};

/* Not moved: the statements point into it. Lives as long as the connections that know its statements. */
struct inbox {
  const char *consumer;
  struct statement one;
  struct statement batch;
  char one_sql[INBOX_SQL_SIZE];
  char batch_sql[INBOX_SQL_SIZE];
};

/*
 * `table`: `schema.name` or `name`, of small letters, digits and `_`; `consumer` is borrowed. FATAL: the table's name is none. Statement names are the same
 * for all inboxes: one inbox in a program.
 */
enum verdict MUST_CHECK inbox_init(struct inbox *inbox, const char *table, const char *consumer, struct problem *problem);

/*
 * Writes the rows of `count` events (1 to CONSUMER_BATCH_MAX) and says of each whether it is new; of events with the same id in one batch the first may be.
 * One round trip, together with what is queued. False: the unit of work failed.
 */
bool MUST_CHECK inbox_claim(const struct inbox *inbox, struct work *work, const struct event *const *events, size_t count, struct arena *arena,
                            bool *ret_is_new);

/* The three parts of inbox_claim(), for tests and for those who ask otherwise. Parameters are borrowed from inbox, events and arena. */
void inbox_parameters_one(const struct inbox *inbox, const struct event *event, struct arena *arena, struct parameter ret_parameters[INBOX_PARAMETERS]);
void inbox_parameters_batch(const struct inbox *inbox, const struct event *const *events, size_t count, struct arena *arena,
                            struct parameter ret_parameters[INBOX_PARAMETERS]);
/* `claimed`: the ids that came in, in any order. Returns how many events are new. */
size_t inbox_mark(const struct event *const *events, size_t count, const char *const *claimed, size_t claimed_count, struct arena *arena, bool *ret_is_new);

#endif
