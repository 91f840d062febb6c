/* test_consumer_dead_letter.c - what a dead letter keeps, what it says, what the outbox takes of it, and what of it goes back. (test_dead_letter.c is the relay's.) */
#include "dead_letter.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>

static struct arena arena;
static struct problem failure_problem = {.cause = "no_stock", .text = "sku 7 has no stock"};
static struct event event;
static struct dead_letter letter;

static void begin(void)
{
  arena_init(&arena, 65536);
  event = (struct event){.id = "e-1", .type = "OrderCreated"};
}

static void end(void)
{
  arena_done(&arena);
}

TestSuite(consumer_dead_letter, .init = begin, .fini = end);

static const struct record_header own_headers[] = {
    {"id", {"e-1", 3}},      {"eventType", {"OrderCreated", 12}}, {"correlationId", {"c-1", 3}}, {"note", {NULL, 0}},
    {"note", {"\0\xff", 2}}, {"lsn", {"0/16B3748/0", 11}},
};

static struct record sample(void)
{
  return (struct record){.topic = "order.created.v1",
                         .partition = 2,
                         .offset = INT64_C(0x0102030405060708),
                         .timestamp_ms = 1700000000000,
                         .time = RECORD_TIME_CREATED,
                         .key = span_of("k\0", 2),
                         .value = span_of("\0v", 2),
                         .header_count = sizeof(own_headers) / sizeof(own_headers[0]),
                         .headers = own_headers};
}

static struct dead_letter_cause cause_of(void)
{
  return (struct dead_letter_cause){.consumer = "notification-service",
                                    .group = "notification-consumer-group",
                                    .host = "host-1",
                                    .problem = &failure_problem,
                                    .attempts = 4,
                                    .first_failure_us = INT64_C(1769336130123456),
                                    .last_failure_us = INT64_C(1769336136123456)};
}

static void build(const struct record *record, const struct dead_letter_cause *cause)
{
  dead_letter_build(&letter, record, &event, cause, "order.created.v1.dlq", 3, &arena);
}

static void build_sample(void)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  build(&record, &cause);
}

/* The one header of that name. */
static struct span header(const char *name)
{
  struct span value = {0};
  int count = 0;

  for (size_t i = 0; i < letter.header_count; i++) {
    if (strcmp(letter.headers[i].name, name) == 0) {
      value = letter.headers[i].value;
      count++;
    }
  }
  cr_assert_eq(count, 1, "header %s is there %d times", name, count);
  return value;
}

static bool has(const char *name)
{
  for (size_t i = 0; i < letter.header_count; i++) {
    if (strcmp(letter.headers[i].name, name) == 0) {
      return true;
    }
  }
  return false;
}

static void says(const char *name, const char *text)
{
  struct span value = header(name);

  cr_assert(span_is(value, text), "%s is %.*s", name, (int)value.length, value.data);
}

Test(consumer_dead_letter, a_topic_has_its_suffix_unless_it_becomes_too_long)
{
  char topic[250];

  cr_assert_str_eq(dead_letter_topic("order.created.v1", ".dlq", &arena), "order.created.v1.dlq");
  memset(topic, 't', sizeof(topic));
  topic[245] = '\0';
  cr_assert_eq(strlen(dead_letter_topic(topic, ".dlq", &arena)), 249);
  topic[245] = 't';
  topic[246] = '\0';
  cr_assert_null(dead_letter_topic(topic, ".dlq", &arena));
}

Test(consumer_dead_letter, key_value_partition_and_headers_are_the_records)
{
  build_sample();
  cr_assert_str_eq(letter.topic, "order.created.v1.dlq");
  cr_assert_eq(letter.partition, 2);
  cr_assert(span_equals(letter.key, span_of("k\0", 2)));
  cr_assert(span_equals(letter.value, span_of("\0v", 2)));
  cr_assert_str_eq(letter.headers[0].name, "id");
  cr_assert_str_eq(letter.headers[1].name, "eventType");
  cr_assert_str_eq(letter.headers[2].name, "correlationId");
  cr_assert_str_eq(letter.headers[3].name, "note");
  cr_assert(span_is_null(letter.headers[3].value));
  cr_assert_str_eq(letter.headers[4].name, "note");
  cr_assert(span_equals(letter.headers[4].value, span_of("\0\xff", 2)));
  says("id", "e-1");
  says("eventType", "OrderCreated");
  cr_assert(!has("lsn"), "the relay gives the dead letter one of its own");
  says("dlt.original.lsn", "0/16B3748/0");
  cr_assert(!has("dlt.original.id"));
  cr_assert(!has("dlt.original.eventType"));
}

