/*
 * failed_event.c - from a dead letter to the texts of a row, and the row.
 *
 * dead_letter_read() says where and why; id, type and member come from the headers, else from the body, where that is JSON. Times and numbers are looked at before they
 * reach a column of their type.
 */
#include "failed_event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event_reader.h"
#include "utf8.h"

static const struct statement upsert_failed_event = {
    "upsert_failed_event",
    "INSERT INTO dday.failed_event AS f (event_id, event_type, member_id, topic, partition, \"offset\", record_key, payload, headers, error_class, "
    "error_message, attempts, "
    "first_failed_at, last_failed_at) "
    "VALUES ($1, $2, $3::bigint, $4, $5::integer, $6::bigint, $7, $8, $9::jsonb, $10, $11, $12::integer, least(coalesce($13::timestamptz, now()), "
    "coalesce($14::timestamptz, now())), "
    "coalesce($14::timestamptz, now())) "
    "ON CONFLICT (event_id) DO UPDATE SET event_type = excluded.event_type, member_id = coalesce(excluded.member_id, f.member_id), topic = excluded.topic, "
    "partition = excluded.partition, \"offset\" = excluded.\"offset\", record_key = excluded.record_key, payload = excluded.payload, headers = "
    "excluded.headers, "
    "error_class = excluded.error_class, error_message = excluded.error_message, attempts = least(f.attempts::bigint + "
    "excluded.attempts, 2147483647)::integer, "
    "first_failed_at = least(f.first_failed_at, excluded.first_failed_at), last_failed_at = greatest(f.last_failed_at, excluded.last_failed_at), status = "
    "'NEW'",
};

/* UTF-8 without zero bytes, at most `most` characters: what is neither becomes `?`. NULL for the null span and for an empty one. */
static const char *clean(struct span text, size_t most, struct arena *arena)
{
  char *to;
  size_t length = 0;

  if (span_is_null(text) || text.length == 0) {
    return NULL;
  }
  if (text.length > most * UTF8_MAX_BYTES) {
    text.length = most * UTF8_MAX_BYTES;
  }
  to = arena_alloc(arena, text.length + 1);
  for (size_t characters = 0; text.length > 0 && characters < most; characters++) {
    uint32_t code;
    size_t size = utf8_character(text, &code);

    if (size == 0 || code == 0) {
      to[length++] = '?';
      size = 1;
    } else {
      memcpy(to + length, text.data, size);
      length += size;
    }
    text.data += size;
    text.length -= size;
  }
  to[length] = '\0';
  return to;
}

static const char *number_text(int64_t number, struct arena *arena)
{
  char text[24];

  (void)snprintf(text, sizeof(text), "%" PRId64, number);
  return arena_copy(arena, span_of_text(text)).data;
}

/* `2026-01-25T10:15:30.123456Z`, as the runtime writes it; anything else is not known. */
static const char *time_or_null(const char *text)
{
  struct tm parts = {0};
  struct tm check;
  const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);

  /* strptime() takes blanks before a number and a second 61, PostgreSQL neither. */
  if (end == NULL || strlen(text) > 40 || strchr(text, ' ') != NULL || parts.tm_sec > 59 || parts.tm_year < 70 || parts.tm_year > 8000) {
    return NULL;
  }
  check = parts;
  if (timegm(&check) == -1 || check.tm_mday != parts.tm_mday) {
    return NULL;
  }
  if (*end == '.') {
    end += 1 + strspn(end + 1, "0123456789");
  }
  return strcmp(end, "Z") == 0 ? text : NULL;
}

static struct span header_of(const struct record *record, const char *name)
{
  const struct record_header *header = record_find_header(record, name);

  if (header == NULL) {
    return (struct span){0};
  }
  return header->value;
}

/* Those that the event had before it was given up; the failure's are fields of their own. */
static const char *own_headers_text(const struct record *letter, struct arena *arena)
{
  struct record event = *letter;
  struct record_header *own;
  const char *copy;
  json_t *headers;
  char *text;

  event.header_count = dead_letter_restore(letter, arena, &own);
  event.headers = own;
  headers = failed_event_headers_write(&event);
  text = json_dumps(headers, JSON_COMPACT);
  copy = text == NULL ? NULL : arena_copy(arena, span_of_text(text)).data;
  free(text);
  json_decref(headers);
  return copy;
}

