/* partition_counts.c - an open-addressing table, at most half full, cleared as a whole and therefore without deletion. */
#include "publish/partition_counts.h"

#include <stdlib.h>
#include <string.h>

void partition_counts_init(struct partition_counts *counts)
{
  counts->slots = calloc(PARTITION_COUNTS_SLOTS, sizeof(counts->slots[0]));
  counts->used = 0;
  if (counts->slots == NULL) {
    abort();
  }
}

void partition_counts_done(struct partition_counts *counts)
{
  free(counts->slots);
  *counts = (struct partition_counts){0};
}

/* Where it is, or where it would be. */
static struct partition_counts_slot *find(const struct partition_counts *counts, uint64_t topic)
{
  size_t at = (size_t)(topic ^ topic >> 32) % PARTITION_COUNTS_SLOTS;

  while (counts->slots[at].count != 0 && counts->slots[at].topic != topic) {
    at = (at + 1) % PARTITION_COUNTS_SLOTS;
  }
  return &counts->slots[at];
}

int32_t partition_counts_note(struct partition_counts *counts, uint64_t topic, int32_t count)
{
  struct partition_counts_slot *slot = find(counts, topic);
  int32_t before = slot->count != 0 ? slot->count : count;

  if (slot->count == 0 && counts->used == PARTITION_COUNTS_MAX) {
    memset(counts->slots, 0, PARTITION_COUNTS_SLOTS * sizeof(counts->slots[0]));
    counts->used = 0;
    slot = find(counts, topic);
  }
  if (slot->count == 0) {
    slot->topic = topic;
    counts->used++;
  }
  slot->count = count;
  return before;
}
