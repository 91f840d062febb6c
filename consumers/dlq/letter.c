/*
 * letter.c - a record of Kafka with what dead_letter_read() finds in its headers, whichever convention it was written by. All of it is text from outside: shown with
 * control characters escaped, and never trusted as a format.
 */
#include "letter.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "redrive.h"
#include "utf8.h"

static void read_id(struct letter *letter)
{
  const struct record_header *header = record_find_header(&letter->record, "id");
  struct span value = letter->record.value;
  struct span id = {0};
  json_t *body = NULL;
  const json_t *member;
  char number[24];

  letter->id[0] = '\0';
  if (header != NULL && header->value.length > 0) {
    id = header->value;
  }
  if (span_is_null(id) && value.length > 0 && value.length <= LETTER_BODY_MAX_BYTES && value.data[0] == '{') {
    body = json_loadb(value.data, value.length, 0, NULL);
    member = json_object_get(body, "eventId");
    id = span_of_text(json_string_value(member));
    if (json_is_integer(member)) { /* as event_reader.c takes it */
      (void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(member));
      id = span_of_text(number);
    }
  }
  if (!span_is_null(id) && id.length < sizeof(letter->id) && utf8_is_valid(id)) {
    memcpy(letter->id, id.data, id.length);
    letter->id[id.length] = '\0';
  }
  json_decref(body);
}

void letter_read(struct letter *letter, const struct record *record, struct arena *arena)
{
  *letter = (struct letter){.record = *record};
  dead_letter_read(record, arena, &letter->story);
  read_id(letter);
  letter->redrives = redrive_count(record);
}

bool letter_is_chosen(const struct letter *letter, const struct letter_filter *filter)
{
  return (filter->id == NULL || strcmp(filter->id, letter->id) == 0) && (filter->key == NULL || span_is(letter->record.key, filter->key)) &&
         (filter->error_class == NULL || strcmp(filter->error_class, letter->story.error_class) == 0) && letter->record.timestamp_ms >= filter->since_ms &&
         (filter->until_ms == 0 || letter->record.timestamp_ms < filter->until_ms);
}

bool letter_time(const char *text, int64_t *ret_ms)
{
  struct tm parts = {0};
  struct tm check;
  const char *end = strptime(text, "%Y-%m-%d", &parts);
  time_t seconds;

  if (end != NULL && *end == 'T') {
    end = strptime(end, "T%H:%M:%SZ", &parts);
  }
  if (end == NULL || *end != '\0') {
    return false;
  }
  check = parts;
  seconds = timegm(&check);
  if (check.tm_mday != parts.tm_mday || check.tm_mon != parts.tm_mon) {
    return false; /* the 30th of February */
  }
  *ret_ms = (int64_t)seconds * 1000;
  return true;
}

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */

static json_t *json_of(struct span bytes)
{
  json_t *wrapped;
  char *digits;

  if (span_is_null(bytes)) {
    return json_null();
  }
  if (utf8_is_valid(bytes) && memchr(bytes.data, '\0', bytes.length) == NULL) {
    return json_stringn(bytes.data, bytes.length);
  }
  digits = malloc(bytes.length * 2 + 1);
  if (digits == NULL) {
    abort();
  }
  for (size_t i = 0; i < bytes.length; i++) {
    (void)sprintf(digits + i * 2, "%02x", (unsigned char)bytes.data[i]);
  }
  wrapped = json_pack("{s:s#}", "base16", digits, (int)(bytes.length * 2));
  free(digits);
  return wrapped;
}

static void time_text(int64_t timestamp_ms, char text[32])
{
  time_t seconds = (time_t)(timestamp_ms / 1000);
  struct tm parts;

  if (timestamp_ms < 0 || gmtime_r(&seconds, &parts) == NULL || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
    memcpy(text, "-", 2);
  }
}

static struct span type_of(const struct letter *letter)
{
  const struct record_header *header = record_find_header(&letter->record, "eventType");

  if (header == NULL) {
    return (struct span){0};
  }
  return header->value;
}

static json_t *summary(const struct letter *letter)
{
  const struct record *record = &letter->record;
  const struct dead_letter_story *story = &letter->story;
  char when[32];

  time_text(record->timestamp_ms, when);
  return json_pack("{s:s, s:I, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:I, s:I}", "topic", record->topic, "partition", (json_int_t)record->partition,
                   "offset", (json_int_t)record->offset, "time", when, "id", letter->id, "key", json_of(record->key), "type", json_of(type_of(letter)),
                   "errorClass", json_of(span_of_text(story->error_class)), "errorMessage", json_of(span_of_text(story->error_message)), "attempts",
                   (json_int_t)story->attempts, "redrives", (json_int_t)letter->redrives, "originalTopic", json_of(span_of_text(story->topic)),
                   "originalPartition", (json_int_t)story->partition, "originalOffset", (json_int_t)story->offset);
}

static void dump(json_t *object, FILE *out)
{
  if (object == NULL || json_dumpf(object, out, JSON_COMPACT) != 0) {
    abort();
  }
  (void)fputc('\n', out);
  json_decref(object);
}

void letter_print_json(const struct letter *letter, bool is_done, FILE *out)
{
  json_t *object = summary(letter);

  (void)json_object_set_new(object, "done", json_boolean(is_done));
  dump(object, out);
}

void letter_print_whole(const struct letter *letter, FILE *out)
{
  json_t *object = summary(letter);
  json_t *headers = json_array();

  for (size_t i = 0; i < letter->record.header_count; i++) {
    const struct record_header *header = &letter->record.headers[i];

    (void)json_array_append_new(headers, json_pack("{s:o, s:o}", "name", json_of(span_of_text(header->name)), "value", json_of(header->value)));
  }
  (void)json_object_set_new(object, "headers", headers);
  (void)json_object_set_new(object, "value", json_of(letter->record.value));
  dump(object, out);
}

void letter_print_columns_head(FILE *out)
{
  (void)fputs("PLACE\tTIME\tID\tTYPE\tKEY\tERROR\tATTEMPTS\tREDRIVES\tDONE\tMESSAGE\n", out);
}

/* A column is one line without tabs, whatever the bytes are. */
static void put_column(struct span text, FILE *out)
{
  if (span_is_null(text) || text.length == 0) {
    (void)fputc('-', out);
  }
  for (size_t i = 0; i < text.length; i++) {
    unsigned char c = (unsigned char)text.data[i];

    (void)fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
  }
  (void)fputc('\t', out);
}

void letter_print_columns(const struct letter *letter, bool is_done, FILE *out)
{
  char when[32];

  time_text(letter->record.timestamp_ms, when);
  (void)fprintf(out, "%" PRId32 "/%" PRId64 "\t%s\t", letter->record.partition, letter->record.offset, when);
  put_column(span_of_text(letter->id), out);
  put_column(type_of(letter), out);
  put_column(letter->record.key, out);
  put_column(span_of_text(letter->story.error_class), out);
  (void)fprintf(out, "%" PRIu32 "\t%" PRIu32 "\t%s\t", letter->story.attempts, letter->redrives, is_done ? "yes" : "no");
  put_column(span_of_text(letter->story.error_message), out);
  (void)fputc('\n', out);
}
