/*
 * history.h - what writer, table, reader, sampler and scenario told, as arrays. Lines may come in any order and from any number of files; README.md of this folder has
 * their fields.
 */
#ifndef FAULTS_HISTORY_H
#define FAULTS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "names.h"

enum { SHA256_BYTES = 32 };

#define HISTORY_NO_NUMBER INT64_MIN

enum outcome { OUTCOME_NONE, OUTCOME_COMMIT, OUTCOME_ROLLBACK, OUTCOME_UNDONE, OUTCOME_UNKNOWN };

/* What a writer said of an event. */
struct told {
  uint32_t id;
  enum outcome outcome;
  int64_t us;
};

/* A row of the table: what was committed. */
struct row {
  uint32_t id;
  uint32_t key;   /* NAME_NONE: null */
  uint32_t topic; /* NAME_NONE: not told */
  int64_t n;      /* HISTORY_NO_NUMBER: it has none */
  int64_t place;  /* after history_settle(): the how manieth it is, by its number, of its key's rows that are poison, or of those that are not; from 1 */
  bool is_poison; /* its topic is to refuse it: a dead letter and nothing else becomes of it */
  unsigned char sha256[SHA256_BYTES];
};

/* A record in Kafka. */
struct reading {
  uint32_t topic;
  int32_t partition;
  int64_t offset;
  int64_t append_ms;
  uint32_t key; /* NAME_NONE: null */
  uint32_t id;  /* NAME_NONE: null */
  bool has_lsn;
  uint64_t lsn;   /* the commit's */
  uint32_t index; /* in its transaction */
  bool has_value;
  unsigned char sha256[SHA256_BYTES];
  /* What a dead letter's headers say: the topic and the reason, NAME_NONE where they do not, and the position, 0/0/0 where they do not. */
  uint32_t letter_topic;
  uint32_t letter_reason;
  uint64_t letter_lsn;
  uint32_t letter_index;
};

struct fault {
  uint32_t kind;
  int64_t begin_us;
  int64_t end_us; /* as begin_us where no end was told */
  bool is_missed; /* it was going on, and met nothing: it may be why something is repeated, and is not counted */
};

struct sample {
  int64_t us;
  uint64_t confirmed;
  uint64_t highest; /* of this and all before it, after history_settle() */
};

struct history {
  struct names names; /* ids, keys, topics, kinds */
  struct told *told;
  struct row *rows;
  struct reading *readings;
  struct fault *faults; /* in the order of their begins */
  size_t missed_count;  /* of these */
  struct sample *samples;
  size_t told_count, row_count, reading_count, fault_count, sample_count;
  size_t told_room, row_room, reading_room, fault_room, sample_room;
  bool was_resolved;         /* the list of rows is whole */
  int64_t first_us, last_us; /* of all lines */
};

/* Reads all lines. Returns false and says in `ret_error` which line of `name` is none of a history's. */
bool history_read(struct history *history, FILE *file, const char *name, char ret_error[256]);

/* What has to be brought in order when all is read: faults by their begin, samples by their time, rows by key and number. Returns false, with the reason, when the whole cannot be judged. */
bool history_settle(struct history *history, char ret_error[256]);

void history_done(struct history *history);

#endif
