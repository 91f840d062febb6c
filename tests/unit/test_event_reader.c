/* test_event_reader.c - records of ours, of old publishers and of nobody in particular, and the events that they are. */
#include "event_reader.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const struct subscription json_subscription = {.topic = "orders"};
static struct event_reader reader;
static struct problem problem;

static void end(void)
{
  event_reader_reset(&reader);
}

TestSuite(event_reader, .fini = end);

static struct record record_of(const char *value, size_t header_count, const struct record_header *headers)
{
  return (struct record){.topic = "orders",
                         .partition = 2,
                         .offset = 41,
                         .timestamp_ms = 1700000000000,
                         .time = RECORD_TIME_CREATED,
                         .key = span_of_text("k"),
                         .value = span_of_text(value),
                         .header_count = header_count,
                         .headers = headers};
}

static enum verdict read_with(const struct subscription *subscription, const char *value, size_t header_count, const struct record_header *headers)
{
  static struct record record;

  record = record_of(value, header_count, headers);
  return event_reader_read(&reader, &record, subscription, &problem);
}

static struct record_header header(const char *name, const char *value)
{
  return (struct record_header){name, span_of_text(value)};
}

#define READ(value, ...)                                                                                                                                       \
  read_with(&json_subscription, (value), sizeof((struct record_header[]){__VA_ARGS__}) / sizeof(struct record_header), (struct record_header[]){__VA_ARGS__})
#define READ_BARE(value) read_with(&json_subscription, (value), 0, NULL)

#define PLACE "orders/2/41@1700000000000"

static const char parent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

Test(event_reader, headers_say_who_an_event_is)
{
  cr_assert_eq(READ("{\"eventId\":\"other\",\"eventType\":\"Other\",\"n\":1}", header("id", "e-1"), header("eventType", "OrderCreated"),
                    header("correlationId", "c-1"), header("causationId", "older"), header("traceparent", parent)),
               VERDICT_OK);
  cr_assert_str_eq(reader.event.id, "e-1");
  cr_assert_eq(reader.id_source, EVENT_ID_OF_HEADER);
  cr_assert_str_eq(reader.event.type, "OrderCreated");
  cr_assert_str_eq(reader.event.topic, "orders");
  cr_assert_eq(reader.event.partition, 2);
  cr_assert_eq(reader.event.offset, 41);
  cr_assert_eq(reader.event.timestamp_ms, 1700000000000);
  cr_assert_eq(reader.event.attempt, 1);
  cr_assert(span_is(reader.event.key, "k"));
  cr_assert_eq(json_integer_value(json_object_get(reader.event.body, "n")), 1);
  cr_assert_str_eq(reader.event.origin.correlation_id, "c-1");
  cr_assert_str_eq(reader.event.origin.causation_id, "e-1", "what follows was caused by this event, not by what caused it");
}

Test(event_reader, a_span_is_a_child_of_the_publishers)
{
  cr_assert_eq(READ("{}", header("id", "e"), header("traceparent", parent)), VERDICT_OK);
  cr_assert(traceparent_is_sound(reader.event.origin.traceparent));
  cr_assert_eq(strncmp(reader.event.origin.traceparent, parent, 36), 0, "the same trace");
  cr_assert_neq(strncmp(reader.event.origin.traceparent + 36, parent + 36, 16), 0, "another span");

  cr_assert_eq(READ("{}", header("id", "e"), header("traceparent", "00-garbage")), VERDICT_OK);
  cr_assert(traceparent_is_sound(reader.event.origin.traceparent), "a new trace");
}

Test(event_reader, records_of_old_publishers_are_events)
{
  cr_assert_eq(READ_BARE("{\"eventId\":\"e-2\",\"eventType\":\"CREATED\",\"correlationId\":\"o-7\"}"), VERDICT_OK);
  cr_assert_str_eq(reader.event.id, "e-2");
  cr_assert_eq(reader.id_source, EVENT_ID_OF_BODY);
  cr_assert_str_eq(reader.event.type, "CREATED");
  cr_assert_str_eq(reader.event.origin.correlation_id, "o-7");
  cr_assert(traceparent_is_sound(reader.event.origin.traceparent));

  cr_assert_eq(READ_BARE("{\"eventId\":-17}"), VERDICT_OK);
  cr_assert_str_eq(reader.event.id, "-17");
  cr_assert_str_eq(reader.event.type, "");
  cr_assert_str_eq(reader.event.origin.correlation_id, "-17");
}

