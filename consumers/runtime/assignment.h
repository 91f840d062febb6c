/*
 * assignment.h - the partitions that the group gave us, a lane each.
 */
#ifndef ASSIGNMENT_H
#define ASSIGNMENT_H

#include <librdkafka/rdkafka.h>

#include "lane.h"

struct slot {
  struct lane lane; /* its messages are struct fetched, owned */
  char *topic;
  int32_t partition;
  bool is_waiting_for_database; /* its head could not even begin, since there was no session to be had */
  bool has_lost_session;        /* its last batch did, and none was done as one since */
  int64_t asked_end;            /* where the partition ends, as brokers said in this pause; -1: not known. The caller's to set */
};

struct assignment {
  struct slot **slots;
  size_t count, capacity;
  size_t next;     /* the slot that is asked first */
  size_t batch;    /* of new lanes */
  int64_t wait_us; /* the same */
  size_t bytes;    /* of records, for all lanes together: each has an equal share */
};

void assignment_init(struct assignment *assignment, size_t batch, int64_t wait_us, size_t bytes);
void assignment_end(struct assignment *assignment);

/* The slot of that partition; a new one where there is none. Borrowed until it is removed. */
struct slot *assignment_add(struct assignment *assignment, const char *topic, int32_t partition);
/* NULL: it is not ours. */
struct slot *assignment_find(const struct assignment *assignment, const char *topic, int32_t partition);
/* Forgets it and the records in it. Nothing where it is not ours. */
void assignment_remove(struct assignment *assignment, const char *topic, int32_t partition);

/*
 * The next slot that has something to do, in turns, and what (lane_next()); PAUSE and RESUME come first and are taken as obeyed. NULL: none has before
 * ret_action->due_us. A slot that was run is asked last from then on: assignment_ran().
 */
struct slot *assignment_next(struct assignment *assignment, int64_t now_us, struct lane_action *ret_action);
void assignment_ran(struct assignment *assignment, const struct slot *slot);

/* The partitions that are not fetched from. The caller's, to destroy. */
rd_kafka_topic_partition_list_t *assignment_paused(const struct assignment *assignment);

/* Offsets to commit: those that were not told, or (`is_last`) that Kafka has not said it has. The caller's, to destroy. */
rd_kafka_topic_partition_list_t *assignment_offsets(const struct assignment *assignment, bool is_last);
/*
 * What Kafka said to one of them. Nothing where the partition is not ours. Told that there is no such topic, the lane forgets its log at once, although the coordinator
 * may only know less than the other brokers: asked later, the topic may have been made anew, and an offset of the former one would skip its events. What was done since
 * the last offset that Kafka has may come again after a restart.
 */
void assignment_note_commit(const struct assignment *assignment, const rd_kafka_topic_partition_t *offset, rd_kafka_resp_err_t error);

#endif
