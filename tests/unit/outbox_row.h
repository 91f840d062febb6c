/*
 * outbox_row.h - for tests of the router: an outbox entry with every default, one row that is built column by column, and what came out of it.
 *
 *   struct outbox o;
 *   outbox_init(&o);                                         Debezium's example row: User, 10711fa5, UserCreated, {}
 *   o.entry.placements = "type:envelope";                    any option, before the first route
 *   outbox_set(&o, "aggregateid", PG_INT4, "10");            a column: new, or in place of the one with that name; NULL is SQL NULL
 *   cr_assert_eq(outbox_route(&o), VERDICT_OK);              ... o.record, o.reason, o.problem
 *   outbox_done(&o);
 */
#ifndef OUTBOX_ROW_H
#define OUTBOX_ROW_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "route/router.h"

enum { OUTBOX_COLUMNS_MAX = 80 };

struct outbox {
  struct config_outbox entry;
  struct config config;
  struct problem_list problems;
  struct router *router;
  struct arena arena;

  struct column columns[OUTBOX_COLUMNS_MAX];
  struct value values[OUTBOX_COLUMNS_MAX];
  struct relation relation;
  struct route_transaction transaction;
  struct position position;
  int64_t now_us;

  enum route_outcome outcome;
  struct record record;
  enum route_reason reason;
  struct problem problem;
};

static const char *const outbox_default_allow[] = {"outbox.event.*"};

/* Column by name; its index, or column_count. */
static inline size_t outbox_find(const struct outbox *o, const char *name)
{
  size_t i = 0;

  while (i < o->relation.column_count && !span_is(o->columns[i].name, name)) {
    i++;
  }
  return i;
}

static inline void outbox_set(struct outbox *o, const char *name, uint32_t type_oid, const char *text)
{
  size_t i = outbox_find(o, name);

  cr_assert_lt(i, OUTBOX_COLUMNS_MAX);
  o->relation.column_count += i == o->relation.column_count ? 1 : 0;
  o->relation.version++;
  o->columns[i] = (struct column){span_of_text(name), type_oid};
  o->values[i] = (struct value){text == NULL ? VALUE_NULL : VALUE_PRESENT, span_of_text(text)};
}

static inline void outbox_drop(struct outbox *o, const char *name)
{
  size_t i = outbox_find(o, name);

  cr_assert_lt(i, o->relation.column_count);
  memmove(&o->columns[i], &o->columns[i + 1], (o->relation.column_count - i - 1) * sizeof(o->columns[0]));
  memmove(&o->values[i], &o->values[i + 1], (o->relation.column_count - i - 1) * sizeof(o->values[0]));
  o->relation.column_count--;
  o->relation.version++;
}

static inline void outbox_init(struct outbox *o)
{
  memset(o, 0, sizeof(*o));
  o->entry = (struct config_outbox){
      .table = "public.outbox",
      .table_schema = "public",
      .table_name = "outbox",
      .field_id = "id",
      .field_key = "aggregateid",
      .field_type = "type",
      .field_payload = "payload",
      .field_event_headers = "headers",
      .missing_is_error = true,
      .route_by_field = "aggregatetype",
      .route_regex = "(?<routedByValue>.*)",
      .route_replacement = "outbox.event.${routedByValue}",
      .invalid_operation = INVALID_OPERATION_WARN,
      .tracing_field = "tracingspancontext",
      .allow_count = 1,
      .allow = outbox_default_allow,
      .poison = POISON_STOP,
  };
  o->config.outbox_count = 1;
  o->config.outbox = &o->entry;
  arena_init(&o->arena, 1 << 16);
  o->relation = (struct relation){.version = 1, .schema = span_of_text("public"), .table = span_of_text("outbox"), .columns = o->columns};
  o->transaction = (struct route_transaction){.xid = 731, .commit_time_us = INT64_C(1700000000123456)};
  o->position = (struct position){.commit_lsn = 0x16B374D848, .index = 2};
  o->now_us = INT64_C(1700000001000000);
  outbox_set(o, "id", PG_UUID, "da8d6de6-3b77-45ff-8f44-57db55a7a06c");
  outbox_set(o, "aggregatetype", PG_VARCHAR, "User");
  outbox_set(o, "aggregateid", PG_VARCHAR, "10711fa5");
  outbox_set(o, "type", PG_VARCHAR, "UserCreated");
  outbox_set(o, "payload", PG_TEXT, "{}");
}

static inline void outbox_done(struct outbox *o)
{
  router_free(o->router);
  arena_done(&o->arena);
}

/* Whether the configuration is accepted; with false, o->problems has one mistake or more. */
static inline bool outbox_compiles(struct outbox *o)
{
  router_free(o->router);
  o->problems.count = 0;
  o->router = router_new(&o->config, &o->problems);
  cr_assert_eq(o->router == NULL, o->problems.count > 0);
  return o->router != NULL;
}