Test(event_reader, headers_without_a_value_count_as_missing)
{
  cr_assert_eq(READ("{\"eventId\":\"e\",\"eventType\":\"T\"}", header("id", NULL), header("eventType", ""), header("correlationId", NULL)), VERDICT_OK);
  cr_assert_str_eq(reader.event.id, "e");
  cr_assert_str_eq(reader.event.type, "T");
  cr_assert_str_eq(reader.event.origin.correlation_id, "e");
  cr_assert_eq(READ_BARE("{\"eventId\":null,\"eventType\":\"\"}"), VERDICT_OK);
  cr_assert_eq(reader.id_source, EVENT_ID_OF_PLACE);
}

Test(event_reader, of_two_headers_the_last_counts)
{
  cr_assert_eq(READ("{}", header("id", "first"), header("id", "last")), VERDICT_OK);
  cr_assert_str_eq(reader.event.id, "last");
}

static const char *natural(const struct event *event, char *text, size_t size)
{
  const char *order = json_string_value(json_object_get(event->body, "orderId"));

  cr_assert_str_eq(event->type, "Made");
  if (order == NULL) {
    return NULL;
  }
  (void)snprintf(text, size, "%s/%s", event->type, order);
  return text;
}

Test(event_reader, a_natural_id_is_better_than_a_place)
{
  const struct subscription subscription = {.topic = "orders", .natural_id = natural};

  cr_assert_eq(read_with(&subscription, "{\"orderId\":\"o-1\",\"eventType\":\"Made\"}", 0, NULL), VERDICT_OK);
  cr_assert_str_eq(reader.event.id, "Made/o-1");
  cr_assert_eq(reader.id_source, EVENT_ID_NATURAL);
  cr_assert_eq(read_with(&subscription, "{\"eventType\":\"Made\"}", 0, NULL), VERDICT_OK);
  cr_assert_str_eq(reader.event.id, PLACE);
  cr_assert_eq(reader.id_source, EVENT_ID_OF_PLACE);
  cr_assert_eq(read_with(&subscription, "{\"orderId\":\"a\\tb\",\"eventType\":\"Made\"}", 0, NULL), VERDICT_POISON);
  cr_assert_str_eq(problem.cause, "bad_id");
}

static const char sample_uuid[] = "3F2504E0-4f89-41d3-9a0c-0305e82c3301";

Test(event_reader, an_id_that_is_no_uuid_is_unique_within_its_topic)
{
  cr_assert_eq(READ("{}", header("id", "17")), VERDICT_OK);
  cr_assert_str_eq(reader.event.id, "17", "as it came: dead letters and what follows carry it on");
  cr_assert_str_eq(reader.event.unique_id, "orders/17");
  cr_assert_eq(READ_BARE("{\"eventId\":17}"), VERDICT_OK);
  cr_assert_str_eq(reader.event.unique_id, "orders/17", "wherever it stands");
  cr_assert_eq(READ("{}", header("id", sample_uuid)), VERDICT_OK);
  cr_assert_str_eq(reader.event.unique_id, sample_uuid, "one event, in whatever topic");
  cr_assert_eq(READ("secret", header("id", "17")), VERDICT_POISON);
  cr_assert_str_eq(reader.event.unique_id, "orders/17", "given up or not");
}

Test(event_reader, a_redriven_event_is_the_one_that_died)
{
  char unique_id[EVENT_UNIQUE_ID_MAX_BYTES + 1];

  cr_assert_eq(READ_BARE("{}"), VERDICT_OK);
  (void)snprintf(unique_id, sizeof(unique_id), "%s", reader.event.unique_id);
  cr_assert_eq(READ("{}", header("id", PLACE)), VERDICT_OK);
  cr_assert_str_eq(reader.event.unique_id, unique_id, "its letter has the id in a header");
}

