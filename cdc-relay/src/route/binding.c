/*
 * binding.c - compares names when a relation version is seen for the first time; afterwards a row costs one comparison of versions.
 */
#include "route/binding.h"

#include <stdlib.h>

static struct entry *find_entry(const struct relation *relation, struct entry *const *entries, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    const struct config_outbox *outbox = entries[i]->outbox;

    if (!entries[i]->is_message && span_is(relation->table, outbox->table_name) && span_is(relation->schema, outbox->table_schema)) {
      return entries[i];
    }
  }
  return NULL;
}

/* A column that only happens to have the default name is taken for headers only if its type says so. */
static void bind_event_headers(struct binding *binding, const struct relation *relation, const struct entry *entry)
{
  uint16_t *column = &binding->column_of_field[entry->event_headers];

  if (*column != COLUMN_NONE && relation->columns[*column].type_oid != PG_JSON && relation->columns[*column].type_oid != PG_JSONB) {
    *column = COLUMN_NONE;
  }
}

static void bind(struct binding *binding, const struct relation *relation, struct entry *entry)
{
  binding->version = relation->version;
  binding->entry = entry;
  binding->missing = FIELD_NONE;
  for (size_t i = 0; entry != NULL && i < entry->field_count; i++) {
    binding->column_of_field[i] = COLUMN_NONE;
    for (size_t c = 0; c < relation->column_count; c++) {
      if (span_is(relation->columns[c].name, entry->fields[i].column)) {
        binding->column_of_field[i] = (uint16_t)c;
        break;
      }
    }
    if (binding->column_of_field[i] == COLUMN_NONE && entry->fields[i].is_required && binding->missing == FIELD_NONE) {
      binding->missing = (FieldNumber)i;
    }
  }
  if (entry != NULL && entry->event_headers != FIELD_NONE && !entry->outbox->field_event_headers_is_set) {
    bind_event_headers(binding, relation, entry);
  }
}

const struct binding *binding_find(struct binding_cache *cache, const struct relation *relation, struct entry *const *entries, size_t entry_count)
{
  struct binding **slot = &cache->slots[relation->version % BINDINGS_MAX];

  if (*slot == NULL) {
    *slot = calloc(1, sizeof(**slot));
    if (*slot == NULL) {
      abort();
    }
  }
  if ((*slot)->version != relation->version) {
    bind(*slot, relation, find_entry(relation, entries, entry_count));
  }
  return *slot;
}

void binding_reset(struct binding_cache *cache)
{
  for (size_t i = 0; i < BINDINGS_MAX; i++) {
    free(cache->slots[i]);
    cache->slots[i] = NULL;
  }
}
