/*
 * partition_counts.h - how many partitions each topic had when a key was last placed in it.
 *
 * A key's partition follows from that number: when it changes, keys move, and what of a key is before the move and behind it lies in two partitions, in no order.
 * No producer can help that; what can be done is to say so. Nothing is asked of the broker for it: the partitioner is told the number with each record.
 *
 * A table of fixed size, for as long as the relay lives; when it is full it starts empty, and a change that falls into that is not noticed. Pure, but for its
 * memory, of which only what is used becomes resident.
 */
#ifndef PUBLISH_PARTITION_COUNTS_H
#define PUBLISH_PARTITION_COUNTS_H

#include <stddef.h>
#include <stdint.h>

enum { PARTITION_COUNTS_MAX = 8192, PARTITION_COUNTS_SLOTS = 2 * PARTITION_COUNTS_MAX };

struct partition_counts_slot {
  uint64_t topic;
  int32_t count; /* 0: free */
};

struct partition_counts {
  struct partition_counts_slot *slots;
  size_t used;
};

void partition_counts_init(struct partition_counts *counts);
void partition_counts_done(struct partition_counts *counts);

/* Remembers that the topic (fnv1a_64() of its name) has `count` partitions, at least 1. Returns what it had before; `count` itself where that is not known. */
int32_t partition_counts_note(struct partition_counts *counts, uint64_t topic, int32_t count);

#endif