Test(event_reader, the_longest_topic_and_id_are_unique_as_a_whole)
{
  char topic[250];
  char id[EVENT_ID_MAX_BYTES + 1];
  struct record_header headers[] = {{.name = "id"}};
  struct record record = record_of("{}", 1, headers);

  memset(topic, 't', sizeof(topic) - 1);
  topic[sizeof(topic) - 1] = '\0';
  memset(id, 'i', sizeof(id) - 1);
  id[sizeof(id) - 1] = '\0';
  headers[0].value = span_of_text(id);
  record.topic = topic;
  cr_assert_eq(event_reader_read(&reader, &record, &json_subscription, &problem), VERDICT_OK);
  cr_assert_eq(strlen(reader.event.unique_id), EVENT_UNIQUE_ID_MAX_BYTES);
  cr_assert_str_eq(reader.event.unique_id + sizeof(topic), id);
}

Test(event_reader, a_place_that_is_given_again_is_another_place)
{
  struct record record = record_of("{}", 0, NULL);
  char first[EVENT_ID_MAX_BYTES + 1];
  char again[EVENT_ID_MAX_BYTES + 1];

  event_place(&record, first);
  event_place(&record, again);
  cr_assert_str_eq(again, first, "a redelivery is the same record");
  record.timestamp_ms++;
  event_place(&record, again);
  cr_assert_str_neq(again, first, "the topic was made anew");
  record.time = RECORD_TIME_NONE;
  event_place(&record, again);
  cr_assert_str_eq(again, "orders/2/41");
}

Test(event_reader, a_place_in_a_topic_with_a_long_name_still_tells_topics_apart)
{
  char topics[2][250];
  char first[EVENT_ID_MAX_BYTES + 1];
  struct record record = record_of("{}", 0, NULL);

  for (size_t i = 0; i < 2; i++) {
    memset(topics[i], 't', 249);
    topics[i][249] = '\0';
    topics[i][248] = (char)('a' + i);
  }
  record.partition = INT32_MAX;
  record.offset = INT64_MAX;
  record.timestamp_ms = INT64_MIN;
  record.time = RECORD_TIME_CREATED;
  record.topic = topics[0];
  cr_assert_eq(event_reader_read(&reader, &record, &json_subscription, &problem), VERDICT_OK);
  cr_assert_leq(strlen(reader.event.id), EVENT_ID_MAX_BYTES);
  cr_assert_not_null(strstr(reader.event.id, "/2147483647/9223372036854775807@-9223372036854775808"));
  (void)snprintf(first, sizeof(first), "%s", reader.event.id);
  record.topic = topics[1];
  cr_assert_eq(event_reader_read(&reader, &record, &json_subscription, &problem), VERDICT_OK);
  cr_assert_str_neq(reader.event.id, first);

  topics[0][148] = '\0'; /* the longest that is there whole */
  record.topic = topics[0];
  cr_assert_eq(event_reader_read(&reader, &record, &json_subscription, &problem), VERDICT_OK);
  cr_assert_eq(strlen(reader.event.id), EVENT_ID_MAX_BYTES);
  cr_assert_eq(strncmp(reader.event.id, topics[0], 148), 0);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *value;
  const char *words;
} no_objects[] = {
    {"", "value is no JSON object: it ends too early at byte 0"},
    {"{\"secret\":", "it ends too early"},
    {"{} secret", "something follows its end"},
    {"secret", "invalid syntax"},
    {"{\"secret\" 1}", "invalid syntax"},
    {"{\"a\":\"\\u0000\"}", "U+0000"},
    {"{\"a\":\"\xff\"}", "not UTF-8"},
    {"{\"a\":123456789012345678901234567890}", "too large"},
    {"[\"secret\"]", "value is JSON and no object"},
    {"\"secret\"", "value is JSON and no object"},
    {"null", "value is JSON and no object"},
    {NULL, "value is null"},
};

