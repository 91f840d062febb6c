/*
 * entry.c - compiles one outbox entry.
 *
 *   header      made unless                                                   reserved against the event headers column
 *   id          placed under that name, or the table has no such column       yes
 *   eventType   placed or static under that name, or no such column           yes
 *   traceparent placed or static, or no such column, or in the event headers  only when placed or static
 *   lsn         placed under that name                                        yes
 *   txid        not asked for, or placed under that name                      yes
 *   placed, static                                                            yes
 *
 * Two columns may share a name in different roles: the field is the same one, and required as soon as one of its roles requires it.
 */
#include "route/entry.h"

#include <stdio.h>
#include <stdlib.h>

#include "route/envelope.h"
#include "route/router.h"

static FieldNumber add_field(struct entry *entry, const char *column, bool is_required)
{
  FieldNumber field;

  if (column == NULL) {
    return FIELD_NONE;
  }
  field = entry_find_field(entry, span_of_text(column));
  if (field == FIELD_NONE) {
    field = (FieldNumber)entry->field_count++;
    entry->fields[field] = (struct field){.column = column};
  }
  entry->fields[field].is_required |= is_required;
  return field;
}

FieldNumber entry_find_field(const struct entry *entry, struct span column)
{
  for (size_t i = 0; i < entry->field_count; i++) {
    if (span_is(column, entry->fields[i].column)) {
      return (FieldNumber)i;
    }
  }
  return FIELD_NONE;
}

static bool is_placed(const struct entry *entry, const char *name)
{
  for (size_t i = 0; i < entry->placed_header_count; i++) {
    if (span_is(entry->placed_headers[i].name, name)) {
      return true;
    }
  }
  return false;
}

static bool is_static(const struct entry *entry, const char *name)
{
  for (size_t i = 0; i < entry->static_header_count; i++) {
    if (span_is(entry->static_headers[i].name, name)) {
      return true;
    }
  }
  return false;
}

static void add_placements(struct entry *entry)
{
  for (size_t i = 0; i < entry->placements.count; i++) {
    const struct placement *placement = &entry->placements.items[i];
    FieldNumber field = add_field(entry, placement->column, entry->outbox->missing_is_error);

    switch (placement->where) {
    case PLACEMENT_HEADER:
      entry->placed_headers[entry->placed_header_count++] = (struct placed_field){span_of_text(placement->alias), field};
      break;
    case PLACEMENT_ENVELOPE:
      entry->envelope[entry->envelope_count++] = (struct placed_field){envelope_name(placement->alias), field};
      break;
    case PLACEMENT_PARTITION:
      entry->partition = field;
      break;
    }
  }
}

static void add_static_headers(struct entry *entry, const char *path, struct problem_list *problems)
{
  static const char *const refused[] = {"id", "lsn", "txid"};

  for (size_t i = 0; i < entry->outbox->static_header_count; i++) {
    const struct config_header *header = &entry->outbox->static_headers[i];
    char item[160];

    if (i == CONFIG_STATIC_HEADERS_MAX) {
      problem_list_add(problems, path, "more than %d headers in headers.static", CONFIG_STATIC_HEADERS_MAX);
      return;
    }
    (void)snprintf(item, sizeof(item), "%s.headers.static.%s", path, header->name);
    for (size_t r = 0; r < sizeof(refused) / sizeof(refused[0]); r++) {
      if (strcmp(header->name, refused[r]) == 0) {
        problem_list_add(problems, item, "header \"%s\" tells one event from another and cannot be a constant", refused[r]);
      }
    }
    if (header->name[0] == '\0' || span_has_control(span_of_text(header->name))) {
      problem_list_add(problems, item, "header name that is empty or has a control character");
    }
    if (is_placed(entry, header->name) || is_static(entry, header->name)) {
      problem_list_add(problems, item, "header \"%s\" twice; table.fields.additional.placement and headers.static must differ in their names", header->name);
    }
    entry->static_headers[entry->static_header_count++] = (struct header){span_of_text(header->name), span_of_text(header->value)};
  }
}

