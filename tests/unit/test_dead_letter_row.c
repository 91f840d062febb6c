/* test_dead_letter_row.c - a dead letter as a row of the outbox, and what the outbox does not take. */
#include "dead_letter_sample.h"

#include <criterion/criterion.h>
#include <jansson.h>

TestSuite(dead_letter_row, .init = begin, .fini = end);

static const char *identity_with(const char *consumer, const char *topic, int64_t offset, int64_t timestamp_ms, const char *id)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  cause.consumer = consumer;
  record.topic = topic;
  record.offset = offset;
  record.timestamp_ms = timestamp_ms;
  event.id = id;
  build(&record, &cause);
  return letter.identity;
}

Test(dead_letter_row, a_row_is_one_death_of_one_event_in_one_consumer)
{
  const char *first = identity_with("a", "t", 1, 5, "e");

  cr_assert_str_eq(identity_with("a", "t", 1, 5, "e"), first, "the same after a crash");
  cr_assert_str_neq(identity_with("b", "t", 1, 5, "e"), first, "another consumer of the same database");
  cr_assert_str_neq(identity_with("a", "t", 2, 5, "e"), first, "redriven, and dead again");
  cr_assert_str_neq(identity_with("a", "u", 1, 5, "e"), first);
  cr_assert_str_neq(identity_with("a", "t", 1, 6, "e"), first, "the topic was made anew");
  cr_assert_str_neq(identity_with("a", "t", 1, 5, "f"), first);
}

static size_t base64_decode(const char *text, unsigned char *to)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t count = 0;

  for (size_t i = 0; text[i] != '\0'; i += 4) {
    uint32_t four = 0;
    size_t padding = 0;

    for (size_t j = 0; j < 4; j++) {
      const char *digit = text[i + j] == '=' ? digits : strchr(digits, text[i + j]);

      cr_assert_not_null(digit);
      padding += text[i + j] == '=';
      four = four << 6 | (uint32_t)(digit - digits);
    }
    for (size_t j = 0; j < 3 - padding; j++) {
      to[count++] = (unsigned char)(four >> (16 - 8 * j));
    }
  }
  return count;
}

/* Whatever is in the headers comes out of the row's JSON, in its order. */
static void expect_headers_in_row(const char *json)
{
  json_t *list = json_loads(json, 0, NULL);

  cr_assert_not_null(list, "%s", json);
  cr_assert_eq(json_array_size(list), letter.header_count - 2, "id and eventType are columns");
  for (size_t i = 2; i < letter.header_count; i++) {
    const json_t *pair = json_array_get(list, i - 2);
    const json_t *value = json_array_get(pair, 1);
    unsigned char bytes[2048];

    cr_assert_eq(json_array_size(pair), 2);
    cr_assert_str_eq(json_string_value(json_array_get(pair, 0)), letter.headers[i].name);
    if (span_is_null(letter.headers[i].value)) {
      cr_assert(json_is_null(value));
    } else {
      size_t length = base64_decode(json_string_value(value), bytes);

      cr_assert(span_equals(span_of((char *)bytes, length), letter.headers[i].value), "%s", letter.headers[i].name);
    }
  }
  json_decref(list);
}

Test(dead_letter_row, a_row_holds_all_of_it)
{
  static const struct record_header headers[] = {
      {"quote\"back\\slash gr\xc3\xbc\xc3\x9f", {"", 0}}, {"a", {"1", 1}}, {"a", {"12", 2}}, {"a", {"123", 3}}, {"b", {NULL, 0}}};
  struct parameter parameters[DEAD_LETTER_PARAMETERS];
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  record.headers = headers;
  record.header_count = 5;
  build(&record, &cause);
  cr_assert(dead_letter_fits_outbox(&letter, NULL));
  dead_letter_parameters(&letter, &arena, parameters);
  cr_assert(span_is(parameters[0].value, letter.identity));
  cr_assert(span_is(parameters[1].value, "order.created.v1.dlq"));
  cr_assert(span_equals(parameters[2].value, span_of("k\0", 2)) && parameters[2].is_binary);
  cr_assert(span_is(parameters[3].value, "OrderCreated"));
  cr_assert(span_equals(parameters[4].value, span_of("\0v", 2)) && parameters[4].is_binary);
  expect_headers_in_row(parameters[5].value.data);
  cr_assert(span_is(parameters[6].value, "2"));
  cr_assert(span_is(parameters[7].value, "e-1"));
}

