#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "commands/takeover_sql.h"

static const struct config_outbox entry = {.table = "public.old", .table_schema = "public", .table_name = "old", .field_key = "abo\"ut"};
static const struct old_outbox outbox = {
    .entry = &entry, .id_column = "id", .id_type = "bigint", .order_by = "id", .marked = "\"published\"", .mark = "\"published\" = true"};

static void is(char *actual, const char *expected)
{
  cr_assert_str_eq(actual, expected);
  free(actual);
}

Test(takeover_sql, half_made_slot_has_a_name_of_its_own)
{
  char name[TAKEOVER_SLOT_NAME_SIZE];
  char longest[TAKEOVER_SLOT_NAME_MAX + 1];

  takeover_slot_name("shop_outbox", name);
  cr_assert_str_eq(name, "shop_outbox_takeover");
  memset(longest, 'a', sizeof(longest) - 1);
  longest[sizeof(longest) - 1] = '\0';
  takeover_slot_name(longest, name);
  cr_assert_eq(strlen(name), 63);
  cr_assert_str_eq(name + 54, "_takeover");
}

Test(takeover_sql, column_marks)
{
  is(takeover_marked_by_column("is \"sent\""), "\"is \"\"sent\"\"\"");
  is(takeover_mark_by_column("published"), "\"published\" = true");
}

Test(takeover_sql, null_counts_as_not_marked)
{
  is(takeover_count_sql(&outbox), "SELECT count(*), 0, 0 FROM \"public\".\"old\" WHERE (\"published\") IS NOT TRUE");
}

Test(takeover_sql, rows_without_a_place_of_their_own_are_counted)
{
  struct old_outbox by_time = outbox;

  by_time.order_by = "created_at";
  is(takeover_count_sql(&by_time), "SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (WHERE place IS NULL), 0), coalesce(sum(n) FILTER (WHERE n > 1), 0)"
                                   " FROM (SELECT \"created_at\" AS place, count(*) AS n FROM \"public\".\"old\" WHERE (\"published\") IS NOT TRUE"
                                   " GROUP BY \"created_at\", \"abo\"\"ut\"::text) AS places");
}

Test(takeover_sql, cursor_orders_by_the_column_not_by_its_text)
{
  struct catalog_column columns[] = {{.name = (char *)"id"}, {.name = (char *)"pay\"load"}};
  const struct catalog_table table = {.column_count = 2, .columns = columns};
  struct old_outbox by_time = outbox;

  is(takeover_cursor_sql(&outbox, &table),
     "DECLARE backlog NO SCROLL CURSOR FOR SELECT \"id\"::text, \"id\", \"pay\"\"load\" FROM \"public\".\"old\" AS old_outbox"
     " WHERE (\"published\") IS NOT TRUE ORDER BY old_outbox.\"id\"");
  by_time.order_by = "created_at";
  is(takeover_cursor_sql(&by_time, &table),
     "DECLARE backlog NO SCROLL CURSOR FOR SELECT \"id\"::text, \"id\", \"pay\"\"load\" FROM \"public\".\"old\" AS old_outbox"
     " WHERE (\"published\") IS NOT TRUE ORDER BY old_outbox.\"created_at\", old_outbox.\"id\"");
}

Test(takeover_sql, marks_only_what_is_not_marked)
{
  is(takeover_mark_sql(&outbox), "UPDATE \"public\".\"old\" SET \"published\" = true WHERE \"id\" = ANY ($1::bigint[]) AND (\"published\") IS NOT TRUE");
}

Test(takeover_sql, array_of_ids)
{
  const char *const ids[] = {"1", "a\"b", "c\\d,{}", ""};

  is(takeover_array_literal(ids, 4), "{\"1\",\"a\\\"b\",\"c\\\\d,{}\",\"\"}");
  is(takeover_array_literal(ids, 0), "{}");
}
