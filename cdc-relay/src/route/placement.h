/*
 * placement.h - the option table.fields.additional.placement: `column:placement[:alias]`, separated by commas; which columns go where besides key and payload.
 */
#ifndef ROUTE_PLACEMENT_H
#define ROUTE_PLACEMENT_H

#include <stddef.h>

#include "problem_list.h"

enum { PLACEMENTS_MAX = 64 };

enum placement_where {
  PLACEMENT_HEADER,
  PLACEMENT_ENVELOPE,
  PLACEMENT_PARTITION,
};

struct placement {
  char *column;
  enum placement_where where;
  char *alias; /* the column's name unless given; without meaning for a partition */
};

struct placement_list {
  size_t count;
  struct placement items[PLACEMENTS_MAX];
};

/*
 * Reads the option; NULL text gives an empty list. Mistakes are added to `problems` under `path`, and what could be read is still in *list. Besides the form
 * it refuses what could not be told apart in a record (an alias twice in one place, the alias `payload` in the envelope, two partitions), and header names with
 * control characters.
 */
void placement_list_init(struct placement_list *list, const char *text, const char *path, struct problem_list *problems);
void placement_list_done(struct placement_list *list);

#endif