static struct span text_of(const json_t *body, const char *name)
{
  const json_t *member = json_object_get(body, name);

  return json_is_string(member) ? span_of(json_string_value(member), json_string_length(member)) : (struct span){0};
}

static struct span first_of(struct span one, struct span other)
{
  return one.length > 0 ? one : other;
}

/*
 * Who gave up which event, where it lay, and when it failed last. A redrive has another place, so that what fails again is another failure. So is what a rewound group fails
 * at again, where it writes a second letter: our own runtime's outbox knows the first for seven days, and then there is none. The letter's own place in the dead-letter
 * topic says nothing, since a repetition has one of its own. It has to do where the letter tells no other, or not when: letters of other publishers do not, and of two
 * failures at one place the second would pass for a repetition.
 */
static const char *identity_of(const struct dead_letter_story *story, const char *event_id, const struct record *letter, struct arena *arena)
{
  size_t size = strlen(story->consumer) + strlen(story->topic) + strlen(event_id) + strlen(story->last_failure) + 80;
  char *text;

  if (story->topic[0] == '\0' || story->partition < 0 || story->offset < 0 || story->last_failure[0] == '\0') {
    text = arena_alloc(arena, EVENT_ID_MAX_BYTES + 1);
    event_place(letter, text);
    return text;
  }
  text = arena_alloc(arena, size);
  (void)snprintf(text, size, "%s\n%s/%" PRId32 "/%" PRId64 "@%" PRId64 "\n%s\n%s", story->consumer, story->topic, story->partition, story->offset,
                 story->timestamp_ms, event_id, story->last_failure);
  return text;
}

void failed_event_read(struct failed_event *failed, const struct event *event, struct arena *arena)
{
  const struct record *record = event->record;
  bool may_be_json = record->value.length > 0 && record->value.length <= FAILED_EVENT_BODY_MAX_BYTES;
  json_t *body = may_be_json ? json_loadb(record->value.data, record->value.length, JSON_ALLOW_NUL, NULL) : NULL;
  json_t *headers = failed_event_headers_write(record);
  struct dead_letter_story story;
  const json_t *member = json_object_get(body, "memberId");
  bool is_told;
  char *text;

  dead_letter_read(record, arena, &story);
  is_told = story.topic[0] != '\0';
  text = json_dumps(headers, JSON_COMPACT);
  *failed = (struct failed_event){
      .event_type = clean(first_of(header_of(record, "eventType"), text_of(body, "eventType")), FAILED_EVENT_ID_MAX, arena),
      .member_id = json_is_integer(member) ? number_text(json_integer_value(member), arena) : NULL,
      .topic = clean(span_of_text(is_told ? story.topic : record->topic), FAILED_EVENT_ID_MAX, arena),
      .partition = number_text(is_told && story.partition >= 0 ? story.partition : record->partition, arena),
      .offset = number_text(is_told && story.offset >= 0 ? story.offset : record->offset, arena),
      .key = record->key,
      .payload = record->value,
      .headers = text == NULL ? NULL : arena_copy(arena, span_of_text(text)).data,
      .error_class = clean(span_of_text(story.error_class), FAILED_EVENT_ID_MAX, arena),
      .error_message = clean(span_of_text(story.error_message), FAILED_EVENT_TEXT_MAX, arena),
      .attempts = number_text(story.attempts > 0 && story.attempts < 1000000 ? story.attempts : 1, arena),
      .first_failed_at = time_or_null(story.first_failure),
      .last_failed_at = time_or_null(story.last_failure),
      .consumer = clean(span_of_text(story.consumer), FAILED_EVENT_ID_MAX, arena),
      .host = clean(span_of_text(story.host), FAILED_EVENT_ID_MAX, arena),
      .sqlstate = clean(span_of_text(story.error_sqlstate), FAILED_EVENT_ID_MAX, arena),
      .key_text = clean(record->key, FAILED_EVENT_ID_MAX, arena),
      .own_headers = own_headers_text(record, arena),
  };
  failed->event_id = clean(first_of(header_of(record, "id"), first_of(text_of(body, "eventId"), span_of_text(event->id))), FAILED_EVENT_ID_MAX, arena);
  failed->identity = identity_of(&story, failed->event_id, record, arena);
  free(text);
  json_decref(headers);
  json_decref(body);
}