Test(event_reader, what_is_no_object_is_poison_and_its_words_quote_nothing)
{
  for (size_t i = 0; i < sizeof(no_objects) / sizeof(no_objects[0]); i++) {
    cr_assert_eq(READ(no_objects[i].value, header("id", "e-9"), header("eventType", "T")), VERDICT_POISON, "case %zu", i);
    cr_assert_str_eq(problem.cause, "not_json");
    cr_assert_not_null(strstr(problem.text, no_objects[i].words), "case %zu: %s", i, problem.text);
    cr_assert_null(strstr(problem.text, "secret"), "%s", problem.text);
    cr_assert_null(reader.event.body);
    cr_assert_str_eq(reader.event.id, "e-9", "the dead letter needs it");
    cr_assert_str_eq(reader.event.type, "T");
  }
  cr_assert_eq(READ_BARE("secret"), VERDICT_POISON);
  cr_assert_str_eq(reader.event.id, PLACE);
  cr_assert_str_eq(reader.event.origin.correlation_id, PLACE);
}

/* `depth` arrays inside an object, which counts as a level. */
static char *nested(size_t depth)
{
  char *text = malloc(2 * depth + 16);
  size_t at = (size_t)sprintf(text, "{\"a\":");

  memset(text + at, '[', depth);
  memset(text + at + depth, ']', depth);
  (void)sprintf(text + at + 2 * depth, "}");
  return text;
}

Test(event_reader, depth_is_limited_on_both_sides_of_the_limit)
{
  static const struct {
    size_t depth;
    enum verdict verdict;
  } depths[] = {{CONSUMER_JSON_DEPTH_MAX - 1, VERDICT_OK}, {CONSUMER_JSON_DEPTH_MAX, VERDICT_POISON}, {100000, VERDICT_POISON}};

  for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
    char *value = nested(depths[i].depth);

    cr_assert_eq(READ(value, header("id", "e")), depths[i].verdict, "depth %zu", depths[i].depth);
    cr_assert(depths[i].verdict == VERDICT_OK || strcmp(problem.cause, "too_deep") == 0);
    free(value);
  }
}

Test(event_reader, brackets_in_texts_are_no_depth)
{
  char text[256] = "{\"a\":\"\\\"";

  memset(text + strlen(text), '[', 100);
  (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "\\\\\"}");
  cr_assert_eq(READ(text, header("id", "e")), VERDICT_OK, "%s", problem.text);
}

Test(event_reader, siblings_are_no_depth)
{
  char text[1024] = "{\"a\":[0";

  for (int i = 0; i < 100; i++) {
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ",{},[]");
  }
  (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}");
  cr_assert_eq(READ(text, header("id", "e")), VERDICT_OK, "%s", problem.text);
}

static void expect_poison(enum verdict verdict, const char *cause, const char *words)
{
  cr_assert_eq(verdict, VERDICT_POISON);
  cr_assert_str_eq(problem.cause, cause);
  cr_assert_not_null(strstr(problem.text, words), "%s", problem.text);
  cr_assert_null(reader.event.body);
}

Test(event_reader, ids_and_types_have_limits)
{
  char longest[EVENT_TYPE_MAX_BYTES + 2];
  char body[EVENT_TYPE_MAX_BYTES + 64];

  memset(longest, 'i', sizeof(longest));
  longest[EVENT_ID_MAX_BYTES] = '\0';
  cr_assert_eq(READ("{}", header("id", longest)), VERDICT_OK);
  cr_assert_eq(strlen(reader.event.id), EVENT_ID_MAX_BYTES);
  cr_assert_eq(strlen(reader.event.origin.correlation_id), OUTBOX_CORRELATION_MAX_BYTES, "cut");
  longest[EVENT_ID_MAX_BYTES] = 'i';
  longest[EVENT_ID_MAX_BYTES + 1] = '\0';
  expect_poison(READ("{}", header("id", longest)), "bad_id", "header id is too long (limit: 200 bytes)");
  cr_assert_str_eq(reader.event.id, PLACE);
  (void)snprintf(body, sizeof(body), "{\"eventId\":\"%s\"}", longest);
  expect_poison(READ_BARE(body), "bad_id", "eventId is too long");

  memset(longest, 't', sizeof(longest));
  longest[EVENT_TYPE_MAX_BYTES] = '\0';
  cr_assert_eq(READ("{}", header("id", "e"), header("eventType", longest)), VERDICT_OK);
  longest[EVENT_TYPE_MAX_BYTES] = 't';
  longest[EVENT_TYPE_MAX_BYTES + 1] = '\0';
  expect_poison(READ("{}", header("id", "e"), header("eventType", longest)), "bad_type", "eventType is too long");
  cr_assert_str_eq(reader.event.id, "e");
  cr_assert_str_eq(reader.event.type, "");
}

