/*
 * inbox.c - the statements of an inbox, their parameters, and what their answer says of each event of a batch.
 *
 *   events    7 8 9 8 10      the second 8 came twice in one batch
 *   claimed   8 7 10          9 was handled before
 *   new       y y n n y
 *
 * A batch goes as arrays, so that its size changes neither the statement nor the number of round trips. RETURNING names what came in; which of two events with
 * one id that was is ours to say: the first, since it would have been the only one without the second.
 */
#include "inbox.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_name(const char *text, size_t length)
{
  for (size_t i = 0; i < length; i++) {
    bool is_letter = (text[i] >= 'a' && text[i] <= 'z') || text[i] == '_';
    bool is_digit = text[i] >= '0' && text[i] <= '9';

    if (!is_letter && !(is_digit && i > 0)) {
      return false;
    }
  }
  return length > 0 && length <= 63;
}

enum verdict inbox_init(struct inbox *inbox, const char *table, const char *consumer, struct problem *problem)
{
  const char *point = strchr(table, '.');
  const char *name = point != NULL ? point + 1 : table;
  char quoted[INBOX_TABLE_MAX_BYTES + 8];

  if (!is_name(name, strlen(name)) || (point != NULL && !is_name(table, (size_t)(point - table)))) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "inbox_table",
                       "inbox table \"%s\" is not a name of small letters, digits and _, with or without a schema before it", table);
  }
  if (point != NULL) {
    (void)snprintf(quoted, sizeof(quoted), "\"%.*s\".\"%s\"", (int)(point - table), table, name);
  } else {
    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", name);
  }
  (void)snprintf(inbox->one_sql, sizeof(inbox->one_sql),
                 "INSERT INTO %s (consumer, event_id, topic, partition, \"offset\") "
                 "VALUES ($1::text, $2::text, $3::text, $4::integer, $5::bigint) ON CONFLICT DO NOTHING RETURNING event_id",
                 quoted);
  (void)snprintf(inbox->batch_sql, sizeof(inbox->batch_sql),
                 "INSERT INTO %s (consumer, event_id, topic, partition, \"offset\") "
                 "SELECT $1::text, e.event_id, e.topic, e.partition, e.position "
                 "FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[]) WITH ORDINALITY AS e (event_id, topic, partition, position, number) "
                 "ORDER BY e.event_id COLLATE \"C\", e.number ON CONFLICT DO NOTHING RETURNING event_id",
                 quoted);
  inbox->consumer = consumer;
  inbox->one = (struct statement){"inbox_one", inbox->one_sql};
  inbox->batch = (struct statement){"inbox_batch", inbox->batch_sql};
  return VERDICT_OK;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Parameters */

enum { NUMBER_SIZE = 24 };

static struct parameter number_parameter(int64_t number, struct arena *arena)
{
  char *text = arena_alloc(arena, NUMBER_SIZE);

  (void)snprintf(text, NUMBER_SIZE, "%" PRId64, number);
  return parameter_text(text);
}

void inbox_parameters_one(const struct inbox *inbox, const struct event *event, struct arena *arena, struct parameter ret_parameters[INBOX_PARAMETERS])
{
  ret_parameters[0] = parameter_text(inbox->consumer);
  ret_parameters[1] = parameter_text(event->unique_id);
  ret_parameters[2] = parameter_text(event->topic);
  ret_parameters[3] = number_parameter(event->partition, arena);
  ret_parameters[4] = number_parameter(event->offset, arena);
}

enum member { MEMBER_ID, MEMBER_TOPIC, MEMBER_PARTITION, MEMBER_OFFSET };

static size_t member_length(const struct event *event, enum member member)
{
  switch (member) {
  case MEMBER_ID:
    return 2 * strlen(event->unique_id) + 3;
  case MEMBER_TOPIC:
    return 2 * strlen(event->topic) + 3;
  case MEMBER_PARTITION:
  case MEMBER_OFFSET:
    return NUMBER_SIZE;
  }
  return 0;
}

/* Always in quotes: a text that says NULL is one, too. */
static char *put_quoted(char *to, const char *text)
{
  *to++ = '"';
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') {
      *to++ = '\\';
    }
    *to++ = *text;
  }
  *to++ = '"';
  return to;
}

