/*
 * judge.h - one verdict per guarantee over a history (README.md of this folder), and the figures of its events and faults.
 */
#ifndef FAULTS_JUDGE_H
#define FAULTS_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "history.h"

enum guarantee { GUARANTEE_LOST, GUARANTEE_PHANTOM, GUARANTEE_ORDER, GUARANTEE_DUPLICATES, GUARANTEE_BYTES, GUARANTEE_CONFIRMED };

enum { GUARANTEES = GUARANTEE_CONFIRMED + 1, FINDINGS_MAX = 20, FINDING_MAX_BYTES = 320, FORGETFUL_KINDS_MAX = 4 };

struct judge_options {
  int64_t window_ms;        /* nothing is repeated that was appended further away from every fault; 0: however far */
  bool is_only_unconfirmed; /* nothing is repeated of which PostgreSQL had been told */
  /* Kinds of faults with which PostgreSQL may forget what it had been told, since it is killed or restarted; NULL behind the last. Told by marks of begin and end. */
  const char *forgetful_kinds[FORGETFUL_KINDS_MAX + 1];
  bool is_without_samples; /* a history without samples of the slot is whole */
  bool may_move_keys;      /* the number of partitions changes: a key may be in several */
  /* Two relays publish at once for a while: a late stretch of one may end anywhere, and the other goes on where it is, which is behind it, and at most one event behind the last. */
  bool may_interleave;
  const char *dead_letters; /* the topic where rows that are poison belong, and no others; NULL: none */
};

struct finding_list {
  int64_t count; /* all of them; the first FINDINGS_MAX have a text */
  char (*texts)[FINDING_MAX_BYTES];
};

/* When an event was committed, as far as its writer knows, and when Kafka appended it first. */
struct passage {
  int64_t commit_us; /* 0: not told */
  int64_t append_us; /* INT64_MAX: never; never before commit_us */
  bool has_lsn;
  uint64_t lsn;
};

struct judgement {
  struct finding_list findings[GUARANTEES];
  struct passage *passages; /* owned: of each row, in their order */
  int64_t *repetitions;     /* owned: of each fault */
  int64_t repetition_count;
  int64_t repetitions_without_fault;
  int64_t dead_letter_count;                /* records */
  int64_t poison_count;                     /* rows */
  int64_t collateral_count;                 /* rows that are not poison, and are lost, or dead letters, or came out of their key's order */
  int64_t unknown_there, unknown_not_there; /* commits without an answer, by event */
  int64_t rolled_back;                      /* events, to a savepoint or whole */
};

extern const char *const guarantee_names[GUARANTEES];

/* Judges. `ret_judgement` is written always and is the caller's to give back. */
void judge(struct history *history, const struct judge_options *options, struct judgement *ret_judgement);

void judge_find(struct judgement *judgement, enum guarantee guarantee, const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Steps of judge(), in a file of their own. The highest position of which PostgreSQL had been told in the samples before that time, and which it had had no reason to
 * forget by then, 0 when there is none; and: at each sample, what lies before the confirmed position had been appended.
 */
uint64_t judge_confirmed_before(const struct history *history, const struct judge_options *options, int64_t us);
void judge_confirmed(const struct history *history, struct judgement *judgement);

void judge_done(struct judgement *judgement);

#endif