Test(dead_letter_row, what_is_not_there_is_null_in_the_row)
{
  struct parameter parameters[DEAD_LETTER_PARAMETERS];
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  record.value = span_of(NULL, 0);
  event.type = "";
  dead_letter_build(&letter, &record, &event, &cause, "x.dlq", 0, &arena);
  dead_letter_parameters(&letter, &arena, parameters);
  cr_assert(span_is_null(parameters[3].value));
  cr_assert(span_is_null(parameters[4].value), "a tombstone stays one");
  cr_assert(span_is_null(parameters[6].value));
}

static struct problem refusal;

static bool fits(const struct record *record)
{
  struct dead_letter_cause cause = cause_of();

  build(record, &cause);
  return dead_letter_fits_outbox(&letter, &refusal);
}

Test(dead_letter_row, the_outbox_has_limits)
{
  static char bytes[DEAD_LETTER_OUTBOX_VALUE_MAX_BYTES + 1];
  struct record record = sample();
  char topic[256];

  cr_assert(fits(&record));
  record.key = span_of(NULL, 0);
  cr_assert(!fits(&record));
  cr_assert_str_eq(refusal.text, "dead letter does not fit into the outbox: no key");
  record.key = span_of(bytes, 0);
  cr_assert(!fits(&record));
  record.key = span_of(bytes, 1025);
  cr_assert(!fits(&record));
  record.key = span_of(bytes, 1024);
  cr_assert(fits(&record));
  record.value = span_of(bytes, sizeof(bytes));
  cr_assert(!fits(&record));
  cr_assert_str_eq(refusal.text, "dead letter does not fit into the outbox: length of value");
  record.value = span_of(bytes, sizeof(bytes) - 1);
  cr_assert(fits(&record));
  for (size_t i = 0; i < 2; i++) {
    struct dead_letter_cause cause = cause_of();

    memset(topic, 't', sizeof(topic));
    topic[200 + i] = '\0';
    dead_letter_build(&letter, &record, &event, &cause, topic, 3, &arena);
    cr_assert_eq(dead_letter_fits_outbox(&letter, NULL), i == 0, "topic of %zu bytes", 200 + i);
  }
}

Test(dead_letter_row, the_outbox_counts_headers)
{
  struct record_header headers[64];
  struct record record = sample();
  size_t added;

  record.headers = headers;
  record.header_count = 0;
  cr_assert(fits(&record));
  added = letter.header_count - 2;
  for (size_t i = 0; i < 64; i++) {
    headers[i] = (struct record_header){"h", {"v", 1}};
  }
  record.header_count = DEAD_LETTER_OUTBOX_HEADERS_MAX - added;
  cr_assert_geq(record.header_count, 16, "too few headers of an event's own");
  cr_assert(fits(&record));
  record.header_count++;
  cr_assert(!fits(&record));
  cr_assert_str_eq(refusal.text, "dead letter does not fit into the outbox: number of headers");
}

Test(dead_letter_row, the_outbox_takes_clean_names_alone)
{
  static const char *const names[] = {"", "a\nb", "a\x7f", "a\xff"};
  struct record record = sample();
  struct record_header header = {.value = {"v", 1}};

  record.headers = &header;
  record.header_count = 1;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    header.name = names[i];
    cr_assert(!fits(&record), "case %zu", i);
    cr_assert_str_eq(refusal.text, "dead letter does not fit into the outbox: name of a header");
    cr_assert_str_eq(letter.headers[2].name, names[i], "a producer of one's own takes it as it is");
  }
}

/* What fits is what PostgreSQL counts: 65536 bytes as jsonb prints it, which puts a blank behind each comma. */
Test(dead_letter_row, the_outbox_counts_the_bytes_of_its_text)
{
  static char bytes[65536];
  struct record_header header = {"n\"", {bytes, 0}};
  struct record record = sample();
  struct parameter parameters[DEAD_LETTER_PARAMETERS];
  size_t longest = 0;

  record.headers = &header;
  record.header_count = 1;
  for (size_t length = 45000; length < 50000; length++) {
    header.value.length = length;
    if (fits(&record)) {
      longest = length;
    }
    arena_reset(&arena);
  }
  header.value.length = longest;
  cr_assert(fits(&record));
  dead_letter_parameters(&letter, &arena, parameters);
  cr_assert_leq(parameters[5].value.length + 2 * (letter.header_count - 2) - 1, 65536);
  cr_assert_geq(parameters[5].value.length + 2 * (letter.header_count - 2) - 1, 65536 - 8, "and not less than it could be");
}
