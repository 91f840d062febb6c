/*
 * lane.h - one partition of ours: the records that were fetched and not yet handled, in their order, and what is to be done with the first of them. Pure: records and
 * outcomes go in, actions come out; no Kafka, no database, no clock. A record is an offset and a pointer that means nothing here.
 *
 *     take --> [ 7 8 9 ... ] --lane_next: RUN 1..batch--> the caller's transaction --> lane_done / lane_split / lane_postpone
 *
 * Order: a record is run only when all before it are done, so that a record in retry holds back those behind it, and events of one key keep their order.
 */
#ifndef LANE_H
#define LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LANE_RECORDS_LEAST = 16 }; /* a lane holds twice its batch, or so many, and no more bytes than its share but for one record */

struct lane_record {
  int64_t offset;
  int64_t timestamp_ms; /* its own: the same offset with another is a record of another log */
  int64_t arrived_us;
  size_t bytes;  /* that it holds in memory */
  void *message; /* the caller's */
};

/* Of the record at the head: all that a retry or a dead letter wants to know. */
struct lane_head {
  uint32_t attempts;       /* begun and failed, for whatever reason */
  uint32_t failures;       /* those among them that count for the retry policy */
  uint32_t transients;     /* in a row, up to now: those that do not count */
  int64_t first_failed_us; /* wall clock; 0: none */
  int64_t told_us;         /* when a log line was written about it; 0: none. The caller's to set, as is */
  const char *told_cause;  /* what that line was about; static */
};

struct lane {
  struct lane_record *records; /* a ring */
  size_t capacity, first, count;
  size_t bytes;    /* of the records in it */
  size_t share;    /* of the memory for records, in bytes; the caller's to set at any time. SIZE_MAX at first */
  size_t batch;    /* so many records are run as one */
  int64_t wait_us; /* a part of a batch waits so long for the rest */
  size_t singles;  /* records at the head to be run one by one, since a batch of them failed */
  int64_t due_us;  /* of the head's next attempt; 0: it is not in retry */
  struct lane_head head;
  bool is_paused;      /* as lane_next() asked for */
  int64_t next_offset; /* records below were taken already; -1: none was */
  size_t former;       /* records at the head that are of a log which is no more: they are handled, and their offsets told to nobody */
  int64_t done_offset; /* to be committed to Kafka: one behind the last that is done; -1: none is */
  int64_t told_offset; /* that Kafka was given; -1: none. The caller's to set */
  int64_t kept_offset; /* that Kafka said it has; -1: none */
};

enum lane_step {
  LANE_IDLE,   /* nothing before due_us */
  LANE_RUN,    /* the first `count` records, in one transaction */
  LANE_PAUSE,  /* fetch no more of this partition; then ask again */
  LANE_RESUME, /* fetch again; then ask again */
};

struct lane_action {
  enum lane_step step;
  size_t count;
  int64_t due_us; /* IDLE: INT64_MAX where only another record can change that */
};

/* `batch` from 1. */
void lane_init(struct lane *lane, size_t batch, int64_t wait_us);
/* Records still in it are the caller's to take out first, with lane_drop(). */
void lane_end(struct lane *lane);

/*
 * A record came. False: it is one that waits here already (fetched again after a pause); it is not taken. Another one at an offset that was taken is: the log began again,
 * and what was done of it is known by the events' ids. There is room after lane_next() was obeyed.
 */
bool lane_take(struct lane *lane, const struct lane_record *record);
/* The record at `index` from the head, borrowed until the next change. */
const struct lane_record *lane_at(const struct lane *lane, size_t index);
/* Takes the head out, whatever was to become of it. NULL: the lane is empty. The done offset stays. */
void *lane_drop(struct lane *lane);

/* Whether a batch would not grow by waiting: it is whole, or the lane takes no more. */
bool lane_has_batch(const struct lane *lane);

/* PAUSE and RESUME are taken as obeyed. */
struct lane_action lane_next(struct lane *lane, int64_t now_us);

/* The head is done for good: handled, known from before, or in the dead letters. Returns its message; call once for each record of a batch. */
void *lane_done(struct lane *lane);
/* A batch of `count` failed as one: they come again one by one. */
void lane_split(struct lane *lane, size_t count);
/* The head failed and is tried again at `due_us`. `is_counted`: by the retry policy. */
void lane_postpone(struct lane *lane, bool is_counted, int64_t due_us, int64_t wall_us);

/* What the head waited for is there: it is due now. Nothing where it waits by the retry policy, or for nothing. */
void lane_hurry(struct lane *lane, int64_t now_us);

/* The offset to commit, or -1 where that was told already. */
int64_t lane_untold_offset(const struct lane *lane);
/* The same, or -1 where Kafka has said that it has it. What it has is never told again: the topic may have been made anew since, and it would lose as many events. */
int64_t lane_unkept_offset(const struct lane *lane);

/* What Kafka said to an offset that was told: it has it; or it has not, and it is to be told again. */
void lane_keep_offset(struct lane *lane, int64_t offset);
void lane_refuse_offset(struct lane *lane);
/* The log is no more: what was and will be done of the records that are here says nothing of the one that may come. */
void lane_forget_log(struct lane *lane);

#endif
