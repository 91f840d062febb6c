/*
 * binding.h - which outbox entry a relation belongs to, and which of its columns are the entry's fields; worked out once per relation version and remembered.
 */
#ifndef ROUTE_BINDING_H
#define ROUTE_BINDING_H

#include "decode/change.h"
#include "route/entry.h"
#include "route/row.h"

enum { BINDINGS_MAX = 128 }; /* remembered at a time, by version modulo this; decoders count versions upwards */

struct binding {
  uint64_t version;    /* 0: free */
  struct entry *entry; /* NULL: a table of no entry */
  FieldNumber missing;
  uint16_t column_of_field[ENTRY_FIELDS_MAX];
};

struct binding_cache {
  struct binding *slots[BINDINGS_MAX]; /* owned; NULL: never used */
};

/* The binding of a relation; borrowed until the next call or reset. */
const struct binding *binding_find(struct binding_cache *cache, const struct relation *relation, struct entry *const *entries, size_t entry_count);
/* Forgets all. Also the destructor. */
void binding_reset(struct binding_cache *cache);

#endif
