#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/slot_query.h"
#include "slot_rows.h"
#include "stream/catalog.h"
#include "stream/sql_text.h"

static PGresult *result_of(const struct rows *rows)
{
  PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
  PGresAttDesc attributes[COLUMNS] = {0};

  for (int i = 0; i < COLUMNS; i++) {
    attributes[i].name = strdup(column_names[i]);
  }
  cr_assert_eq(PQsetResultAttrs(result, COLUMNS, attributes), 1);
  for (int i = 0; i < COLUMNS; i++) {
    free(attributes[i].name);
  }
  for (size_t row = 0; row < rows->count; row++) {
    for (int i = 0; i < COLUMNS; i++) {
      const char *cell = rows->cells[row][i] != NULL ? rows->cells[row][i] : "-";
      bool is_null = strcmp(cell, "-") == 0;

      cr_assert_eq(PQsetvalue(result, (int)row, i, is_null ? NULL : (char *)(uintptr_t)cell, is_null ? -1 : (int)strlen(cell)), 1);
    }
  }
  return result;
}

static enum verdict read_rows(const struct rows *rows, struct slot_answer *ret_answer)
{
  PGresult *result = result_of(rows);
  struct problem problem = {0};
  enum verdict verdict = slot_query_read(&plain, result, ret_answer, &problem);

  cr_assert(verdict == VERDICT_OK || problem.text[0] != '\0');
  PQclear(result);
  return verdict;
}

Test(slot_query, names_are_quoted_and_message_entries_left_out)
{
  char *sql = slot_query(&plain);

  cr_assert_not_null(strstr(sql, "(VALUES (-1, '', ''), (0, 'public', 'outbox'), (2, 'we''ird', E'back\\\\slash')) AS"), "%s", sql);
  cr_assert_not_null(strstr(sql, "slot_name = 'it''s'"), "%s", sql);
  cr_assert_not_null(strstr(sql, "pubname = 'pub''lished'"), "%s", sql);
  cr_assert_null(strstr(sql, "shop"));
  free(sql);
}

/* Else the two would never agree, and the relay would begin anew each time that it is asked. */
Test(slot_query, the_look_before_a_start_asks_for_the_same_mark)
{
  struct sql_text mark;
  char *question = slot_query(&plain);
  char *look = catalog_query(&plain, 0);
  char *text;

  sql_text_open(&mark);
  catalog_mark_put(&mark, &plain);
  text = sql_text_close(&mark);
  cr_assert_not_null(strstr(text, "c.relpersistence"));
  cr_assert_not_null(strstr(question, text), "%s", question);
  cr_assert_not_null(strstr(look, text), "%s", look);
  free(question);
  free(look);
  free(text);
}

Test(slot_query, an_answer_is_read_into_figures)
{
  struct slot_answer answer;

  cr_assert_eq(read_rows(&usual, &answer), VERDICT_OK);
  cr_assert(answer.figures.slot_exists && answer.figures.slot_is_active);
  cr_assert_eq(answer.figures.active_pid, 77);
  cr_assert_eq(answer.figures.status, SLOT_EXTENDED);
  cr_assert_eq(answer.figures.wal_end, 0x3000000);
  cr_assert_eq(answer.figures.confirmed, 0x2000000);
  cr_assert_eq(answer.figures.restart, 0x1000000);
  cr_assert_eq(answer.figures.retained_bytes, 0x2000000);
  cr_assert_eq(answer.figures.safe_bytes, 1000);
  cr_assert_eq(answer.figures.catalog.number, -7);
  cr_assert_str_eq(answer.figures.catalog.server, "2024-01-01 00:00:00+00");
  cr_assert(answer.tables[0].is_known && !answer.tables[1].is_known && answer.tables[2].is_known);
  cr_assert(answer.tables[0].oid == 16385 && answer.tables[0].updated == 10 && answer.tables[0].deleted == 20);
  cr_assert(answer.tables[2].oid == 16390 && answer.tables[2].updated == 0 && answer.tables[2].deleted == 5);
}

