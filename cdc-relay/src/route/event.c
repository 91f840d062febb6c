/*
 * event.c - makes the record, part after part.
 *
 *   first what a dead letter needs:   event id, key, payload's bytes, headers
 *   then what only a record needs:    timestamp, partition, topic, value
 *
 * The first thing that is wrong makes the row poison and names the reason; the parts behind it are still made as far as they go, so that a dead letter
 * carries as much of the event as there is. The order of headers: id, eventType, placed ones, static ones, the event's own, traceparent, lsn, txid.
 */
#include "route/event.h"

#include <inttypes.h>
#include <stdio.h>

#include "decode/json_scanner.h"
#include "fault_point.h"
#include "moment.h"
#include "route/encoding.h"
#include "route/envelope.h"
#include "route/event_headers.h"
#include "route/event_time.h"
#include "route/traceparent.h"

struct event {
  const struct entry *entry;
  const struct row *row;
  const struct event_setting *setting;
  struct record *record;
  struct cell payload;
  struct span payload_bytes;

  bool is_poison;
  enum route_reason *ret_reason;
  struct problem *problem;
};

/* The row is poison, unless it is already: the first reason stays. True when this was the first. The text goes behind `column "x" of public.outbox `. */
static bool PRINTF_LIKE(4, 5) poison(struct event *event, FieldNumber field, enum route_reason reason, const char *format, ...)
{
  char text[PROBLEM_TEXT_MAX];
  va_list arguments;

  if (event->is_poison) {
    return false;
  }
  event->is_poison = true;
  *event->ret_reason = reason;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  (void)problem_set(event->problem, VERDICT_POISON, EXIT_POISON, route_reason_name(reason), "%s \"%s\" of %s %s", event->entry->member_word,
                    event->entry->fields[field].column, event->entry->outbox->table, text);
  return true;
}

/* The bytes that go to Kafka for a cell; null for an absent or null one. */
static struct span cell_bytes(struct event *event, FieldNumber field, struct cell cell)
{
  struct span bytes = {NULL, 0};

  switch (cell.state) {
  case CELL_ABSENT:
  case CELL_NULL:
    break;
  case CELL_NOT_SENT:
    (void)poison(event, field, ROUTE_REASON_BAD_VALUE, "was not sent: its value is stored out of line and has not changed");
    break;
  case CELL_PRESENT:
    if (cell.type_oid != PG_BYTEA) {
      return cell.text;
    }
    if (!hex_decode(cell.text, event->setting->arena, &bytes)) {
      (void)poison(event, field, ROUTE_REASON_BAD_VALUE, "has a value that is no sequence of hexadecimal digits");
    }
    break;
  }
  return bytes;
}

static struct span field_bytes(struct event *event, FieldNumber field)
{
  return cell_bytes(event, field, row_cell(event->row, field));
}

static void make_key(struct event *event)
{
  FieldNumber field = event->entry->key;
  struct cell cell = row_cell(event->row, field);

  event->record->key = cell_bytes(event, field, cell);
  if (cell.state == CELL_NULL) {
    if (poison(event, field, ROUTE_REASON_NULL_KEY, "is null, and it is the record's key: without one, events of an aggregate have no order")) {
      problem_hint(event->problem, "declare the column NOT NULL, or name another one in table.field.event.key");
    }
  } else if (cell.state == CELL_PRESENT && event->record->key.length == 0) {
    (void)poison(event, field, ROUTE_REASON_EMPTY_KEY, "is empty, and it is the record's key");
  }
}

static size_t append_event_headers(struct event *event, const struct event_headers *own, struct header *headers, size_t count)
{
  const struct entry *entry = event->entry;

  if (own->wrong != NULL) {
    if (poison(event, entry->event_headers, ROUTE_REASON_BAD_HEADERS, "%s", own->wrong)) {
      problem_hint(event->problem, "at most %d headers of %d bytes together, as {\"name\": \"text\"} or [[\"name\", \"base64\"]]", ROUTE_EVENT_HEADERS_MAX,
                   ROUTE_EVENT_HEADERS_MAX_BYTES);
    }
    return count;
  }
  if (own->count > ROUTE_HEADERS_MAX - entry->header_count) {
    (void)poison(event, entry->event_headers, ROUTE_REASON_BAD_HEADERS, "has %zu headers, which with the %zu others are more than %d", own->count,
                 entry->header_count, ROUTE_HEADERS_MAX);
    return count;
  }
  memcpy(headers + count, own->items, own->count * sizeof(*headers));
  return count + own->count;
}

