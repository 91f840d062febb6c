/*
 * walk.h - once through a dead-letter topic, up to where it ended when the walk began, with a memory of what was dealt with.
 *
 * The memory is the committed offsets of a group (done.h). Nobody subscribes with that group: partitions are assigned by hand, so that nothing rebalances. Two walks
 * that deal with letters of one topic at the same time do no harm but that the memory of one of them is lost. Kafka forgets each partition's offset some days after its
 * last commit: walk_commit() behind walk_open() keeps what there is, and what began anew knows what may be missing from it.
 */
#ifndef WALK_H
#define WALK_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "fetched.h"
#include "verdict.h"

enum {
  WALK_ANSWER_TIMEOUT_MS = 10000,  /* of the brokers, for metadata, offsets and commits */
  WALK_SILENCE_TIMEOUT_MS = 30000, /* without a record where there are some */
  WALK_PARTITIONS_MAX = 1000,
};

struct walk;

/*
 * Takes `conf` in any case. `from_beginning`: what was dealt with comes, too. FATAL: no such topic, not allowed, wrong setting; RETRY: the brokers do not answer. Blocks.
 */
enum verdict MUST_CHECK walk_open(rd_kafka_conf_t *conf, const char *topic, const char *group, bool from_beginning, struct walk **ret_walk,
                                  struct problem *problem);
void walk_close(struct walk *walk); /* takes NULL */

/* OK: the next record, the caller's until fetched_free(); NULL at the end. Order holds within a partition. Blocks. */
enum verdict MUST_CHECK walk_next(struct walk *walk, struct fetched **ret_fetched, struct problem *problem);

bool walk_is_done(const struct walk *walk, int32_t partition, int64_t offset);
/* Whether it may have been dealt with, and forgotten; `kept_ms`: how long Kafka keeps a group's offsets. A record without a time is of old. */
bool walk_may_have_forgotten(const struct walk *walk, const struct record *record, int64_t kept_ms);
/* Remembers it, for walk_commit(). False: there is no room left to remember it, see done.h. */
bool walk_mark(struct walk *walk, int32_t partition, int64_t offset);
/* Blocks until Kafka has it: all partitions the first time, then what has changed since the last. Nothing to commit is OK. */
enum verdict MUST_CHECK walk_commit(struct walk *walk, struct problem *problem);

#endif
