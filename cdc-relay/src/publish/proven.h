/*
 * proven.h - the partitions in which the broker is known to have something of this producer.
 *
 * A broker checks a producer's sequence numbers against what the partition has of that producer. Where it has nothing it takes any number: after a first batch
 * that came too early (the partition is being made, its leader is changing), the second one may be taken, and is then in front of the first, or without it. So
 * the first record to a partition goes alone, and the next one waits for its report. A partition is proven by a report of success, for PROVEN_US: the broker
 * forgets producers that are idle (producer.id.expiration.ms, a day by default).
 *
 * A table of fixed size; when it is full it starts empty, which costs a wait for each partition and nothing else. Pure, but for its memory, of which only what
 * is used becomes resident.
 */
#ifndef PUBLISH_PROVEN_H
#define PUBLISH_PROVEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"

enum { PROVEN_MAX = 16384, PROVEN_SLOTS = 2 * PROVEN_MAX, PROVEN_US = 60000000 };

struct proven_slot {
  uint64_t home; /* 0: free */
  int64_t since_us;
};

struct proven {
  struct proven_slot *slots;
  size_t count;
};

void proven_init(struct proven *proven);
void proven_done(struct proven *proven);

/* One number for a partition of a topic (fnv1a_64() of its name); never 0. */
uint64_t proven_home(uint64_t topic, int32_t partition);

bool proven_has(const struct proven *proven, uint64_t home, int64_t now_us);
void proven_add(struct proven *proven, uint64_t home, int64_t now_us);

#endif
