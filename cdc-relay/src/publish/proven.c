/* proven.c - an open-addressing table, at most half full, cleared as a whole and therefore without deletion. */
#include "publish/proven.h"

#include <stdlib.h>
#include <string.h>

#include "fnv1a.h"

void proven_init(struct proven *proven)
{
  proven->slots = calloc(PROVEN_SLOTS, sizeof(proven->slots[0]));
  proven->count = 0;
  if (proven->slots == NULL) {
    abort();
  }
}

void proven_done(struct proven *proven)
{
  free(proven->slots);
  *proven = (struct proven){0};
}

uint64_t proven_home(uint64_t topic, int32_t partition)
{
  uint64_t home = fnv1a_64_more(topic, span_of((const char *)&partition, sizeof(partition)));

  return home != 0 ? home : 1;
}

/* Where it is, or where it would be. */
static struct proven_slot *find(const struct proven *proven, uint64_t home)
{
  size_t at = (size_t)(home ^ home >> 32) % PROVEN_SLOTS;

  while (proven->slots[at].home != 0 && proven->slots[at].home != home) {
    at = (at + 1) % PROVEN_SLOTS;
  }
  return &proven->slots[at];
}

bool proven_has(const struct proven *proven, uint64_t home, int64_t now_us)
{
  const struct proven_slot *slot = find(proven, home);

  return slot->home == home && now_us - slot->since_us < PROVEN_US;
}

void proven_add(struct proven *proven, uint64_t home, int64_t now_us)
{
  struct proven_slot *slot = find(proven, home);

  if (slot->home == 0 && proven->count == PROVEN_MAX) {
    memset(proven->slots, 0, PROVEN_SLOTS * sizeof(proven->slots[0]));
    proven->count = 0;
    slot = find(proven, home);
  }
  if (slot->home == 0) {
    slot->home = home;
    proven->count++;
  }
  slot->since_us = now_us;
}
