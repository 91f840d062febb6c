/*
 * dead_letter_sample.h - a record, why it is given up, and the dead letter that it becomes, for the tests of consumers/runtime/dead_letter*.c.
 */
#ifndef DEAD_LETTER_SAMPLE_H
#define DEAD_LETTER_SAMPLE_H

#include <criterion/criterion.h>

#include "dead_letter.h"

static struct arena arena;
static struct problem failure_problem = {.cause = "no_stock", .text = "sku 7 has no stock"};
static struct event event;
static struct dead_letter letter;

static inline void begin(void)
{
  arena_init(&arena, 65536);
  event = (struct event){.id = "e-1", .type = "OrderCreated"};
}

static inline void end(void)
{
  arena_done(&arena);
}

static const struct record_header own_headers[] = {
    {"id", {"e-1", 3}},      {"eventType", {"OrderCreated", 12}}, {"correlationId", {"c-1", 3}}, {"note", {NULL, 0}},
    {"note", {"\0\xff", 2}}, {"lsn", {"0/16B3748/0", 11}},
};

static inline struct record sample(void)
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

static inline struct dead_letter_cause cause_of(void)
{
  return (struct dead_letter_cause){.consumer = "notification-service",
                                    .group = "notification-consumer-group",
                                    .host = "host-1",
                                    .problem = &failure_problem,
                                    .attempts = 4,
                                    .first_failure_us = INT64_C(1769336130123456),
                                    .last_failure_us = INT64_C(1769336136123456)};
}

static inline void build(const struct record *record, const struct dead_letter_cause *cause)
{
  dead_letter_build(&letter, record, &event, cause, "order.created.v1.dlq", 3, &arena);
}

static inline void build_sample(void)
{
  struct record record = sample();
  struct dead_letter_cause cause = cause_of();

  build(&record, &cause);
}

/* The one header of that name. */
static inline struct span header(const char *name)
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

static inline bool has(const char *name)
{
  for (size_t i = 0; i < letter.header_count; i++) {
    if (strcmp(letter.headers[i].name, name) == 0) {
      return true;
    }
  }
  return false;
}

static inline void says(const char *name, const char *text)
{
  struct span value = header(name);

  cr_assert(span_is(value, text), "%s is %.*s", name, (int)value.length, value.data);
}

static inline struct record record_of_letter(void)
{
  return (struct record){.topic = letter.topic, .key = letter.key, .value = letter.value, .header_count = letter.header_count, .headers = letter.headers};
}

#endif