Test(consumer_dead_letter, it_says_why_in_three_tongues)
{
  build_sample();
  says("kafka_dlt-original-topic", "order.created.v1");
  cr_assert(span_equals(header("kafka_dlt-original-partition"), span_of("\0\0\0\2", 4)));
  cr_assert(span_equals(header("kafka_dlt-original-offset"), span_of("\1\2\3\4\5\6\7\10", 8)));
  cr_assert(span_equals(header("kafka_dlt-original-timestamp"), span_of("\0\0\1\x8b\xcf\xe5\x68\0", 8)));
  says("kafka_dlt-original-timestamp-type", "CreateTime");
  says("kafka_dlt-original-consumer-group", "notification-consumer-group");
  says("kafka_dlt-exception-fqcn", "no_stock");
  says("kafka_dlt-exception-message", "sku 7 has no stock");
  says("__connect.errors.topic", "order.created.v1");
  says("__connect.errors.partition", "2");
  says("__connect.errors.offset", "72623859790382856");
  says("__connect.errors.connector.name", "notification-service");
  says("__connect.errors.task.id", "0");
  says("__connect.errors.stage", "TASK_PUT");
  says("__connect.errors.class.name", "notification-service");
  says("__connect.errors.exception.class.name", "no_stock");
  says("__connect.errors.exception.message", "sku 7 has no stock");
  says("dlt.attempts", "4");
  says("dlt.first-failure", "2026-01-25T10:15:30.123456Z");
  says("dlt.last-failure", "2026-01-25T10:15:36.123456Z");
  says("dlt.consumer", "notification-service");
  says("dlt.error.class", "no_stock");
  says("dlt.error.message", "sku 7 has no stock");
  says("dlt.host", "host-1");
  cr_assert(!has("dlt.error.sqlstate"));
}

Test(consumer_dead_letter, what_the_database_said_is_not_repeated)
{
  struct problem refused = {.cause = "database", .text = "invalid input syntax for type integer: \"4111 1111 1111 1111\""};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  cause.problem = &refused;
  cause.sqlstate = "23514";
  cause.constraint = "stock_is_not_negative";
  build(&record, &cause);
  says("dlt.error.message", "the database refused it: SQLSTATE 23514, constraint stock_is_not_negative");
  says("kafka_dlt-exception-message", "the database refused it: SQLSTATE 23514, constraint stock_is_not_negative");
  says("dlt.error.sqlstate", "23514");
  cause.sqlstate = "22P02";
  cause.constraint = "";
  build(&record, &cause);
  says("dlt.error.message", "the database refused it: SQLSTATE 22P02");
  for (size_t i = 0; i < letter.header_count; i++) {
    cr_assert(letter.headers[i].value.length < 4 || memmem(letter.headers[i].value.data, letter.headers[i].value.length, "4111", 4) == NULL, "%s",
              letter.headers[i].name);
  }
}

Test(consumer_dead_letter, messages_are_clean)
{
  struct problem odd = {.cause = NULL, .text = "a\nb\x1b[2J \xff gr\xc3\xbc\xc3\x9f"};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  cause.problem = &odd;
  cause.is_unreadable = true;
  cause.first_failure_us = 0;
  record.time = RECORD_TIME_NONE;
  build(&record, &cause);
  says("dlt.error.message", "a b [2J ? gr\xc3\xbc\xc3\x9f");
  says("dlt.error.class", "unknown");
  says("__connect.errors.stage", "VALUE_CONVERTER");
  says("kafka_dlt-original-timestamp-type", "NoTimestampType");
  cr_assert(span_equals(header("kafka_dlt-original-timestamp"), span_of("\xff\xff\xff\xff\xff\xff\xff\xff", 8)));
  cr_assert(!has("dlt.first-failure"));
}