/* Last of the fields: a column of the default name that serves something else is no headers column. */
static void add_event_headers(struct entry *entry)
{
  const struct config_outbox *outbox = entry->outbox;

  if (outbox->field_event_headers_is_set || entry_find_field(entry, span_of_text(outbox->field_event_headers)) == FIELD_NONE) {
    entry->event_headers = add_field(entry, outbox->field_event_headers, outbox->field_event_headers_is_set);
  } else {
    entry->event_headers = FIELD_NONE;
  }
}

static void reserve_names(struct entry *entry)
{
  static const char *const built_in[] = {"id", "eventType", "lsn", "txid"};

  for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
    entry->reserved[entry->reserved_count++] = span_of_text(built_in[i]);
  }
  for (size_t i = 0; i < entry->placed_header_count; i++) {
    entry->reserved[entry->reserved_count++] = entry->placed_headers[i].name;
  }
  for (size_t i = 0; i < entry->static_header_count; i++) {
    entry->reserved[entry->reserved_count++] = entry->static_headers[i].name;
  }
}

static void decide_headers(struct entry *entry)
{
  entry->has_id_header = entry->id != FIELD_NONE && !is_placed(entry, "id");
  entry->has_type_header = entry->type != FIELD_NONE && !is_placed(entry, "eventType") && !is_static(entry, "eventType");
  entry->has_trace_header = entry->tracing != FIELD_NONE && !is_placed(entry, "traceparent") && !is_static(entry, "traceparent");
  entry->has_lsn_header = !is_placed(entry, "lsn");
  entry->has_txid_header = entry->outbox->transaction_header && !is_placed(entry, "txid");
  entry->header_count = entry->placed_header_count + entry->static_header_count + entry->has_id_header + entry->has_type_header + entry->has_trace_header +
                        entry->has_lsn_header + entry->has_txid_header;
}

struct entry *entry_new(const struct config_outbox *outbox, size_t index, struct problem_list *problems)
{
  struct entry *entry = calloc(1, sizeof(*entry));
  char path[32];
  char item[96];

  if (entry == NULL) {
    abort();
  }
  (void)snprintf(path, sizeof(path), "outbox[%zu]", index);
  entry->outbox = outbox;
  entry->index = index;
  entry->is_message = outbox->message_prefix != NULL;
  entry->member_word = entry->is_message ? "field" : "column";
  entry->partition = FIELD_NONE;
  entry->id = add_field(entry, outbox->field_id, outbox->field_id_is_set);
  entry->key = add_field(entry, outbox->field_key, true);
  entry->type = add_field(entry, outbox->field_type, outbox->field_type_is_set);
  entry->timestamp = add_field(entry, outbox->field_timestamp, true);
  entry->payload = add_field(entry, outbox->field_payload, true);
  entry->route = add_field(entry, outbox->route_by_field, true);
  entry->tracing = add_field(entry, outbox->tracing_field, outbox->tracing_is_set);

  (void)snprintf(item, sizeof(item), "%s.table.fields.additional.placement", path);
  placement_list_init(&entry->placements, outbox->placements, item, problems);
  add_placements(entry);
  add_event_headers(entry);
  add_static_headers(entry, path, problems);
  reserve_names(entry);
  decide_headers(entry);
  if (entry->header_count > ROUTE_HEADERS_MAX) {
    problem_list_add(problems, path, "%zu headers of one record; at most %d", entry->header_count, ROUTE_HEADERS_MAX);
  }
  entry->topic = topic_rule_new(outbox, path, problems);
  return entry;
}

void entry_free(struct entry *entry)
{
  if (entry == NULL) {
    return;
  }
  for (size_t i = 0; i < entry->envelope_count; i++) {
    free((char *)entry->envelope[i].name.data);
  }
  placement_list_done(&entry->placements);
  topic_rule_free(entry->topic);
  free(entry);
}