void failed_event_store(const struct failed_event *failed, struct work *work)
{
  const struct parameter parameters[] = {
      parameter_text(failed->event_id),        parameter_text(failed->event_type),     parameter_text(failed->member_id),     parameter_text(failed->topic),
      parameter_text(failed->partition),       parameter_text(failed->offset),         parameter_bytes(failed->key),          parameter_bytes(failed->payload),
      parameter_text(failed->headers),         parameter_text(failed->error_class),    parameter_text(failed->error_message), parameter_text(failed->attempts),
      parameter_text(failed->first_failed_at), parameter_text(failed->last_failed_at),
  };

  work_queue(work, &upsert_failed_event, sizeof(parameters) / sizeof(parameters[0]), parameters);
}

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */

static json_t *base16(struct span bytes)
{
  char *digits = malloc(bytes.length * 2 + 1);
  json_t *text;

  if (digits == NULL) {
    abort();
  }
  for (size_t i = 0; i < bytes.length; i++) {
    (void)sprintf(digits + i * 2, "%02x", (unsigned char)bytes.data[i]);
  }
  text = json_stringn(digits, bytes.length * 2);
  free(digits);
  return text;
}

static bool is_text(struct span bytes)
{
  return utf8_is_valid(bytes) && memchr(bytes.data, '\0', bytes.length) == NULL;
}

json_t *failed_event_headers_write(const struct record *record)
{
  json_t *headers = json_array();

  for (size_t i = 0; i < record->header_count; i++) {
    const struct record_header *header = &record->headers[i];
    json_t *entry = json_object();

    if (!is_text(span_of_text(header->name))) {
      json_decref(entry);
      continue; /* no publisher of ours makes such a name, and jsonb holds none */
    }
    (void)json_object_set_new(entry, "name", json_string(header->name));
    if (span_is_null(header->value)) {
      (void)json_object_set_new(entry, "value", json_null());
    } else if (is_text(header->value)) {
      (void)json_object_set_new(entry, "value", json_stringn(header->value.data, header->value.length));
    } else {
      (void)json_object_set_new(entry, "base16", base16(header->value));
    }
    (void)json_array_append_new(headers, entry);
  }
  return headers;
}

static bool read_base16(const char *digits, size_t length, struct arena *arena, struct span *ret_bytes)
{
  static const char alphabet[] = "0123456789abcdef";
  char *bytes = arena_alloc(arena, length / 2 + 1);

  for (size_t i = 0; i < length; i++) {
    const char *digit = memchr(alphabet, digits[i], 16);

    if (digit == NULL) {
      return false;
    }
    bytes[i / 2] = (char)(i % 2 == 0 ? (digit - alphabet) << 4 : (unsigned char)bytes[i / 2] | (digit - alphabet));
  }
  *ret_bytes = span_of(bytes, length / 2);
  return length % 2 == 0;
}

static bool read_header(const json_t *entry, struct arena *arena, struct record_header *ret_header)
{
  const json_t *name = json_object_get(entry, "name");
  const json_t *value = json_object_get(entry, "value");
  const json_t *digits = json_object_get(entry, "base16");

  if (!json_is_string(name)) {
    return false;
  }
  *ret_header = (struct record_header){.name = arena_copy(arena, span_of_text(json_string_value(name))).data};
  if (json_is_string(digits)) {
    return read_base16(json_string_value(digits), json_string_length(digits), arena, &ret_header->value);
  }
  if (json_is_string(value)) {
    ret_header->value = arena_copy(arena, span_of(json_string_value(value), json_string_length(value)));
  }
  return json_is_string(value) || json_is_null(value);
}

bool failed_event_headers_read(const json_t *headers, struct arena *arena, struct record_header **ret_headers, size_t *ret_count)
{
  size_t count = json_array_size(headers);
  struct record_header *list = arena_array(arena, count, sizeof(*list));

  if (!json_is_array(headers)) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (!read_header(json_array_get(headers, i), arena, &list[i])) {
      return false;
    }
  }
  *ret_headers = list;
  *ret_count = count;
  return true;
}
