/*
 * dead_letter_read.c - what a dead letter says, whoever wrote it, and the record that it was.
 *
 *   asked for       first              then                      last
 *   topic, place    kafka_dlt-*        __connect.errors.*
 *   error           dlt.error.*        kafka_dlt-exception-*     __connect.errors.exception.*
 *   the rest        dlt.*
 *
 * The headers came over a network that others write to as well: a number that is none counts as not said, texts are bounded and made printable.
 */
#include "dead_letter.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "dead_letter_names.h"

static struct span value_of(const struct record *letter, const char *name)
{
  const struct record_header *header = record_find_header(letter, name);

  return header != NULL ? header->value : span_of(NULL, 0);
}

/* The first of them that says something. */
static const char *text_of(const struct record *letter, struct arena *arena, const char *first, const char *second, const char *third)
{
  const char *const names[] = {first, second, third};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && names[i] != NULL; i++) {
    struct span value = value_of(letter, names[i]);

    if (value.length > 0) {
      return dead_letter_clean_text(value, DEAD_LETTER_MESSAGE_MAX_BYTES, arena);
    }
  }
  return "";
}

static int64_t decimal_of(struct span value, int64_t most)
{
  char text[24];
  char *end;
  long long number;

  if (value.length == 0 || value.length >= sizeof(text)) {
    return -1;
  }
  memcpy(text, value.data, value.length);
  text[value.length] = '\0';
  errno = 0;
  number = strtoll(text, &end, 10);
  return errno == 0 && *end == '\0' && text[0] >= '0' && text[0] <= '9' && number <= most ? (int64_t)number : -1;
}

/* Big-endian of that size, else the decimal of the other header. */
static int64_t number_of(const struct record *letter, const char *binary, size_t size, const char *decimal, int64_t most)
{
  struct span value = value_of(letter, binary);
  int64_t number = -1;

  if (value.length == size && size == sizeof(uint32_t)) {
    uint32_t bytes;

    memcpy(&bytes, value.data, sizeof(bytes));
    number = (int32_t)be32toh(bytes);
  } else if (value.length == size && size == sizeof(uint64_t)) {
    uint64_t bytes;

    memcpy(&bytes, value.data, sizeof(bytes));
    number = (int64_t)be64toh(bytes);
  } else if (decimal != NULL) {
    number = decimal_of(value_of(letter, decimal), most);
  }
  return number >= 0 ? number : -1;
}

void dead_letter_read(const struct record *letter, struct arena *arena, struct dead_letter_story *ret_story)
{
  int64_t attempts = decimal_of(value_of(letter, DEAD_LETTER_ATTEMPTS), UINT32_MAX);

  *ret_story = (struct dead_letter_story){
      .topic = text_of(letter, arena, SPRING_TOPIC, CONNECT_TOPIC, NULL),
      .partition = (int32_t)number_of(letter, SPRING_PARTITION, sizeof(uint32_t), CONNECT_PARTITION, INT32_MAX),
      .offset = number_of(letter, SPRING_OFFSET, sizeof(uint64_t), CONNECT_OFFSET, INT64_MAX),
      .timestamp_ms = number_of(letter, SPRING_TIMESTAMP, sizeof(uint64_t), NULL, INT64_MAX),
      .consumer = text_of(letter, arena, DEAD_LETTER_CONSUMER, CONNECT_NAME, SPRING_GROUP),
      .error_class = text_of(letter, arena, DEAD_LETTER_ERROR_CLASS, SPRING_CLASS, CONNECT_ERROR_CLASS),
      .error_sqlstate = text_of(letter, arena, DEAD_LETTER_ERROR_SQLSTATE, NULL, NULL),
      .error_message = text_of(letter, arena, DEAD_LETTER_ERROR_MESSAGE, SPRING_MESSAGE, CONNECT_ERROR_MESSAGE),
      .host = text_of(letter, arena, DEAD_LETTER_HOST, NULL, NULL),
      .first_failure = text_of(letter, arena, DEAD_LETTER_FIRST_FAILURE, NULL, NULL),
      .last_failure = text_of(letter, arena, DEAD_LETTER_LAST_FAILURE, NULL, NULL),
      .attempts = attempts > 0 ? (uint32_t)attempts : 0,
  };
}

/* The name that the header goes back under; NULL: it goes nowhere, or is not of this kind. */
static const char *original_name(const char *name)
{
  static const char *const names[] = {"eventType", "lsn", "txid"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (strncmp(name, DEAD_LETTER_ORIGINAL, strlen(DEAD_LETTER_ORIGINAL)) == 0 && strcmp(name + strlen(DEAD_LETTER_ORIGINAL), names[i]) == 0) {
      return names[i];
    }
  }
  return NULL;
}

size_t dead_letter_restore(const struct record *letter, struct arena *arena, struct record_header **ret_headers)
{
  struct record_header *headers = arena_array(arena, letter->header_count + 2, sizeof(*headers));
  bool has_original_type = record_find_header(letter, DEAD_LETTER_ORIGINAL "eventType") != NULL;
  size_t count = 0;

  for (size_t i = 0; i < letter->header_count; i++) {
    const struct record_header *header = &letter->headers[i];
    const char *original = original_name(header->name);
    bool is_type = strcmp(header->name, "eventType") == 0;
    bool is_dropped = dead_letter_says_why(header->name) || strcmp(header->name, "lsn") == 0 || strcmp(header->name, "txid") == 0 ||
                      strcmp(header->name, DEAD_LETTER_ORIGINAL "id") == 0 || (is_type && (has_original_type || span_is_null(header->value)));

    if (original != NULL && !span_is_null(header->value)) {
      headers[count++] = (struct record_header){.name = original, .value = header->value};
    } else if (original == NULL && !is_dropped) {
      headers[count++] = *header;
    }
  }
  *ret_headers = headers;
  return count;
}