static char *put_member(char *to, const struct event *event, enum member member)
{
  switch (member) {
  case MEMBER_ID:
    return put_quoted(to, event->unique_id);
  case MEMBER_TOPIC:
    return put_quoted(to, event->topic);
  case MEMBER_PARTITION:
    return to + snprintf(to, NUMBER_SIZE, "%" PRId32, event->partition);
  case MEMBER_OFFSET:
    return to + snprintf(to, NUMBER_SIZE, "%" PRId64, event->offset);
  }
  return to;
}

/* `{"a","b"}`, as PostgreSQL reads an array. */
static struct parameter array_parameter(const struct event *const *events, size_t count, enum member member, struct arena *arena)
{
  size_t size = sizeof("{}");
  char *text;
  char *to;

  for (size_t i = 0; i < count; i++) {
    size += member_length(events[i], member);
  }
  text = arena_alloc(arena, size);
  to = text;
  *to++ = '{';
  for (size_t i = 0; i < count; i++) {
    if (i > 0) {
      *to++ = ',';
    }
    to = put_member(to, events[i], member);
  }
  *to++ = '}';
  *to = '\0';
  return parameter_text(text);
}

void inbox_parameters_batch(const struct inbox *inbox, const struct event *const *events, size_t count, struct arena *arena,
                            struct parameter ret_parameters[INBOX_PARAMETERS])
{
  ret_parameters[0] = parameter_text(inbox->consumer);
  ret_parameters[1] = array_parameter(events, count, MEMBER_ID, arena);
  ret_parameters[2] = array_parameter(events, count, MEMBER_TOPIC, arena);
  ret_parameters[3] = array_parameter(events, count, MEMBER_PARTITION, arena);
  ret_parameters[4] = array_parameter(events, count, MEMBER_OFFSET, arena);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The answer */

struct claim {
  const char *id;
  bool is_given; /* to an event of the batch */
};

static int claims_compare(const void *a, const void *b)
{
  return strcmp(((const struct claim *)a)->id, ((const struct claim *)b)->id);
}

size_t inbox_mark(const struct event *const *events, size_t count, const char *const *claimed, size_t claimed_count, struct arena *arena, bool *ret_is_new)
{
  struct claim *claims = arena_array(arena, claimed_count, sizeof(*claims));
  size_t fresh = 0;

  for (size_t i = 0; i < claimed_count; i++) {
    claims[i] = (struct claim){.id = claimed[i]};
  }
  qsort(claims, claimed_count, sizeof(*claims), claims_compare);
  for (size_t i = 0; i < count; i++) {
    struct claim wanted = {.id = events[i]->unique_id};
    struct claim *claim;

    assert(wanted.id != NULL); /* an event has an id */
    claim = bsearch(&wanted, claims, claimed_count, sizeof(*claims), claims_compare);

    ret_is_new[i] = claim != NULL && !claim->is_given;
    if (ret_is_new[i]) {
      claim->is_given = true;
      fresh++;
    }
  }
  return fresh;
}

bool inbox_claim(const struct inbox *inbox, struct work *work, const struct event *const *events, size_t count, struct arena *arena, bool *ret_is_new)
{
  struct parameter parameters[INBOX_PARAMETERS];
  const PGresult *result;
  const char **claimed;
  size_t claimed_count;

  if (count == 1) {
    inbox_parameters_one(inbox, events[0], arena, parameters);
  } else {
    inbox_parameters_batch(inbox, events, count, arena, parameters);
  }
  result = work_query(work, count == 1 ? &inbox->one : &inbox->batch, INBOX_PARAMETERS, parameters);
  if (result == NULL) {
    return false;
  }
  claimed_count = (size_t)PQntuples(result);
  claimed = arena_array(arena, claimed_count, sizeof(*claimed));
  for (size_t i = 0; i < claimed_count; i++) {
    claimed[i] = PQgetvalue(result, (int)i, 0);
  }
  (void)inbox_mark(events, count, claimed, claimed_count, arena, ret_is_new);
  return true;
}