static bool has_header(const struct event_headers *own, const char *name)
{
  for (size_t i = 0; i < own->count; i++) {
    if (span_is(own->items[i].name, name)) {
      return true;
    }
  }
  return false;
}

static struct span lsn_value(const struct event *event)
{
  struct position_text text = position_text(event->setting->position);

  return arena_copy(event->setting->arena, span_of_text(text.text));
}

static struct span txid_value(const struct event *event)
{
  char text[16];
  int length = snprintf(text, sizeof(text), "%" PRIu32, event->setting->transaction->xid);

  return arena_copy(event->setting->arena, span_of(text, (size_t)length));
}

static void make_headers(struct event *event)
{
  const struct entry *entry = event->entry;
  struct cell own_cell = row_cell(event->row, entry->event_headers);
  struct event_headers own;
  struct header *headers;
  struct span trace;
  size_t count = 0;

  own.count = 0;
  own.wrong = NULL;
  if (own_cell.state == CELL_PRESENT) {
    (void)event_headers_read(&own, own_cell.text, entry->reserved, entry->reserved_count, event->setting->arena);
  }
  headers = arena_array(event->setting->arena, entry->header_count + own.count, sizeof(*headers));
  if (entry->has_id_header && row_cell(event->row, entry->id).state != CELL_ABSENT) {
    headers[count++] = (struct header){span_of_text("id"), event->record->event_id};
  }
  if (entry->has_type_header && row_cell(event->row, entry->type).state != CELL_ABSENT) {
    headers[count++] = (struct header){span_of_text("eventType"), field_bytes(event, entry->type)};
  }
  for (size_t i = 0; i < entry->placed_header_count; i++) {
    FieldNumber field = entry->placed_headers[i].field;

    if (row_cell(event->row, field).state != CELL_ABSENT) {
      headers[count++] = (struct header){entry->placed_headers[i].name, field_bytes(event, field)};
    }
  }
  memcpy(headers + count, entry->static_headers, entry->static_header_count * sizeof(*headers));
  count += entry->static_header_count;
  count = append_event_headers(event, &own, headers, count);
  if (entry->has_trace_header && row_cell(event->row, entry->tracing).state == CELL_PRESENT && !has_header(&own, "traceparent") &&
      traceparent_find(row_cell(event->row, entry->tracing).text, event->setting->arena, &trace)) {
    headers[count++] = (struct header){span_of_text("traceparent"), trace};
  }
  if (entry->has_lsn_header) {
    headers[count++] = (struct header){span_of_text("lsn"), lsn_value(event)};
  }
  if (entry->has_txid_header) {
    headers[count++] = (struct header){span_of_text("txid"), txid_value(event)};
  }
  event->record->headers = headers;
  event->record->header_count = count;
}

/* The record has the commit time already; the column's is put in its place when it is one that a broker takes. */
static void make_timestamp(struct event *event)
{
  FieldNumber field = event->entry->timestamp;
  struct cell cell = row_cell(event->row, field);
  enum event_time_outcome outcome;
  int64_t ms = 0;

  if (cell.state == CELL_ABSENT || cell.state == CELL_NULL) {
    return;
  }
  if (cell.type_oid == PG_TIMESTAMPTZ || cell.type_oid == PG_TIMESTAMP || (cell.type_oid == PG_TEXT && event->entry->is_message)) {
    outcome = event_time_of_text(cell.text, &ms);
  } else if (cell.type_oid == PG_INT8) {
    outcome = event_time_of_integer(cell.text, &ms);
  } else {
    (void)poison(event, field, ROUTE_REASON_BAD_VALUE,
                 "has the type with oid %" PRIu32 "; a record's time is a timestamptz, a timestamp or a bigint of milliseconds", cell.type_oid);
    return;
  }
  if (outcome == EVENT_TIME_MALFORMED) {
    (void)poison(event, field, ROUTE_REASON_BAD_VALUE, "is no date and time");
  } else if (outcome == EVENT_TIME_OUTSIDE || ms <= 0 || ms > event->setting->now_wall_us / US_PER_MS + ROUTE_TIMESTAMP_AHEAD_MAX_MS) {
    event->setting->counts->timestamps_replaced++;
  } else {
    event->record->timestamp_ms = ms;
  }
}

