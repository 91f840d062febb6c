/* durations.c - an array that grows, and sorting it. */
#include "durations.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void durations_add(struct durations *durations, int64_t us)
{
  if (durations->count == durations->capacity) {
    durations->capacity = durations->capacity == 0 ? 4096 : durations->capacity * 2;
    durations->us = realloc(durations->us, durations->capacity * sizeof(durations->us[0]));
    if (durations->us == NULL) {
      abort();
    }
  }
  durations->us[durations->count++] = us;
}

void durations_add_all(struct durations *durations, const struct durations *more)
{
  for (size_t i = 0; i < more->count; i++) {
    durations_add(durations, more->us[i]);
  }
}

void durations_done(struct durations *durations)
{
  free(durations->us);
  *durations = (struct durations){0};
}

static int compare(const void *left, const void *right)
{
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

  return (a > b) - (a < b);
}

/* The smallest value that at least `permille` of all do not exceed. */
static int64_t at(const struct durations *durations, size_t permille)
{
  size_t rank = (durations->count * permille + 999) / 1000;

  return durations->us[rank > 0 ? rank - 1 : 0];
}

void durations_sort(struct durations *durations)
{
  if (durations->count > 0) {
    qsort(durations->us, durations->count, sizeof(durations->us[0]), compare);
  }
}

void durations_print(struct durations *durations, const char *name)
{
  if (durations->count == 0) {
    return;
  }
  durations_sort(durations);
  printf("%s_min_us=%" PRId64 "\n%s_p50_us=%" PRId64 "\n%s_p90_us=%" PRId64 "\n%s_p99_us=%" PRId64 "\n%s_p999_us=%" PRId64 "\n%s_max_us=%" PRId64 "\n", name,
         durations->us[0], name, at(durations, 500), name, at(durations, 900), name, at(durations, 990), name, at(durations, 999), name,
         durations->us[durations->count - 1]);
}