static const struct slot_case {
  const char *name;
  const char *cells[COLUMNS];
  bool exists, active;
  enum slot_status status;
  int64_t retained, safe;
} slot_cases[] = {
    {"no slot", {SERVER, "f", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"}, false, false, SLOT_UNKNOWN, 0, -1},
    {"PostgreSQL 12: no status", {SERVER, "t", "f", "-", "-", "-", "0/2000000", "0/1000000", "-", "-", "-", "-"}, true, false, SLOT_UNKNOWN, 0x2000000, -1},
    {"no limit", {SERVER, "t", "f", "-", "reserved", "-", "0/2000000", "0/1000000", "-", "-", "-", "-"}, true, false, SLOT_RESERVED, 0x2000000, -1},
    {"lost has nothing left", {SERVER, "t", "f", "-", "lost", "-", "0/2000000", "-", "-", "-", "-", "-"}, true, false, SLOT_LOST, 0, 0},
    {"below nothing is nothing",
     {SERVER, "t", "f", "-", "unreserved", "-5", "0/2000000", "0/1000000", "-", "-", "-", "-"},
     true,
     false,
     SLOT_UNRESERVED,
     0x2000000,
     0},
    {"a standby behind the slot",
     {"0/500", "x", "-7", "t", "f", "-", "reserved", "9", "0/2000000", "0/1000000", "-", "-", "-", "-"},
     true,
     false,
     SLOT_RESERVED,
     0,
     9},
    {"a standby that replayed nothing",
     {"-", "x", "-7", "t", "t", "1", "reserved", "9", "0/2000000", "0/1000000", "-", "-", "-", "-"},
     true,
     true,
     SLOT_RESERVED,
     0,
     9},
    {"a status of a later version", {SERVER, "t", "f", "-", "borrowed", "9", "0/2", "0/2000000", "-", "-", "-", "-"}, true, false, SLOT_UNKNOWN, 0x1000000, 9},
};

Test(slot_query, slots_in_every_condition_are_read)
{
  for (size_t i = 0; i < sizeof(slot_cases) / sizeof(*slot_cases); i++) {
    const struct slot_case *c = &slot_cases[i];
    struct rows rows = {.count = 1};
    struct slot_answer answer;

    memcpy(rows.cells[0], c->cells, sizeof(c->cells));
    cr_assert_eq(read_rows(&rows, &answer), VERDICT_OK, "%s", c->name);
    cr_assert_eq(answer.figures.slot_exists, c->exists, "%s", c->name);
    cr_assert_eq(answer.figures.slot_is_active, c->active, "%s", c->name);
    cr_assert_eq(answer.figures.status, c->status, "%s", c->name);
    cr_assert_eq(answer.figures.retained_bytes, c->retained, "%s: %ld", c->name, (long)answer.figures.retained_bytes);
    cr_assert_eq(answer.figures.safe_bytes, c->safe, "%s: %ld", c->name, (long)answer.figures.safe_bytes);
    cr_assert_not(answer.tables[0].is_known, "%s", c->name);
  }
}

Test(slot_query, values_that_are_not_of_their_type_are_refused)
{
  static const struct {
    int column;
    const char *value;
  } cases[] = {
      {0, "3000000"}, {0, ""},   {2, "none"}, {3, "yes"}, {4, "T"},  {5, "-1"},          {5, "99999999999"}, {7, "9.5"}, {7, "99999999999999999999"}, {7, ""},
      {8, "x"},       {9, "0/"}, {10, "3"},   {10, "-1"}, {10, "a"}, {11, "4294967296"}, {12, "-2"},         {13, "1 "}, {13, "9223372036854775808"}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct rows rows = usual;
    struct slot_answer answer = {.figures.active_pid = 12345};

    rows.cells[0][cases[i].column] = cases[i].value;
    cr_assert_eq(read_rows(&rows, &answer), VERDICT_RETRY, "accepted %s in column %d", cases[i].value, cases[i].column);
    cr_assert_eq(answer.figures.active_pid, 12345);
  }
}

Test(slot_query, another_form_of_answer_is_refused)
{
  PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
  struct slot_answer answer;
  struct rows none = {0};

  cr_assert_eq(slot_query_read(&plain, result, &answer, NULL), VERDICT_RETRY);
  PQclear(result);
  result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
  cr_assert_eq(slot_query_read(&plain, result, &answer, NULL), VERDICT_RETRY);
  PQclear(result);
  cr_assert_eq(read_rows(&none, &answer), VERDICT_RETRY);
}

Test(slot_baseline, only_what_can_be_compared_counts)
{
  static const struct {
    const char *name;
    const char *start;
    struct table_counts table;
    uint64_t updated, deleted;
  } steps[] = {
      {"the first answer is the baseline", "a", {true, 1, 100, 200}, 0, 0},
      {"differences", "a", {true, 1, 103, 205}, 3, 5},
      {"nothing new", "a", {true, 1, 103, 205}, 0, 0},
      {"statistics reset", "a", {true, 1, 2, 1}, 0, 0},
      {"and on from there", "a", {true, 1, 4, 1}, 2, 0},
      {"a count that went back alone", "a", {true, 1, 9, 0}, 0, 0},
      {"another or a restarted server", "b", {true, 1, 1000, 1000}, 0, 0},
      {"and on from there", "b", {true, 1, 1001, 1000}, 1, 0},
      {"the table created anew", "b", {true, 2, 5000, 5000}, 0, 0},
      {"the table is gone", "b", {false, 0, 0, 0}, 0, 0},
      {"and back", "b", {true, 2, 6000, 6000}, 0, 0},
      {"and on from there", "b", {true, 2, 6000, 6007}, 0, 7},
  };
  struct slot_baseline baseline = {0};

  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    struct slot_answer answer = {0};

    (void)snprintf(answer.figures.catalog.server, sizeof(answer.figures.catalog.server), "%s", steps[i].start);
    answer.tables[CONFIG_OUTBOX_MAX - 1] = steps[i].table;
    slot_baseline_advance(&baseline, &answer);
    cr_assert_eq(answer.figures.updated[CONFIG_OUTBOX_MAX - 1], steps[i].updated, "%s", steps[i].name);
    cr_assert_eq(answer.figures.deleted[CONFIG_OUTBOX_MAX - 1], steps[i].deleted, "%s", steps[i].name);
    cr_assert_eq(answer.figures.updated[0], 0);
  }
}

Test(slot_baseline, a_catalog_that_changed_under_the_stream_is_told_once)
{
  static const struct {
    const char *name;
    struct catalog_mark catalog;
    bool has_changed;
  } steps[] = {
      {"the first answer", {"a", 7}, false},
      {"nothing new", {"a", 7}, false},
      {"the publication altered", {"a", 8}, true},
      {"told once", {"a", 8}, false},
      {"back to what it was", {"a", 7}, true},
      {"a restarted server, or a standby that was promoted", {"b", 7}, false},
      {"one whose publication was altered before it was asked", {"c", 5}, true},
      {"and on from there", {"c", 6}, true},
  };
  struct slot_baseline baseline = {0};

  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    struct slot_answer answer = {.figures.catalog = steps[i].catalog};

    slot_baseline_advance(&baseline, &answer);
    cr_assert_eq(answer.figures.catalog_has_changed, steps[i].has_changed, "%s", steps[i].name);
  }
}
