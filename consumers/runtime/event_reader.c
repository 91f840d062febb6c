/*
 * event_reader.c - reads headers first, since they cost nothing, then the body, and asks the body only for what the headers leave open.
 *
 * The depth of a body is counted before it is parsed: jansson goes down 2048 levels, by recursion. No word about a body quotes it: it may hold what a log must
 * not.
 */
#include "event_reader.h"

#include <inttypes.h>
#include <stdio.h>

#include "fnv1a.h"
#include "utf8.h"
#include "uuid.h"

enum {
  PLACE_TIME_SIZE = 22,   /* `@`, a 64-bit number and a zero */
  PLACE_NUMBERS_MAX = 52, /* two slashes, ten digits of a partition, nineteen of an offset, and the timestamp */
  PLACE_TOPIC_MAX = EVENT_ID_MAX_BYTES - PLACE_NUMBERS_MAX,
  PLACE_DIGEST_LENGTH = 17, /* `~` and sixteen digits */
};

static bool is_control(uint32_t code)
{
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

/* Why `text` cannot stand in a log line, a header and a column of `most` bytes; NULL: it can. */
static const char *wrong_with(struct span text, size_t most)
{
  if (text.length > most) {
    return "is too long";
  }
  while (text.length > 0) {
    uint32_t code;
    size_t length = utf8_character(text, &code);

    if (length == 0) {
      return "is not UTF-8";
    }
    if (is_control(code)) {
      return "holds a control character";
    }
    text = span_of(text.data + length, text.length - length);
  }
  return NULL;
}

/* `size` counts the zero. Cut between characters. */
static void copy_text(struct span text, char *to, size_t size)
{
  size_t length = text.length < size ? text.length : size - 1;

  while (length > 0 && length < text.length && ((unsigned char)text.data[length] & 0xc0) == 0x80) {
    length--;
  }
  if (length > 0) {
    memcpy(to, text.data, length);
  }
  to[length] = '\0';
}

/* The value of a header; the null span where it is missing or says nothing. */
static struct span header_text(const struct record *record, const char *name)
{
  const struct record_header *header = record_find_header(record, name);

  return header != NULL && header->value.length > 0 ? header->value : span_of(NULL, 0);
}

/* The same of a text in the body. *ret_is_other: it is there and is no text. */
static struct span member_text(const json_t *body, const char *name, bool *ret_is_other)
{
  const json_t *member = json_object_get(body, name);

  *ret_is_other = member != NULL && !json_is_null(member) && !json_is_string(member);
  if (!json_is_string(member) || json_string_length(member) == 0) {
    return span_of(NULL, 0);
  }
  return span_of(json_string_value(member), json_string_length(member));
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The body */

static bool is_too_deep(struct span text)
{
  size_t depth = 0;
  bool is_in_string = false;

  for (size_t i = 0; i < text.length; i++) {
    switch (text.data[i]) {
    case '"':
      is_in_string = !is_in_string;
      break;
    case '\\':
      i += is_in_string;
      break;
    case '{':
    case '[':
      if (!is_in_string && ++depth > CONSUMER_JSON_DEPTH_MAX) {
        return true;
      }
      break;
    case '}':
    case ']':
      depth -= !is_in_string && depth > 0;
      break;
    default:
      break;
    }
  }
  return false;
}

/* In words of ours: jansson's quote what they stumbled over. */
static const char *json_mistake(enum json_error_code code)
{
  switch (code) {
  case json_error_invalid_utf8:
    return "not UTF-8";
  case json_error_premature_end_of_input:
    return "it ends too early";
  case json_error_end_of_input_expected:
    return "something follows its end";
  case json_error_null_character:
  case json_error_null_byte_in_key:
    return "a text with U+0000";
  case json_error_numeric_overflow:
    return "a number that is too large";
  default: /* of the library's; the others do not come from parsing */
    return "invalid syntax";
  }
}

static enum verdict read_body(struct event_reader *reader, const struct record *record, struct problem *problem)
{
  json_error_t error;

  if (span_is_null(record->value)) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "not_json", "value is null where a JSON object is expected");
  }
  if (is_too_deep(record->value)) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "too_deep", "value is JSON of more than %d levels", CONSUMER_JSON_DEPTH_MAX);
  }
  reader->document = json_loadb(record->value.data, record->value.length, JSON_DECODE_ANY, &error);
  if (reader->document == NULL) {
    if (json_error_code(&error) == json_error_out_of_memory) {
      return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "memory", "out of memory while reading a value of %zu bytes", record->value.length);
    }
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "not_json", "value is no JSON object: %s at byte %d", json_mistake(json_error_code(&error)),
                       error.position);
  }
  if (!json_is_object(reader->document)) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "not_json", "value is JSON and no object");
  }
  reader->event.body = reader->document;
  return VERDICT_OK;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Id, type, origin */