Test(consumer_dead_letter, headers_that_are_none_of_an_event_are_kept_aside)
{
  static const struct record_header headers[] = {{"id", {"a\nb", 3}}, {"eventType", {"\xff", 1}}, {"txid", {"7", 1}}};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  record.headers = headers;
  record.header_count = 3;
  event.id = "order.created.v1/2/41";
  event.type = "";
  build(&record, &cause);
  says("id", "order.created.v1/2/41");
  cr_assert(span_is_null(header("eventType")));
  cr_assert_null(letter.type);
  says("dlt.original.id", "a\nb");
  says("dlt.original.eventType", "\xff");
  says("dlt.original.txid", "7");
  cr_assert(!has("dlt.original.lsn"));
}

Test(consumer_dead_letter, a_record_without_headers_has_no_originals)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  record.header_count = 0;
  record.headers = NULL;
  event.type = "";
  build(&record, &cause);
  for (size_t i = 0; i < letter.header_count; i++) {
    cr_assert_neq(strncmp(letter.headers[i].name, DEAD_LETTER_ORIGINAL, strlen(DEAD_LETTER_ORIGINAL)), 0, "%s", letter.headers[i].name);
  }
  cr_assert_leq(letter.header_count, DEAD_LETTER_ADDED_MAX);
}

/* A tool that copies dead letters back as they are must not make them grow. */
Test(consumer_dead_letter, a_second_death_replaces_the_first_ones_headers)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();
  struct record_header *headers;
  size_t count;

  build(&record, &cause);
  count = letter.header_count;
  headers = arena_array(&arena, count + 2, sizeof(*headers));
  memcpy(headers, letter.headers, count * sizeof(*headers));
  headers[count] = (struct record_header){"lsn", span_of_text("0/99/0")};
  headers[count + 1] = (struct record_header){"redrive.count", span_of_text("1")};
  record.headers = headers;
  record.header_count = count + 2;
  cause.attempts = 1;
  build(&record, &cause);
  cr_assert_eq(letter.header_count, count + 1, "only redrive.count is new");
  says("dlt.attempts", "1");
  says("dlt.original.lsn", "0/16B3748/0");
  says("redrive.count", "1");
}

/* Partition of the record, partitions of the dead-letter topic. */
Test(consumer_dead_letter, the_partition_stays_where_the_topic_has_it)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();
  static const struct {
    int32_t partition, partitions, expected;
  } cases[] = {{0, 1, 0}, {2, 3, 2}, {2, 2, DEAD_LETTER_PARTITION_BY_KEY}, {2, 1, DEAD_LETTER_PARTITION_BY_KEY}, {0, 0, DEAD_LETTER_PARTITION_BY_KEY}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    record.partition = cases[i].partition;
    dead_letter_build(&letter, &record, &event, &cause, "x.dlq", cases[i].partitions, &arena);
    cr_assert_eq(letter.partition, cases[i].expected, "case %zu", i);
  }
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The row */

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

Test(consumer_dead_letter, a_row_is_one_death_of_one_event_in_one_consumer)
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

Test(consumer_dead_letter, a_row_holds_all_of_it)
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

Test(consumer_dead_letter, what_is_not_there_is_null_in_the_row)
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

Test(consumer_dead_letter, the_outbox_has_limits)
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

Test(consumer_dead_letter, the_outbox_counts_headers)
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

Test(consumer_dead_letter, the_outbox_takes_clean_names_alone)
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
Test(consumer_dead_letter, the_outbox_counts_the_bytes_of_its_text)
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

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The other direction */

static struct record record_of_letter(void)
{
  return (struct record){.topic = letter.topic, .key = letter.key, .value = letter.value, .header_count = letter.header_count, .headers = letter.headers};
}

Test(consumer_dead_letter, it_can_be_read)
{
  struct dead_letter_story story;
  struct record record;

  build_sample();
  record = record_of_letter();
  dead_letter_read(&record, &arena, &story);
  cr_assert_str_eq(story.topic, "order.created.v1");
  cr_assert_eq(story.partition, 2);
  cr_assert_eq(story.offset, INT64_C(0x0102030405060708));
  cr_assert_eq(story.timestamp_ms, 1700000000000);
  cr_assert_str_eq(story.consumer, "notification-service");
  cr_assert_str_eq(story.error_class, "no_stock");
  cr_assert_str_eq(story.error_sqlstate, "");
  cr_assert_str_eq(story.error_message, "sku 7 has no stock");
  cr_assert_str_eq(story.host, "host-1");
  cr_assert_str_eq(story.first_failure, "2026-01-25T10:15:30.123456Z");
  cr_assert_str_eq(story.last_failure, "2026-01-25T10:15:36.123456Z");
  cr_assert_eq(story.attempts, 4);
}

