/*
 * figures.h - numbers of a judged history: how many events, how many repetitions a fault cost, how long Kafka went without what had been committed.
 *
 * An event is *unseen* from the answer to its COMMIT until Kafka appended it. A fault is *recovered from* when, after its end, all that was committed before its end has
 * been appended and no event has been unseen for a second. Where the next fault began before that, the recovery counts for that one alone. A fault that met nothing is none.
 */
#ifndef FAULTS_FIGURES_H
#define FAULTS_FIGURES_H

#include <stdint.h>
#include <stdio.h>

#include "history.h"
#include "judge.h"

struct figures {
  int64_t events;
  int64_t records;
  int64_t faults;                                            /* that happened; all figures of faults are of these */
  int64_t faults_missed;                                     /* that met nothing */
  double repetitions_mean, repetitions_p50, repetitions_max; /* per fault */
  int64_t recoveries;
  double recovery_p50_s, recovery_max_s;
  int64_t unseen_max; /* events at once */
  double delay_p50_ms, delay_p99_ms, delay_max_ms;
  double seconds;
};

/* A change of the number of unseen events. */
struct step {
  int64_t us;
  int64_t change;
};

/* The steps in the order of time, owned by the caller; the sum of their changes so far is what is unseen. Events never appended stay unseen. */
struct step *figures_steps(const struct history *history, const struct judgement *judgement, size_t *ret_count);

struct figures figures_of(const struct history *history, const struct judgement *judgement);

/* One JSON object, a line, with figures, findings that count and findings that are waived. */
void figures_print_json(const struct history *history, const struct judgement *judgement, const struct figures *figures, const bool is_waived[GUARANTEES],
                        FILE *file);

#endif
