/* test_inbox_statement.c - the inbox's statements, their arrays, and which events of a batch are new. What PostgreSQL makes of them: tests/services/inbox.c. */
#include "inbox.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct arena arena;
static struct inbox inbox;
static struct problem problem;

static void begin(void)
{
  arena_init(&arena, 4096);
  cr_assert_eq(inbox_init(&inbox, "notification.inbox", "notification-service", &problem), VERDICT_OK);
}

static void end(void)
{
  arena_done(&arena);
}

TestSuite(inbox_statement, .init = begin, .fini = end);

Test(inbox_statement, the_table_is_named_with_its_schema)
{
  cr_assert_not_null(strstr(inbox.one.sql, "INSERT INTO \"notification\".\"inbox\" ("));
  cr_assert_not_null(strstr(inbox.batch.sql, "INSERT INTO \"notification\".\"inbox\" ("));
  cr_assert_not_null(strstr(inbox.one.sql, "ON CONFLICT DO NOTHING RETURNING event_id"));
  cr_assert_not_null(strstr(inbox.batch.sql, "ORDER BY e.event_id COLLATE \"C\", e.number ON CONFLICT DO NOTHING RETURNING event_id"));
  cr_assert_str_neq(inbox.one.name, inbox.batch.name);
  cr_assert_eq(inbox_init(&inbox, "inbox", "c", &problem), VERDICT_OK);
  cr_assert_not_null(strstr(inbox.one.sql, "INSERT INTO \"inbox\" ("));
}

Test(inbox_statement, a_table_with_an_odd_name_is_refused)
{
  static const char *const names[] = {"", ".", "a.", ".a", "a.b.c", "A.inbox", "1a", "a b", "a\"; DROP TABLE x; --", "schema.inb\xc3\xb6x"};
  char longest[160];

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    cr_assert_eq(inbox_init(&inbox, names[i], "c", &problem), VERDICT_FATAL, "%s", names[i]);
    cr_assert_eq(problem.code, EXIT_USAGE);
  }
  memset(longest, 'a', sizeof(longest));
  longest[63] = '.';
  longest[127] = '\0';
  cr_assert_eq(inbox_init(&inbox, longest, "c", &problem), VERDICT_OK);
  cr_assert_lt(strlen(inbox.batch.sql), INBOX_SQL_SIZE - 1, "cut");
  cr_assert_not_null(strstr(inbox.batch.sql, "RETURNING event_id"));
  longest[127] = 'a';
  longest[128] = '\0';
  cr_assert_eq(inbox_init(&inbox, longest, "c", &problem), VERDICT_FATAL);
}

static void is_text(struct parameter parameter, const char *text)
{
  cr_assert(!parameter.is_binary);
  cr_assert(span_is(parameter.value, text), "%s", parameter.value.data);
}

Test(inbox_statement, one_event_is_five_parameters)
{
  struct event event = {.unique_id = "e \"1\"", .topic = "orders", .partition = INT32_MAX, .offset = INT64_MAX};
  struct parameter parameters[INBOX_PARAMETERS];

  inbox_parameters_one(&inbox, &event, &arena, parameters);
  is_text(parameters[0], "notification-service");
  is_text(parameters[1], "e \"1\"");
  is_text(parameters[2], "orders");
  is_text(parameters[3], "2147483647");
  is_text(parameters[4], "9223372036854775807");
}

Test(inbox_statement, a_batch_is_four_arrays)
{
  struct event events[] = {{.unique_id = "e \"1\"", .topic = "a.b", .partition = 0, .offset = 0},
                           {.unique_id = "back\\slash,{}", .topic = "c", .partition = INT32_MAX, .offset = INT64_MAX},
                           {.unique_id = "NULL", .topic = "d", .partition = 2, .offset = 3}};
  const struct event *batch[] = {&events[0], &events[1], &events[2]};
  struct parameter parameters[INBOX_PARAMETERS];

  inbox_parameters_batch(&inbox, batch, 3, &arena, parameters);
  is_text(parameters[0], "notification-service");
  is_text(parameters[1], "{\"e \\\"1\\\"\",\"back\\\\slash,{}\",\"NULL\"}");
  is_text(parameters[2], "{\"a.b\",\"c\",\"d\"}");
  is_text(parameters[3], "{0,2147483647,2}");
  is_text(parameters[4], "{0,9223372036854775807,3}");
}

/* Every character doubled is the most that an id can need. */
Test(inbox_statement, a_batch_of_the_most_and_longest_fits_its_arrays)
{
  static struct event events[CONSUMER_BATCH_MAX];
  static const struct event *batch[CONSUMER_BATCH_MAX];
  static char id[451];
  struct parameter parameters[INBOX_PARAMETERS];

  memset(id, '"', 450);
  for (size_t i = 0; i < CONSUMER_BATCH_MAX; i++) {
    events[i] = (struct event){.unique_id = id, .topic = "orders", .partition = INT32_MAX, .offset = INT64_MAX};
    batch[i] = &events[i];
  }
  inbox_parameters_batch(&inbox, batch, CONSUMER_BATCH_MAX, &arena, parameters);
  cr_assert_eq(parameters[1].value.length, 2 + CONSUMER_BATCH_MAX * 903 - 1);
  cr_assert_eq(parameters[4].value.length, 2 + CONSUMER_BATCH_MAX * 20 - 1);
}

static size_t mark(const char *const *ids, size_t count, const char *const *claimed, size_t claimed_count, bool *ret_is_new)
{
  static struct event events[16];
  static const struct event *batch[16];

  for (size_t i = 0; i < count; i++) {
    events[i] = (struct event){.unique_id = ids[i]};
    batch[i] = &events[i];
  }
  return inbox_mark(batch, count, claimed, claimed_count, &arena, ret_is_new);
}

Test(inbox_statement, duplicates_of_before_and_within_a_batch_are_told)
{
  bool is_new[5] = {false, false, true, true, false};

  cr_assert_eq(mark((const char *[]){"7", "8", "9", "8", "10"}, 5, (const char *[]){"8", "10", "7"}, 3, is_new), 3);
  cr_assert(is_new[0] && is_new[1] && !is_new[2] && !is_new[3] && is_new[4]);
}

Test(inbox_statement, a_batch_may_be_old_or_new_as_a_whole)
{
  bool is_new[3] = {true, true, true};

  cr_assert_eq(mark((const char *[]){"a", "b", "a"}, 3, NULL, 0, is_new), 0);
  cr_assert(!is_new[0] && !is_new[1] && !is_new[2]);
  cr_assert_eq(mark((const char *[]){"a", "b", "aa"}, 3, (const char *[]){"aa", "a", "b"}, 3, is_new), 3);
  cr_assert(is_new[0] && is_new[1] && is_new[2]);
}
