/*
 * dead_letter.c - the record's headers, less those that are written anew, then what could not stay, then why, in three tongues.
 *
 *   [id, eventType] [the record's own] [dlt.original.*] [kafka_dlt-*] [__connect.errors.*] [dlt.*]
 *
 * The count of what is added is bounded, and so is each text. What the record brought is not touched: it fitted into a record once. Where all of it is too much the
 * caller asks for less (cause->detail).
 */
#include "dead_letter.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>

#include "dead_letter_names.h"
#include "utf8.h"

struct list {
  struct record_header *headers;
  size_t count;
  struct arena *arena;
};

static void add(struct list *list, const char *name, struct span value)
{
  list->headers[list->count++] = (struct record_header){.name = name, .value = value};
}

static void add_text(struct list *list, const char *name, const char *text)
{
  add(list, name, arena_copy(list->arena, span_of_text(text)));
}

static void add_number(struct list *list, const char *name, int64_t number)
{
  char text[24];

  (void)snprintf(text, sizeof(text), "%" PRId64, number);
  add_text(list, name, text);
}

/* Kafka's own order of bytes, as Spring's readers expect them. */
static void add_binary_32(struct list *list, const char *name, int32_t number)
{
  uint32_t bytes = htobe32((uint32_t)number);

  add(list, name, arena_copy(list->arena, span_of((const char *)&bytes, sizeof(bytes))));
}

static void add_binary_64(struct list *list, const char *name, int64_t number)
{
  uint64_t bytes = htobe64((uint64_t)number);

  add(list, name, arena_copy(list->arena, span_of((const char *)&bytes, sizeof(bytes))));
}

static void add_time(struct list *list, const char *name, int64_t wall_us)
{
  char text[OUTBOX_TIME_SIZE];

  if (wall_us > 0) {
    outbox_time(wall_us, false, text);
    add_text(list, name, text);
  }
}

const char *dead_letter_clean_text(struct span text, size_t most, struct arena *arena)
{
  char *to = arena_alloc(arena, (text.length < most ? text.length : most) + 1);
  size_t at = 0;

  while (text.length > 0) {
    uint32_t code = '?';
    size_t length = utf8_character(text, &code);
    bool is_clean = length > 0 && code >= 0x20 && (code < 0x7f || code > 0x9f);
    size_t taken = length > 0 ? length : 1;

    if ((is_clean ? taken : 1) > most - at) {
      break;
    }
    if (is_clean) {
      memcpy(to + at, text.data, taken);
      at += taken;
    } else {
      to[at++] = length > 0 ? ' ' : '?';
    }
    text = span_of(text.data + taken, text.length - taken);
  }
  to[at] = '\0';
  return to;
}

/* The words of an error of the database are the server's, and may quote a value; those of all others are ours. */
const char *dead_letter_message(const struct dead_letter_cause *cause, size_t most, struct arena *arena)
{
  char text[256];

  if (cause->sqlstate == NULL || cause->sqlstate[0] == '\0') {
    return dead_letter_clean_text(span_of_text(cause->problem->text), most, arena);
  }
  if (cause->constraint == NULL || cause->constraint[0] == '\0') {
    (void)snprintf(text, sizeof(text), "the database refused it: SQLSTATE %s", cause->sqlstate);
  } else {
    (void)snprintf(text, sizeof(text), "the database refused it: SQLSTATE %s, constraint %s", cause->sqlstate, cause->constraint);
  }
  return dead_letter_clean_text(span_of_text(text), most, arena);
}