Test(event_reader, ids_and_types_are_clean_texts)
{
  expect_poison(READ("{}", header("id", "a\nb")), "bad_id", "control character");
  expect_poison(READ("{}", header("id", "a\xc2\x85")), "bad_id", "control character");
  expect_poison(READ("{}", header("id", "a\xff")), "bad_id", "not UTF-8");
  expect_poison(READ("{}", (struct record_header){"id", {"a\0b", 3}}), "bad_id", "control character");
  expect_poison(READ_BARE("{\"eventId\":\"a\\u001b\"}"), "bad_id", "control character");
  expect_poison(READ_BARE("{\"eventId\":{}}"), "bad_id", "neither a text nor a whole number");
  expect_poison(READ_BARE("{\"eventId\":1.5}"), "bad_id", "neither a text nor a whole number");
  expect_poison(READ("{}", header("eventType", "\x7f")), "bad_type", "control character");
  expect_poison(READ_BARE("{\"eventType\":7,\"eventId\":\"e-3\"}"), "bad_type", "is no text");
  cr_assert_str_eq(reader.event.id, "e-3", "the dead letter keeps the id that is known");
  cr_assert_eq(READ("{}", header("id", "gr\xc3\xbc\xc3\x9f"), header("eventType", "\xe2\x82\xac")), VERDICT_OK);
}

Test(event_reader, a_correlation_that_is_not_sound_is_made)
{
  char longest[OUTBOX_CORRELATION_MAX_BYTES + 2];

  memset(longest, 'c', sizeof(longest));
  longest[OUTBOX_CORRELATION_MAX_BYTES] = '\0';
  cr_assert_eq(READ("{}", header("id", "e"), header("correlationId", longest)), VERDICT_OK);
  cr_assert_str_eq(reader.event.origin.correlation_id, longest);
  longest[OUTBOX_CORRELATION_MAX_BYTES] = 'c';
  longest[OUTBOX_CORRELATION_MAX_BYTES + 1] = '\0';
  cr_assert_eq(READ("{}", header("id", "e"), header("correlationId", longest)), VERDICT_OK);
  cr_assert_str_eq(reader.event.origin.correlation_id, "e");
  cr_assert_eq(READ("{\"correlationId\":\"c\"}", header("id", "e"), header("correlationId", "a\r\nb")), VERDICT_OK);
  cr_assert_str_eq(reader.event.origin.correlation_id, "c");
}

Test(event_reader, bytes_are_taken_as_they_are)
{
  static const struct subscription bytes = {.topic = "orders", .takes_bytes = true};
  struct record record = record_of(NULL, 0, NULL);

  record.value = span_of("\0\0\0\0\1{", 6);
  cr_assert_eq(event_reader_read(&reader, &record, &bytes, &problem), VERDICT_OK);
  cr_assert_null(reader.event.body);
  cr_assert_eq(reader.event.value.length, 6);
  cr_assert_str_eq(reader.event.id, PLACE);
  cr_assert_eq(read_with(&bytes, NULL, 0, NULL), VERDICT_OK, "a tombstone");
  cr_assert(span_is_null(reader.event.value));
}

Test(event_reader, nothing_of_the_last_event_is_left)
{
  cr_assert_eq(READ("{\"a\":1}", header("id", "e"), header("eventType", "T")), VERDICT_OK);
  reader.event.attempt = 9;
  cr_assert_eq(READ_BARE("{}"), VERDICT_OK);
  cr_assert_str_eq(reader.event.id, PLACE);
  cr_assert_str_eq(reader.event.type, "");
  cr_assert_eq(reader.event.attempt, 1);
  cr_assert_eq(json_object_size(reader.event.body), 0);
}
