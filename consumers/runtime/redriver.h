/*
 * redriver.h - publishes dead letters to where they came from: an idempotent producer with acks=all, at a rate, those of a key one after the other.
 */
#ifndef REDRIVER_H
#define REDRIVER_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

#include "arena.h"
#include "record.h"
#include "verdict.h"

enum {
  REDRIVER_TIMEOUT_MS = 60000, /* from being queued to being acknowledged */
  REDRIVER_SENT_MAX = 256,     /* with a key, and not acknowledged yet */
};

struct redriver;

/* Takes `conf` in any case. `per_second` 0: as fast as it goes. FATAL: a wrong setting. */
enum verdict MUST_CHECK redriver_new(rd_kafka_conf_t *conf, int64_t per_second, struct redriver **ret_redriver, struct problem *problem);
void redriver_free(struct redriver *redriver); /* takes NULL; what was not flushed is given up */

/*
 * Blocks until the letter may be sent: for the rate's sake, and until what was sent with the same key is acknowledged. For whoever has to look at something behind that
 * wait; redriver_send() does the same. Where one failed, the verdict is redriver_flush()'s, and nothing can be sent any more.
 */
enum verdict MUST_CHECK redriver_await(struct redriver *redriver, const struct record *letter, struct problem *problem);

/* Queues a copy: same key and value, headers by redrive.h, for which the arena is. Verdicts are redriver_flush()'s. */
enum verdict MUST_CHECK redriver_send(struct redriver *redriver, const struct record *letter, const char *topic, struct arena *arena, struct problem *problem);

/* OK: all that was sent is acknowledged. Else some of it may not be: RETRY where Kafka was away, FATAL where it refuses (no such topic, not allowed, too large). */
enum verdict MUST_CHECK redriver_flush(struct redriver *redriver, struct problem *problem);

#endif