const char *dead_letter_topic(const char *topic, const char *suffix, struct arena *arena)
{
  size_t length = strlen(topic) + strlen(suffix);
  char *text;

  if (length > DEAD_LETTER_TOPIC_MAX_BYTES) {
    return NULL;
  }
  text = arena_alloc(arena, length + 1);
  (void)snprintf(text, length + 1, "%s%s", topic, suffix);
  return text;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The record's own headers */

bool dead_letter_says_why(const char *name)
{
  return strncmp(name, SPRING_PREFIX, strlen(SPRING_PREFIX)) == 0 || strncmp(name, CONNECT_PREFIX, strlen(CONNECT_PREFIX)) == 0 ||
         (strncmp(name, OUR_PREFIX, strlen(OUR_PREFIX)) == 0 && strncmp(name, DEAD_LETTER_ORIGINAL, strlen(DEAD_LETTER_ORIGINAL)) != 0);
}

bool dead_letter_is_replaced(const char *name)
{
  return strcmp(name, "id") == 0 || strcmp(name, "eventType") == 0 || strcmp(name, "lsn") == 0 || strcmp(name, "txid") == 0;
}

static void add_own(struct list *list, const struct record *record)
{
  for (size_t i = 0; i < record->header_count; i++) {
    const struct record_header *header = &record->headers[i];

    if (!dead_letter_says_why(header->name) && !dead_letter_is_replaced(header->name)) {
      add(list, header->name, header->value);
    }
  }
}

/* `name` is a literal that begins with DEAD_LETTER_ORIGINAL. What an earlier death put there is among the record's own. */
static void add_original(struct list *list, const struct record *record, const char *name, struct span value)
{
  if (record_find_header(record, name) == NULL) {
    add(list, name, value);
  }
}

static void add_originals(struct list *list, const struct record *record, const struct event *event)
{
  const struct record_header *id = record_find_header(record, "id");
  const struct record_header *type = record_find_header(record, "eventType");
  const struct record_header *lsn = record_find_header(record, "lsn");
  const struct record_header *txid = record_find_header(record, "txid");

  if (id != NULL && id->value.length > 0 && !span_is(id->value, event->id)) {
    add_original(list, record, DEAD_LETTER_ORIGINAL "id", id->value);
  }
  if (type != NULL && type->value.length > 0 && !span_is(type->value, event->type)) {
    add_original(list, record, DEAD_LETTER_ORIGINAL "eventType", type->value);
  }
  if (lsn != NULL) {
    add_original(list, record, DEAD_LETTER_ORIGINAL "lsn", lsn->value);
  }
  if (txid != NULL) {
    add_original(list, record, DEAD_LETTER_ORIGINAL "txid", txid->value);
  }
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Why */

static const char *time_name(enum record_time time)
{
  switch (time) {
  case RECORD_TIME_NONE:
    return "NoTimestampType";
  case RECORD_TIME_CREATED:
    return "CreateTime";
  case RECORD_TIME_APPENDED:
    return "LogAppendTime";
  }
  return "NoTimestampType";
}

static const char *class_of(const struct dead_letter_cause *cause)
{
  return cause->problem->cause != NULL && cause->problem->cause[0] != '\0' ? cause->problem->cause : "unknown";
}

static void add_place(struct list *list, const struct record *record)
{
  add_text(list, SPRING_TOPIC, record->topic);
  add_binary_32(list, SPRING_PARTITION, record->partition);
  add_binary_64(list, SPRING_OFFSET, record->offset);
}

static void add_spring(struct list *list, const struct record *record, const struct dead_letter_cause *cause, const char *message)
{
  add_place(list, record);
  add_binary_64(list, SPRING_TIMESTAMP, record->time == RECORD_TIME_NONE ? -1 : record->timestamp_ms);
  add_text(list, SPRING_TIMESTAMP_TYPE, time_name(record->time));
  add_text(list, SPRING_GROUP, cause->group);
  add_text(list, SPRING_CLASS, class_of(cause));
  add(list, SPRING_MESSAGE, span_of_text(message));
}

static void add_connect(struct list *list, const struct record *record, const struct dead_letter_cause *cause, const char *message)
{
  add_text(list, CONNECT_TOPIC, record->topic);
  add_number(list, CONNECT_PARTITION, record->partition);
  add_number(list, CONNECT_OFFSET, record->offset);
  add_text(list, CONNECT_NAME, cause->consumer);
  add_text(list, CONNECT_TASK, "0");
  add_text(list, CONNECT_STAGE, cause->is_unreadable ? "VALUE_CONVERTER" : "TASK_PUT");
  add_text(list, CONNECT_CLASS, cause->consumer);
  add_text(list, CONNECT_ERROR_CLASS, class_of(cause));
  add(list, CONNECT_ERROR_MESSAGE, span_of_text(message));
}

static void add_ours(struct list *list, const struct dead_letter_cause *cause, const char *message)
{
  add_number(list, DEAD_LETTER_ATTEMPTS, cause->attempts);
  add_time(list, DEAD_LETTER_FIRST_FAILURE, cause->first_failure_us);
  add_time(list, DEAD_LETTER_LAST_FAILURE, cause->last_failure_us);
  add_text(list, DEAD_LETTER_CONSUMER, cause->consumer);
  add_text(list, DEAD_LETTER_ERROR_CLASS, class_of(cause));
  if (cause->sqlstate != NULL && cause->sqlstate[0] != '\0') {
    add_text(list, DEAD_LETTER_ERROR_SQLSTATE, cause->sqlstate);
  }
  add(list, DEAD_LETTER_ERROR_MESSAGE, span_of_text(message));
  add_text(list, DEAD_LETTER_HOST, cause->host);
}

static void add_why(struct list *list, const struct record *record, const struct dead_letter_cause *cause)
{
  const char *message;

  switch (cause->detail) {
  case DEAD_LETTER_WHOLE:
    message = dead_letter_message(cause, DEAD_LETTER_MESSAGE_MAX_BYTES, list->arena);
    add_spring(list, record, cause, message);
    add_connect(list, record, cause, message);
    add_ours(list, cause, message);
    break;
  case DEAD_LETTER_SHORT:
    message = dead_letter_message(cause, DEAD_LETTER_MESSAGE_SHORT_BYTES, list->arena);
    add_spring(list, record, cause, message);
    add_ours(list, cause, message);
    break;
  case DEAD_LETTER_LEAST:
    add_place(list, record);
    add_time(list, DEAD_LETTER_LAST_FAILURE, cause->last_failure_us);
    add_text(list, DEAD_LETTER_CONSUMER, cause->consumer);
    add_text(list, DEAD_LETTER_ERROR_CLASS, class_of(cause));
    break;
  case DEAD_LETTER_BARE:
    break;
  }
}

/* Consumer, place and event: a place alone is used again when a topic was made anew. */
static const char *identity_of(const struct record *record, const struct event *event, const struct dead_letter_cause *cause, struct arena *arena)
{
  size_t size = strlen(cause->consumer) + strlen(record->topic) + strlen(event->id) + 64;
  char *text = arena_alloc(arena, size);

  (void)snprintf(text, size, "%s\n%s\n%" PRId32 "\n%" PRId64 "\n%" PRId64 "\n%s", cause->consumer, record->topic, record->partition, record->offset,
                 record->timestamp_ms, event->id);
  return text;
}

void dead_letter_build(struct dead_letter *letter, const struct record *record, const struct event *event, const struct dead_letter_cause *cause,
                       const char *topic, int32_t partitions, struct arena *arena)
{
  struct list list = {.headers = arena_array(arena, record->header_count + DEAD_LETTER_ADDED_MAX, sizeof(struct record_header)), .arena = arena};

  letter->topic = arena_copy(arena, span_of_text(topic)).data;
  letter->partition = record->partition >= 0 && record->partition < partitions ? record->partition : DEAD_LETTER_PARTITION_BY_KEY;
  letter->key = record->key;
  letter->value = record->value;
  letter->id = arena_copy(arena, span_of_text(event->id)).data;
  letter->type = arena_copy(arena, span_of_text(event->type[0] != '\0' ? event->type : NULL)).data;
  letter->identity = identity_of(record, event, cause, arena);

  if (cause->detail == DEAD_LETTER_BARE) {
    letter->header_count = record->header_count;
    letter->headers = record->headers;
    return;
  }
  add(&list, "id", span_of_text(letter->id));
  add(&list, "eventType", span_of_text(letter->type));
  add_own(&list, record);
  if (cause->detail != DEAD_LETTER_LEAST) {
    add_originals(&list, record, event);
  }
  add_why(&list, record, cause);
  letter->header_count = list.count;
  letter->headers = list.headers;
}

/*
 * Record batch, version 2: 61 bytes in front; each record has its length, attributes, two differences, two lengths and the number of headers, each header two lengths.
 * Lengths have at most five bytes, the difference of times ten.
 */
size_t dead_letter_bytes(const struct dead_letter *letter)
{
  size_t bytes = 61 + 5 + 1 + 10 + 5 + 5 + 5 + 5 + letter->key.length + letter->value.length;

  for (size_t i = 0; i < letter->header_count; i++) {
    bytes += 5 + 5 + strlen(letter->headers[i].name) + letter->headers[i].value.length;
  }
  return bytes;
}
