/*
 * relation_store.c - a hash table of chains; each relation is one piece of memory: entry, columns, names.
 */
#include "decode/relation_store.h"

#include <stdlib.h>

struct relation_entry {
  struct relation_entry *next;
  uint64_t key;
  size_t bytes;
  struct relation relation;
  struct column columns[]; /* then the names, each with its zero */
};

static struct relation_entry **bucket_of(struct relation_store *store, uint64_t key)
{
  return &store->buckets[key % RELATION_STORE_BUCKETS];
}

/* As span_equals() for names, which are never null; column names are mostly short. */
static bool same_name(struct span a, struct span b)
{
  return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

bool relation_is_same_shape(const struct relation *a, const struct relation *b)
{
  if (a->column_count != b->column_count || !same_name(a->table, b->table) || !same_name(a->schema, b->schema)) {
    return false;
  }
  for (size_t i = 0; i < a->column_count; i++) {
    if (a->columns[i].type_oid != b->columns[i].type_oid || !same_name(a->columns[i].name, b->columns[i].name)) {
      return false;
    }
  }
  return true;
}

static struct span copy_name(char **to, struct span name)
{
  struct span copy = span_of(*to, name.length);

  memcpy(*to, name.data, name.length);
  (*to)[name.length] = '\0';
  *to += name.length + 1;
  return copy;
}

static struct relation_entry *entry_new(const struct relation *shape, size_t bytes)
{
  struct relation_entry *entry = malloc(bytes);
  char *names;

  if (entry == NULL) {
    abort(); /* as the arena does */
  }
  names = (char *)&entry->columns[shape->column_count];
  entry->bytes = bytes;
  entry->relation.schema = copy_name(&names, shape->schema);
  entry->relation.table = copy_name(&names, shape->table);
  entry->relation.column_count = shape->column_count;
  entry->relation.columns = entry->columns;
  for (size_t i = 0; i < shape->column_count; i++) {
    entry->columns[i].name = copy_name(&names, shape->columns[i].name);
    entry->columns[i].type_oid = shape->columns[i].type_oid;
  }
  return entry;
}

/* No sum can overflow: the parts lie in one message, which is far smaller than the address space. */
static size_t entry_bytes(const struct relation *shape)
{
  size_t bytes = sizeof(struct relation_entry) + shape->column_count * sizeof(struct column) + shape->schema.length + 1 + shape->table.length + 1;

  for (size_t i = 0; i < shape->column_count; i++) {
    bytes += shape->columns[i].name.length + 1;
  }
  return bytes;
}

void relation_store_init(struct relation_store *store)
{
  memset(store, 0, sizeof(*store));
}

void relation_store_reset(struct relation_store *store)
{
  for (size_t i = 0; i < RELATION_STORE_BUCKETS; i++) {
    while (store->buckets[i] != NULL) {
      struct relation_entry *entry = store->buckets[i];

      store->buckets[i] = entry->next;
      free(entry);
    }
  }
  store->bytes = 0;
}

const struct relation *relation_store_find(const struct relation_store *store, uint64_t key)
{
  for (const struct relation_entry *entry = store->buckets[key % RELATION_STORE_BUCKETS]; entry != NULL; entry = entry->next) {
    if (entry->key == key) {
      return &entry->relation;
    }
  }
  return NULL;
}

const struct relation *relation_store_intern(struct relation_store *store, uint64_t key, const struct relation *shape)
{
  struct relation_entry **bucket = bucket_of(store, key);
  struct relation_entry *entry;

  for (struct relation_entry **link = bucket; *link != NULL; link = &(*link)->next) {
    entry = *link;
    if (entry->key == key && relation_is_same_shape(&entry->relation, shape)) {
      *link = entry->next;
      entry->next = *bucket;
      *bucket = entry;
      return &entry->relation;
    }
  }
  if (entry_bytes(shape) > RELATIONS_MAX_BYTES - store->bytes) {
    return NULL;
  }
  entry = entry_new(shape, entry_bytes(shape));
  store->bytes += entry->bytes;
  entry->key = key;
  store->last_version++;
  entry->relation.version = store->last_version;
  entry->next = *bucket;
  *bucket = entry;
  return &entry->relation;
}