Test(consumer_dead_letter, those_of_connect_can_be_read_too)
{
  static const struct record_header headers[] = {{"__connect.errors.topic", {"t", 1}},
                                                 {"__connect.errors.partition", {"3", 1}},
                                                 {"__connect.errors.offset", {"9007199254740993", 16}},
                                                 {"__connect.errors.connector.name", {"sink", 4}},
                                                 {"__connect.errors.exception.message", {"bad\nthing", 9}}};
  struct record record = {.headers = headers, .header_count = 5};
  struct dead_letter_story story;

  dead_letter_read(&record, &arena, &story);
  cr_assert_str_eq(story.topic, "t");
  cr_assert_eq(story.partition, 3);
  cr_assert_eq(story.offset, INT64_C(9007199254740993));
  cr_assert_eq(story.timestamp_ms, -1);
  cr_assert_str_eq(story.consumer, "sink");
  cr_assert_str_eq(story.error_message, "bad thing");
  cr_assert_eq(story.attempts, 0);
}

Test(consumer_dead_letter, numbers_that_are_none_are_not_said)
{
  static const struct record_header headers[] = {{"kafka_dlt-original-partition", {"\xff\xff\xff\xff", 4}},
                                                 {"kafka_dlt-original-offset", {"12", 2}},
                                                 {"__connect.errors.offset", {"99999999999999999999", 20}},
                                                 {"kafka_dlt-original-timestamp", {NULL, 0}},
                                                 {"dlt.attempts", {"4294967296", 10}}};
  struct record record = {.headers = headers, .header_count = 5};
  struct dead_letter_story story;

  dead_letter_read(&record, &arena, &story);
  cr_assert_str_eq(story.topic, "");
  cr_assert_eq(story.partition, -1);
  cr_assert_eq(story.offset, -1);
  cr_assert_eq(story.timestamp_ms, -1);
  cr_assert_eq(story.attempts, 0);
}

Test(consumer_dead_letter, what_goes_back_has_the_headers_that_it_had)
{
  struct record record;
  struct record_header *headers;
  size_t count;

  build_sample();
  record = record_of_letter();
  count = dead_letter_restore(&record, &arena, &headers);
  cr_assert_eq(count, sizeof(own_headers) / sizeof(own_headers[0]));
  for (size_t i = 0; i < count; i++) {
    cr_assert_str_eq(headers[i].name, own_headers[i].name);
    cr_assert(span_equals(headers[i].value, own_headers[i].value), "%s", headers[i].name);
  }
}

Test(consumer_dead_letter, what_goes_back_keeps_its_id)
{
  static const struct record_header own[] = {{"id", {"a\nb", 3}}, {"eventType", {"\xff", 1}}, {"lsn", {"1/1/0", 5}}};
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();
  struct record_header *headers;
  struct record_header *relayed;
  size_t count;

  record.headers = own;
  record.header_count = 3;
  event.id = "t/2/41";
  event.type = "";
  build(&record, &cause);
  relayed = arena_array(&arena, letter.header_count + 1, sizeof(*relayed));
  memcpy(relayed, letter.headers, letter.header_count * sizeof(*relayed));
  relayed[letter.header_count] = (struct record_header){"lsn", span_of_text("9/9/9")};
  record.headers = relayed;
  record.header_count = letter.header_count + 1;
  count = dead_letter_restore(&record, &arena, &headers);
  cr_assert_eq(count, 3);
  cr_assert_str_eq(headers[0].name, "id");
  cr_assert(span_is(headers[0].value, "t/2/41"), "it is the same event, wherever it lies");
  cr_assert_str_eq(headers[1].name, "eventType");
  cr_assert(span_is(headers[1].value, "\xff"));
  cr_assert_str_eq(headers[2].name, "lsn");
  cr_assert(span_is(headers[2].value, "1/1/0"));
}

Test(consumer_dead_letter, what_had_no_type_goes_back_without_one)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();
  struct record_header *headers;

  record.header_count = 0;
  event.type = "";
  build(&record, &cause);
  record = record_of_letter();
  cr_assert_eq(dead_letter_restore(&record, &arena, &headers), 1);
  cr_assert_str_eq(headers[0].name, "id");
}
