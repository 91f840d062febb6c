/* durations.h - durations in microseconds, kept all of them, and their percentiles: a histogram's buckets would round what is to be compared. */
#ifndef BENCH_DURATIONS_H
#define BENCH_DURATIONS_H

#include <stddef.h>
#include <stdint.h>

struct durations {
  int64_t *us; /* owned */
  size_t count;
  size_t capacity;
};

void durations_add(struct durations *durations, int64_t us);
void durations_add_all(struct durations *durations, const struct durations *more);
void durations_done(struct durations *durations);

/* From the least on. */
void durations_sort(struct durations *durations);

/* Sorts, and prints a line NAME_pPERCENTILE_us=VALUE for 50, 90, 99 and 99.9, and NAME_min_us, NAME_max_us; nothing when there are none. */
void durations_print(struct durations *durations, const char *name);

#endif
