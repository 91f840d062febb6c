/*
 * relation_store.h - the relations that a decoder has met since its last reset: found by a key of the decoder's choice (pgoutput: the relation's id;
 * wal2json: a hash of its name). A shape that was met before keeps its struct and version, so only new shapes take memory.
 * Nothing is freed before the reset, since changes and the router's plans borrow relations until then; RELATIONS_MAX_BYTES bounds that.
 */
#ifndef DECODE_RELATION_STORE_H
#define DECODE_RELATION_STORE_H

#include "decode/change.h"

/* Reached only by tens of thousands of different shapes in one session; the session then starts anew with an empty store. */
enum { RELATIONS_MAX_BYTES = 64 * 1024 * 1024 };

enum { RELATION_STORE_BUCKETS = 1024 };

struct relation_entry;

struct relation_store {
  struct relation_entry *buckets[RELATION_STORE_BUCKETS]; /* newest use first */
  size_t bytes;
  uint64_t last_version;
};

void relation_store_init(struct relation_store *store);
/* Frees all relations; versions go on where they were. */
void relation_store_reset(struct relation_store *store);

/* The relation that was last interned under this key, or NULL. Borrowed until the next reset, as all relations. */
const struct relation *relation_store_find(const struct relation_store *store, uint64_t key);

/*
 * The stored relation equal to `shape` (whose version is not looked at) under this key, from now on the one that relation_store_find() gives; a copy of
 * `shape` with a new version when there is none yet. NULL: it would not fit in RELATIONS_MAX_BYTES.
 */
const struct relation *relation_store_intern(struct relation_store *store, uint64_t key, const struct relation *shape);

/* Same schema, table, column names and types, in the same order. */
bool relation_is_same_shape(const struct relation *a, const struct relation *b);

#endif