/* 0 to INT32_MAX, or -1. */
static int32_t partition_of(struct span text)
{
  int64_t partition = 0;

  if (text.length == 0) {
    return -1;
  }
  for (size_t i = 0; i < text.length; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') {
      return -1;
    }
    partition = partition * 10 + (text.data[i] - '0');
    if (partition > INT32_MAX) {
      return -1;
    }
  }
  return (int32_t)partition;
}

static void make_partition(struct event *event)
{
  FieldNumber field = event->entry->partition;
  struct cell cell = row_cell(event->row, field);
  int32_t partition;

  if (cell.state != CELL_PRESENT) {
    return;
  }
  if (cell.type_oid != PG_INT2 && cell.type_oid != PG_INT4 && cell.type_oid != PG_INT8) {
    (void)poison(event, field, ROUTE_REASON_BAD_PARTITION, "is to be the partition and is no smallint, integer or bigint");
    return;
  }
  partition = partition_of(cell.text);
  if (partition < 0) {
    (void)poison(event, field, ROUTE_REASON_BAD_PARTITION, "is %.*s, which is no partition", cell.text.length > 20 ? 20 : (int)cell.text.length,
                 cell.text.data);
    return;
  }
  event->record->partition = partition;
}

/* Null when the row is poison. */
static struct span make_topic(struct event *event)
{
  FieldNumber field = event->entry->route;
  struct cell cell = row_cell(event->row, field);
  struct span value = cell_bytes(event, field, cell);
  struct span topic = {NULL, 0};

  if (cell.state == CELL_NULL || (cell.state == CELL_PRESENT && value.length == 0)) {
    (void)poison(event, field, ROUTE_REASON_NULL_ROUTE, "is %s, and it says which topic the event is for", cell.state == CELL_NULL ? "null" : "empty");
  }
  if (span_is_null(value)) {
    return value;
  }
  switch (topic_rule_apply(event->entry->topic, value, event->setting->arena, &topic)) {
  case TOPIC_FOUND:
    return topic;
  case TOPIC_ILLEGAL:
    if (poison(event, field, ROUTE_REASON_ILLEGAL_TOPIC, "leads to the topic \"%.*s\", which is not a legal name", (int)topic.length, topic.data)) {
      problem_hint(event->problem, "letters, digits, `.`, `_` and `-`, at most %d, not beginning with `__`", ROUTE_TOPIC_MAX_BYTES);
    }
    break;
  case TOPIC_UNLISTED:
    if (poison(event, field, ROUTE_REASON_UNLISTED_TOPIC, "leads to the topic \"%.*s\", which is not on the allow list", (int)topic.length, topic.data)) {
      problem_hint(event->problem, "add \"%.*s\" to outbox[%zu].route.topic.allow", (int)topic.length, topic.data, event->entry->index);
    }
    break;
  case TOPIC_TOO_LONG:
    (void)poison(event, field, ROUTE_REASON_ILLEGAL_TOPIC, "has %zu bytes; a value to route by has at most %d", value.length, ROUTE_VALUE_MAX_BYTES);
    break;
  case TOPIC_UNDECIDED:
    (void)poison(event, field, ROUTE_REASON_BAD_VALUE, "makes route.topic.regex go through more than %d steps", TOPIC_REGEX_MATCH_LIMIT);
    break;
  }
  return span_of(NULL, 0);
}