static inline enum verdict outbox_route_change(struct outbox *o, const struct change *change)
{
  if (o->router == NULL) {
    cr_assert(outbox_compiles(o), "%s: %s", o->problems.problems[0].path, o->problems.problems[0].text);
  }
  o->outcome = ROUTE_NOTHING;
  o->reason = ROUTE_REASON_COUNT;
  memset(&o->record, 0x5a, sizeof(o->record));
  return router_route(o->router, change, &o->transaction, o->position, o->now_us, &o->arena, &o->outcome, &o->record, &o->reason, &o->problem);
}

static inline enum verdict outbox_route_kind(struct outbox *o, enum change_kind kind)
{
  struct change change = {.kind = kind, .relation = &o->relation, .values = o->values};

  return outbox_route_change(o, &change);
}

/* An INSERT of the row as it stands. */
static inline enum verdict outbox_route(struct outbox *o)
{
  return outbox_route_kind(o, CHANGE_INSERT);
}

/* As above, for a row that must become an event. */
static inline void outbox_must_route(struct outbox *o)
{
  enum verdict verdict = outbox_route(o);

  cr_assert_eq(verdict, VERDICT_OK, "verdict %d: %s", (int)verdict, o->problem.text);
  cr_assert_eq(o->outcome, ROUTE_EVENT);
  cr_assert(topic_is_legal(o->record.topic));
  cr_assert_eq(o->record.topic.data[o->record.topic.length], '\0');
}

/* As above, for a row that must be poison for `reason`. */
static inline void outbox_must_refuse(struct outbox *o, enum route_reason reason)
{
  enum verdict verdict = outbox_route(o);

  cr_assert_eq(verdict, VERDICT_POISON, "not refused: %s", route_reason_name(reason));
  cr_assert_eq(o->reason, reason, "%s instead of %s", route_reason_name(o->reason), route_reason_name(reason));
  cr_assert_eq(o->problem.code, EXIT_POISON);
  cr_assert_str_eq(o->problem.cause, route_reason_name(reason));
  cr_assert_not_null(strstr(o->problem.text, o->entry.table), "the table is not named: %s", o->problem.text);
  cr_assert(span_is_null(o->record.topic));
}

static inline const char *outbox_show(struct span span)
{
  static char text[4][512];
  static unsigned turn;
  char *to = text[turn++ % 4];

  (void)snprintf(to, sizeof(text[0]), span_is_null(span) ? "(null)" : "%.*s", (int)span.length, span_is_null(span) ? "" : span.data);
  return to;
}

/* The span is the text; NULL is the null span. */
#define assert_span(span, text)                                                                                                                                \
  cr_assert(span_equals((span), span_of_text(text)), "'%s' is not '%s'", outbox_show(span), (text) == NULL ? "(null)" : (const char *)(text))

static inline size_t outbox_header_count(const struct outbox *o, const char *name)
{
  size_t count = 0;

  for (size_t i = 0; i < o->record.header_count; i++) {
    count += span_is(o->record.headers[i].name, name) ? 1 : 0;
  }
  return count;
}

/* The value of the one header with that name. */
static inline struct span outbox_header(const struct outbox *o, const char *name)
{
  cr_assert_eq(outbox_header_count(o, name), 1, "header %s: %zu of them", name, outbox_header_count(o, name));
  for (size_t i = 0;; i++) {
    if (span_is(o->record.headers[i].name, name)) {
      return o->record.headers[i].value;
    }
  }
}

/* All header names in order, blanks between. */
static inline const char *outbox_header_names(const struct outbox *o)
{
  static char text[4096];
  size_t length = 0;

  text[0] = '\0';
  for (size_t i = 0; i < o->record.header_count; i++) {
    cr_assert_eq(o->record.headers[i].name.data[o->record.headers[i].name.length], '\0');
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", i > 0 ? " " : "", o->record.headers[i].name.data);
  }
  return text;
}

/* The configuration is refused with one mistake, at that path behind `outbox[0].`, whose text has `words`. */
static inline void outbox_must_not_compile(struct outbox *o, const char *path, const char *words)
{
  char whole[256];

  (void)snprintf(whole, sizeof(whole), "outbox[0].%s", path);
  cr_assert_not(outbox_compiles(o), "accepted: %s", path);
  cr_assert_eq(o->problems.count, 1);
  cr_assert_str_eq(o->problems.problems[0].path, whole);
  cr_assert_not_null(strstr(o->problems.problems[0].text, words), "'%s' does not say '%s'", o->problems.problems[0].text, words);
}

#endif
