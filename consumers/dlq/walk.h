/*
 * walk.h - once through a dead-letter topic, up to where it ended when the walk began, with a memory of what was dealt with.
 *
 * The memory is the committed offsets of a group (done.h). Nobody subscribes with that group: partitions are assigned by hand, so that nothing rebalances. Two walks
 * may deal with letters of one topic at the same time: walk_refresh() takes in what the other has remembered, before each letter and before each commit. Kafka forgets
 * each partition's offset some days after its last commit: walk_refresh() and walk_commit() behind walk_open() keep what there is, and what began anew knows what may be
 * missing from it.
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
  WALK_OVERLAP_S = 1, /* a run that has read the memory has written it by then */
  WALK_CONFIRMATIONS_MAX = 10,
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
/*
 * Takes in what other runs have committed, unless it was read within the last `age_ms`. POISON: what they and this walk have dealt with cannot be remembered together;
 * nothing was changed in that partition. Blocks.
 */
enum verdict MUST_CHECK walk_refresh(struct walk *walk, int64_t age_ms, struct problem *problem);
/*
 * Belongs right behind a walk_refresh() of age 0: what others have committed since is overwritten. Blocks until Kafka has it: all partitions the first time, then those
 * whose memory is not what is committed. Nothing to commit is OK.
 */
enum verdict MUST_CHECK walk_commit(struct walk *walk, struct problem *problem);
/* Behind the last walk_commit(), for what must not be forgotten: looks again, and commits again, until what was committed is seen to have stayed. Blocks for a second. */
enum verdict MUST_CHECK walk_confirm(struct walk *walk, struct problem *problem);

#endif
