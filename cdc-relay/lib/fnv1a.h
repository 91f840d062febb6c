/*
 * fnv1a.h - Fowler, Noll and Vo's hash, variant 1a (RFC 9923): where a collision costs a comparison, or, of 64 bits, is not to be expected. It is no defence against
 * somebody who makes keys collide on purpose. Its values stand in event ids (event_place()): they must never change.
 */
#ifndef FNV1A_H
#define FNV1A_H

#include <stdint.h>

#include "span.h"

/* What a hash of 64 bits begins with: that of no bytes. */
static inline uint64_t fnv1a_64_of_nothing(void)
{
  return UINT64_C(0xcbf29ce484222325);
}

/* The hash of the bytes behind those that `hash` is of. */
static inline uint64_t fnv1a_64_more(uint64_t hash, struct span bytes)
{
  for (size_t i = 0; i < bytes.length; i++) {
    hash = (hash ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
  }
  return hash;
}

static inline uint64_t fnv1a_64(struct span bytes)
{
  return fnv1a_64_more(fnv1a_64_of_nothing(), bytes);
}

static inline uint32_t fnv1a_32(struct span bytes)
{
  uint32_t hash = UINT32_C(0x811c9dc5);

  for (size_t i = 0; i < bytes.length; i++) {
    hash = (hash ^ (unsigned char)bytes.data[i]) * UINT32_C(0x01000193);
  }
  return hash;
}

#endif