/* The digest tells apart what the cut makes equal. */
void event_place(const struct record *record, char ret_place[EVENT_ID_MAX_BYTES + 1])
{
  char time[PLACE_TIME_SIZE] = "";

  if (record->time != RECORD_TIME_NONE) {
    (void)snprintf(time, sizeof(time), "@%" PRId64, record->timestamp_ms);
  }
  if (strlen(record->topic) <= PLACE_TOPIC_MAX) {
    (void)snprintf(ret_place, EVENT_ID_MAX_BYTES + 1, "%s/%" PRId32 "/%" PRId64 "%s", record->topic, record->partition, record->offset, time);
  } else {
    (void)snprintf(ret_place, EVENT_ID_MAX_BYTES + 1, "%.*s~%016" PRIx64 "/%" PRId32 "/%" PRId64 "%s", PLACE_TOPIC_MAX - PLACE_DIGEST_LENGTH, record->topic,
                   fnv1a_64(span_of_text(record->topic)), record->partition, record->offset, time);
  }
}

static enum verdict take_id(struct event_reader *reader, struct span text, const char *what, enum event_id_source source, struct problem *problem)
{
  const char *wrong = wrong_with(text, EVENT_ID_MAX_BYTES);

  if (wrong != NULL) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "bad_id", "%s %s (limit: %d bytes)", what, wrong, EVENT_ID_MAX_BYTES);
  }
  copy_text(text, reader->id, sizeof(reader->id));
  reader->id_source = source;
  return VERDICT_OK;
}

/* The id's other sources, once the body is known. */
static enum verdict find_id(struct event_reader *reader, const struct subscription *subscription, struct problem *problem)
{
  char text[EVENT_ID_MAX_BYTES + 1] = "";
  const json_t *member = json_object_get(reader->event.body, "eventId");
  const char *natural;
  bool is_other;
  struct span id;

  if (json_is_integer(member)) {
    (void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(member));
    return take_id(reader, span_of_text(text), "eventId", EVENT_ID_OF_BODY, problem);
  }
  id = member_text(reader->event.body, "eventId", &is_other);
  if (is_other) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "bad_id", "eventId is neither a text nor a whole number");
  }
  if (!span_is_null(id)) {
    return take_id(reader, id, "eventId", EVENT_ID_OF_BODY, problem);
  }
  natural = subscription->natural_id != NULL ? subscription->natural_id(&reader->event, text, sizeof(text)) : NULL;
  if (natural != NULL && natural[0] != '\0') {
    return take_id(reader, span_of_text(natural), "natural id", EVENT_ID_NATURAL, problem);
  }
  return VERDICT_OK; /* of place, then */
}

static enum verdict find_type(struct event_reader *reader, struct span header, struct problem *problem)
{
  bool is_other = false;
  struct span type = header;
  const char *wrong;

  if (span_is_null(type)) {
    type = member_text(reader->event.body, "eventType", &is_other);
  }
  wrong = is_other ? "is no text" : wrong_with(type, EVENT_TYPE_MAX_BYTES);
  if (wrong != NULL) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "bad_type", "eventType %s (limit: %d bytes)", wrong, EVENT_TYPE_MAX_BYTES);
  }
  copy_text(type, reader->type, sizeof(reader->type));
  return VERDICT_OK;
}

