/*
 * fnv1a.h - the hash of tables whose keys nobody chooses to collide: Fowler, Noll and Vo's, variant 1a (RFC 9923). It is no defence against somebody who does;
 * every table that uses it is bounded, and compares what it finds.
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
