/* nearest.h - names that are almost right, and names as the environment spells them. Pure. */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

#include <stddef.h>

enum {
  NEAREST_NAME_MAX_BYTES = 128, /* only so much of a name is compared */
  NEAREST_TEXT_SIZE = 160,
};

/* How many letters must be inserted, removed, replaced or swapped with their neighbour to turn `a` into `b`. */
size_t edit_distance(const char *a, const char *b);

/* Collects candidates and keeps the nearest; `{.wanted = name}` is a fresh one. */
struct nearest {
  const char *wanted;
  size_t distance;              /* of `text`; meaningless while that is empty */
  char text[NEAREST_TEXT_SIZE]; /* the nearest candidate so far; empty: none yet */
};
/* The first of several that are equally near is kept. */
void nearest_offer(struct nearest *nearest, const char *candidate);

/* `path` in capitals, every other character `_`: `postgres.url` -> `POSTGRES_URL`. Cut at `size`. */
void environment_name(const char *path, char *ret_name, size_t size);

#endif
