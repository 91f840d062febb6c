/*
 * transaction.h - the effect of one event, or of several of one partition, in one transaction: inbox rows, handlers, what they publish, the commit. Of a consumer without
 * a database: the effect of one event, as its handler says.
 */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include "processing.h"

enum {
  TRANSACTION_ATTEMPTS_MAX = 5,   /* at once, after a deadlock, a serialization failure or a plan that is out of date */
  TRANSACTION_PUBLISHED_MAX = 64, /* types of published events that are told apart in the figures, per transaction */
};

/*
 * `count` from 1 to processing->batch; `attempt` from 1, for the handler. OK: every event is done: handled, a duplicate, ignored, or of a type that nobody handles; their
 * figures are counted. Otherwise nothing happened in the database (but where a COMMIT's answer was lost: then it may have, and the inbox will know), and *ret_failure
 * says why; of a batch it does not say which event. What a handler without a database did before it failed stays. The database may block as long as its limits allow, a
 * handler as long as it likes.
 */
enum verdict MUST_CHECK transaction_run(struct processing *processing, struct fetched *const *fetched, size_t count, uint32_t attempt,
                                        struct failure *ret_failure);

/*
 * Gives back the reservation in Redis that the event of the last unit, of `fetched` alone, may still have; nothing without one. RETRY: Redis does not do it now, and
 * *ret_failure says why. An event is given up only behind OK: with its key left there its redrive would pass for a repetition, and be lost. Blocks as Redis may.
 */
enum verdict MUST_CHECK transaction_release(struct processing *processing, struct fetched *fetched, struct failure *ret_failure);

/*
 * The same for an event whose partition goes while no unit is in hand: its next owner would take it for a duplicate. `is_redis_asked`: false once Redis did not do it for
 * another event, since a group waits for who leaves it; then the log says so and no more. Returns whether Redis is to be asked about the next one.
 */
bool transaction_abandon(struct processing *processing, struct fetched *fetched, bool is_redis_asked);

/* What the type of the event at `index` of the last unit is called in the figures. Static. */
const char *transaction_type_label(const struct processing *processing, size_t index);

#endif
