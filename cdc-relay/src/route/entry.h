/*
 * entry.h - one outbox entry of the configuration, compiled: which columns it needs, where each goes, and its topic rule. Immutable but for the rule's memory.
 *
 * Columns are looked up by name once per relation and not per row: an entry numbers the columns that it needs ("fields"), everything else in it speaks of field
 * numbers, and a binding (binding.h) says which column of a relation each field is.
 */
#ifndef ROUTE_ENTRY_H
#define ROUTE_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "problem_list.h"
#include "route/placement.h"
#include "route/record.h"
#include "route/topic.h"
#include "span.h"

typedef uint16_t FieldNumber;
#define FIELD_NONE UINT16_MAX

enum {
  ENTRY_FIELDS_MAX = PLACEMENTS_MAX + 8, /* the placed ones and the eight roles */
  ENTRY_RESERVED_MAX = 4 + PLACEMENTS_MAX + CONFIG_STATIC_HEADERS_MAX,
};

struct field {
  const char *column; /* borrowed from the configuration or the placements */
  bool is_required;
};

struct placed_field {
  struct span name; /* header: its name; envelope: `"name":` (owned) */
  FieldNumber field;
};

struct entry {
  const struct config_outbox *outbox; /* borrowed */
  size_t index;
  bool is_message;         /* of logical messages, not of a table */
  const char *member_word; /* "column" or "field", for messages to people */

  size_t field_count;
  struct field fields[ENTRY_FIELDS_MAX];
  FieldNumber id, key, type, timestamp, payload, event_headers, route, tracing, partition; /* FIELD_NONE where the entry does not want one */

  struct placement_list placements;
  size_t placed_header_count;
  struct placed_field placed_headers[PLACEMENTS_MAX];
  size_t envelope_count;
  struct placed_field envelope[PLACEMENTS_MAX];
  size_t static_header_count;
  struct header static_headers[CONFIG_STATIC_HEADERS_MAX];

  /* Which of the built-in headers this entry makes: not those that a placement or a static header replaces. */
  bool has_id_header, has_type_header, has_trace_header, has_lsn_header, has_txid_header;
  size_t header_count; /* the most that a record gets without the event headers column */

  /* Names that the event headers column may not use. */
  size_t reserved_count;
  struct span reserved[ENTRY_RESERVED_MAX];

  struct topic_rule *topic;
};

/* Never NULL; an entry that added to `problems` is only good for entry_free(). `outbox` is borrowed for the entry's life. */
struct entry *entry_new(const struct config_outbox *outbox, size_t index, struct problem_list *problems);
void entry_free(struct entry *entry); /* takes NULL */

/* The number of the field with that column name, or FIELD_NONE. */
FieldNumber entry_find_field(const struct entry *entry, struct span column);

#endif