/* Of topic and id alone, wherever the id came from: a redriven event has the id in a header that a place or a body gave it before. */
static void make_unique_id(struct event_reader *reader, const char *topic)
{
  bool is_unique = uuid_is_sound(reader->id);

  (void)snprintf(reader->unique_id, sizeof(reader->unique_id), "%s%s%s", is_unique ? "" : topic, is_unique ? "" : "/", reader->id);
}

static bool is_sound(struct span text, size_t most)
{
  return text.length > 0 && wrong_with(text, most) == NULL;
}

/* Never fails: what is not sound counts as missing, since no effect depends on it. */
static void make_origin(struct event_reader *reader, const struct record *record)
{
  struct origin *origin = &reader->event.origin;
  struct span correlation = header_text(record, "correlationId");
  struct span parent = header_text(record, "traceparent");
  struct uuid_source ids = {0};
  char parent_text[256];
  bool is_other;

  if (!is_sound(correlation, OUTBOX_CORRELATION_MAX_BYTES)) {
    correlation = member_text(reader->event.body, "correlationId", &is_other);
  }
  if (!is_sound(correlation, OUTBOX_CORRELATION_MAX_BYTES)) {
    correlation = span_of_text(reader->id);
  }
  copy_text(correlation, origin->correlation_id, sizeof(origin->correlation_id));
  copy_text(span_of_text(reader->id), origin->causation_id, sizeof(origin->causation_id));
  copy_text(parent, parent_text, sizeof(parent_text));
  traceparent_child(span_is_null(parent) ? NULL : parent_text, &ids, origin->traceparent);
}

static enum verdict read_parts(struct event_reader *reader, const struct record *record, const struct subscription *subscription, struct problem *problem)
{
  struct span id = header_text(record, "id");
  struct span type = header_text(record, "eventType");
  enum verdict verdict = VERDICT_OK;

  if (!span_is_null(id)) {
    verdict = take_id(reader, id, "header id", EVENT_ID_OF_HEADER, problem);
  }
  if (verdict == VERDICT_OK && !subscription->takes_bytes) {
    verdict = read_body(reader, record, problem);
  }
  if (verdict == VERDICT_OK) {
    verdict = find_type(reader, type, problem);
  } else if (is_sound(type, EVENT_TYPE_MAX_BYTES)) {
    copy_text(type, reader->type, sizeof(reader->type)); /* for logs and the dead letter */
  }
  /* Behind the type, since a natural id may be made of it; and also where the type is what is wrong. */
  if (verdict == VERDICT_OK && span_is_null(id)) {
    verdict = find_id(reader, subscription, problem);
  } else if (reader->event.body != NULL && span_is_null(id)) {
    (void)find_id(reader, subscription, NULL);
  }
  return verdict;
}

void event_reader_reset(struct event_reader *reader)
{
  json_decref(reader->document);
  *reader = (struct event_reader){0};
}

enum verdict event_reader_read(struct event_reader *reader, const struct record *record, const struct subscription *subscription, struct problem *problem)
{
  enum verdict verdict;

  event_reader_reset(reader);
  reader->id_source = EVENT_ID_OF_PLACE;
  reader->event = (struct event){
      .topic = record->topic,
      .partition = record->partition,
      .offset = record->offset,
      .timestamp_ms = record->timestamp_ms,
      .key = record->key,
      .value = record->value,
      .record = record,
      .id = reader->id,
      .unique_id = reader->unique_id,
      .type = reader->type,
      .attempt = 1,
  };
  verdict = read_parts(reader, record, subscription, problem);
  if (reader->id_source == EVENT_ID_OF_PLACE) {
    event_place(record, reader->id);
  }
  make_unique_id(reader, record->topic);
  make_origin(reader, record);
  if (verdict != VERDICT_OK) {
    reader->event.body = NULL;
  }
  return verdict;
}
