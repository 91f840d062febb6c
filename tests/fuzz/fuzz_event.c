/*
 * fuzz_event.c - from a record to an event, and to the dead letter that it would be: headers, one NAME=VALUE a line (without `=`: no value), a line of four
 * dashes, the value. What is read must be fit for columns and logs; a dead letter must be sound whatever the record was, readable, and give back a record that
 * dies the same death.
 */
#include "dead_letter.h"
#include "event_reader.h"
#include "fuzz.h"
#include "utf8.h"

enum { HEADERS_MAX = 64 };

static const char divider[] = "\n----\n";

static const char *natural_id(const struct event *event, char *text, size_t size)
{
  const char *key = json_string_value(json_object_get(event->body, "key"));

  (void)snprintf(text, size, "%s", key != NULL ? key : "");
  return text;
}

/* Headers up to the divider; the rest is the value, or there is none. */
static struct record read_record(struct span bytes, struct record_header *headers, struct arena *arena)
{
  const char *end = bytes.length > 0 ? memmem(bytes.data, bytes.length, divider, strlen(divider)) : NULL;
  struct span lines = end != NULL ? span_of(bytes.data, (size_t)(end - bytes.data)) : bytes;
  struct record record = {.topic = "orders", .partition = 1, .offset = 2, .timestamp_ms = 3, .key = span_of_text("k"), .headers = headers};
  struct span line;

  if (end != NULL) {
    record.value = arena_copy(arena, span_of(end + strlen(divider), bytes.length - lines.length - strlen(divider)));
  }
  while (record.header_count < HEADERS_MAX && fuzz_next_piece(&lines, '\n', &line)) {
    const char *equals = line.length > 0 ? memchr(line.data, '=', line.length) : NULL;
    struct span name = equals != NULL ? span_of(line.data, (size_t)(equals - line.data)) : line;

    headers[record.header_count++] = (struct record_header){.name = arena_copy(arena, name).data,
                                                            .value = equals != NULL ? span_of(equals + 1, line.length - name.length - 1) : span_of(NULL, 0)};
  }
  return record;
}

static void expect_clean(const char *text, size_t most)
{
  struct span rest = span_of_text(text);

  FUZZ_EXPECT(rest.length <= most && utf8_is_valid(rest));
  for (size_t i = 0; i < rest.length; i++) {
    FUZZ_EXPECT((unsigned char)rest.data[i] >= 0x20 && rest.data[i] != 0x7f);
  }
}

static void expect_event(const struct event_reader *reader, enum verdict verdict, const struct problem *problem)
{
  FUZZ_EXPECT(verdict == VERDICT_OK || verdict == VERDICT_POISON);
  FUZZ_EXPECT(verdict == VERDICT_OK || problem->text[0] != '\0');
  FUZZ_EXPECT(verdict == VERDICT_OK || reader->event.body == NULL);
  FUZZ_EXPECT(reader->event.id[0] != '\0');
  expect_clean(reader->event.id, EVENT_ID_MAX_BYTES);
  expect_clean(reader->event.unique_id, EVENT_UNIQUE_ID_MAX_BYTES);
  expect_clean(reader->event.type, EVENT_TYPE_MAX_BYTES);
  expect_clean(reader->event.origin.correlation_id, OUTBOX_CORRELATION_MAX_BYTES);
  expect_clean(reader->event.origin.causation_id, OUTBOX_CORRELATION_MAX_BYTES);
  FUZZ_EXPECT(reader->event.origin.correlation_id[0] != '\0');
  FUZZ_EXPECT(traceparent_is_sound(reader->event.origin.traceparent));
}

static struct dead_letter build(const struct record *record, const struct event *event, struct arena *arena)
{
  static const struct problem problem = {.cause = "fuzz", .text = "fuzz"};
  const struct dead_letter_cause cause = {
      .consumer = "c", .group = "g", .host = "h", .problem = &problem, .attempts = 1, .first_failure_us = 1, .last_failure_us = 1};
  struct dead_letter letter;

  dead_letter_build(&letter, record, event, &cause, "orders.dlq", 3, arena);
  FUZZ_EXPECT(letter.header_count <= record->header_count + DEAD_LETTER_ADDED_MAX);
  for (size_t i = 0; i < letter.header_count; i++) {
    fuzz_touch(span_of_text(letter.headers[i].name));
    fuzz_touch(letter.headers[i].value);
  }
  return letter;
}

static void expect_row(const struct dead_letter *letter, struct arena *arena)
{
  struct parameter parameters[DEAD_LETTER_PARAMETERS];
  json_t *headers;

  dead_letter_parameters(letter, arena, parameters);
  headers = json_loads(parameters[5].value.data, 0, NULL);
  FUZZ_EXPECT(json_array_size(headers) == letter->header_count - 2);
  json_decref(headers);
}

static void expect_death(const struct record *record, const struct event *event, struct arena *arena)
{
  struct dead_letter letter = build(record, event, arena);
  struct record dead = {.topic = "orders.dlq", .key = letter.key, .value = letter.value, .header_count = letter.header_count, .headers = letter.headers};
  struct record again = *record;
  struct record_header *headers;
  struct dead_letter_story story;

  if (dead_letter_fits_outbox(&letter, NULL)) {
    expect_row(&letter, arena);
  }
  dead_letter_read(&dead, arena, &story);
  FUZZ_EXPECT(strcmp(story.topic, "orders") == 0 && story.partition == 1 && story.offset == 2 && story.attempts == 1);
  again.header_count = dead_letter_restore(&dead, arena, &headers);
  again.headers = headers;
  FUZZ_EXPECT(record_find_header(&again, "id") != NULL && span_is(record_find_header(&again, "id")->value, event->id));
  letter = build(&again, event, arena);
  FUZZ_EXPECT(letter.header_count <= dead.header_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const struct subscription subscription = {.topic = "orders", .natural_id = natural_id};
  char *copy = fuzz_exact_copy(span_of((const char *)data, size));
  struct record_header headers[HEADERS_MAX];
  struct event_reader reader = {0};
  struct problem problem = {0};
  struct record record;
  struct arena arena;
  enum verdict verdict;

  arena_init(&arena, 4096);
  record = read_record(span_of(copy, size), headers, &arena);
  verdict = event_reader_read(&reader, &record, &subscription, &problem);
  expect_event(&reader, verdict, &problem);
  expect_death(&record, &reader.event, &arena);
  event_reader_reset(&reader);
  arena_done(&arena);
  free(copy);
  return 0;
}