/* As Java's String.trim().isEmpty(). */
static bool is_blank(struct span text)
{
  for (size_t i = 0; i < text.length; i++) {
    if ((unsigned char)text.data[i] > ' ') {
      return false;
    }
  }
  return true;
}

static struct envelope_member member_of(struct event *event, struct span name, FieldNumber field)
{
  struct cell cell = row_cell(event->row, field);
  struct span bytes = cell_bytes(event, field, cell);

  return (struct envelope_member){name, span_is_null(bytes) ? JSON_FORM_NULL : json_form_of(cell.type_oid, cell.text), bytes};
}

static void make_envelope(struct event *event, enum json_form payload_form)
{
  const struct entry *entry = event->entry;
  struct envelope_member *members = arena_array(event->setting->arena, 1 + entry->envelope_count, sizeof(*members));
  size_t count = 1;
  struct span value;

  members[0] = (struct envelope_member){span_of_text("\"payload\":"), payload_form, event->payload_bytes};
  for (size_t i = 0; i < entry->envelope_count; i++) {
    if (row_cell(event->row, entry->envelope[i].field).state != CELL_ABSENT) {
      members[count++] = member_of(event, entry->envelope[i].name, entry->envelope[i].field);
    }
  }
  value = envelope_write(members, count, event->setting->arena);
  if (!event->is_poison) { /* a dead letter keeps the payload */
    event->record->value = value;
  }
}

/* The record has the payload's bytes already. No bytes are a message of their own (an empty protobuf), so that only NULL makes a bytea a tombstone. */
static void make_value(struct event *event)
{
  const struct config_outbox *outbox = event->entry->outbox;
  enum json_form form = span_is_null(event->payload_bytes) ? JSON_FORM_NULL : json_form_of(event->payload.type_oid, event->payload.text);

  if (outbox->tombstone_on_empty_payload && (form == JSON_FORM_NULL || (form != JSON_FORM_BASE64 && is_blank(event->payload_bytes)))) {
    event->record->value = span_of(NULL, 0);
    return;
  }
  if (outbox->expand_json_payload && form == JSON_FORM_STRING) {
    if (json_validate(event->payload_bytes)) {
      form = JSON_FORM_AS_IS;
    } else {
      event->setting->counts->payloads_not_expanded++;
    }
  }
  if (event->entry->envelope_count > 0) {
    make_envelope(event, form);
  } else if (form == JSON_FORM_NULL && !MUTANT(NULL_IS_TOMBSTONE)) {
    event->record->value = span_of("", 0);
  }
}

void event_blank(const struct entry *entry, const struct event_setting *setting, struct record *ret_record)
{
  *ret_record = (struct record){
      .timestamp_ms = setting->transaction->commit_time_us / US_PER_MS,
      .partition = RECORD_PARTITION_BY_KEY,
      .position = setting->position,
      .entry = entry->index,
  };
}

enum verdict event_build(const struct entry *entry, const struct row *row, const struct event_setting *setting, struct record *ret_record,
                         enum route_reason *ret_reason, struct problem *problem)
{
  struct event event = {.entry = entry, .row = row, .setting = setting, .record = ret_record, .ret_reason = ret_reason, .problem = problem};
  struct span topic;

  event_blank(entry, setting, ret_record);
  if (row->missing != FIELD_NONE && poison(&event, row->missing, ROUTE_REASON_MISSING_COLUMN, "is named by the configuration and does not exist")) {
    problem_hint(problem, "name another %s in outbox[%zu], or add this one to what is written", entry->member_word, entry->index);
  }
  ret_record->event_id = field_bytes(&event, entry->id);
  event.payload = row_cell(row, entry->payload);
  event.payload_bytes = cell_bytes(&event, entry->payload, event.payload);
  ret_record->value = event.payload_bytes;
  make_key(&event);
  make_headers(&event);
  make_timestamp(&event);
  make_partition(&event);
  topic = make_topic(&event);
  if (event.is_poison) {
    return VERDICT_POISON;
  }
  make_value(&event);
  if (event.is_poison) {
    return VERDICT_POISON;
  }
  ret_record->topic = topic;
  return VERDICT_OK;
}
