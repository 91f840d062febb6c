#include "stream/sql_text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void is(char *actual, const char *expected)
{
  cr_assert_str_eq(actual, expected);
  free(actual);
}

Test(sql_text, quotes_and_backslashes_cannot_end_a_literal)
{
  static const struct {
    const char *text, *literal;
  } texts[] = {{"", "''"},
               {"plain", "'plain'"},
               {"it's", "'it''s'"},
               {"'", "''''"},
               {"say \"so\"", "'say \"so\"'"},
               {"back\\slash", "E'back\\\\slash'"},
               {"\\", "E'\\\\'"},
               {"\\'", "E'\\\\'''"},
               {"100%s", "'100%s'"},
               {"\xe2\x82\xac", "'\xe2\x82\xac'"}};

  for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
    is(sql_literal(texts[i].text), texts[i].literal);
  }
}

Test(sql_text, an_identifier_is_always_quoted)
{
  is(sql_identifier("orders"), "\"orders\"");
  is(sql_identifier("Odd\"name"), "\"Odd\"\"name\"");
  is(sql_identifier("it's\\so"), "\"it's\\so\"");
  is(sql_identifier(""), "\"\"");
}

Test(sql_text, a_table_has_its_schema)
{
  is(sql_table("public", "outbox"), "\"public\".\"outbox\"");
  is(sql_table("a.b", "c\"d"), "\"a.b\".\"c\"\"d\"");
}

Test(sql_text, a_statement_is_its_parts)
{
  struct sql_text sql;

  sql_text_open(&sql);
  is(sql_text_close(&sql), "");
  sql_text_open(&sql);
  sql_text_put(&sql, "SELECT * FROM ");
  sql_text_put_table(&sql, "shop", "Out box");
  sql_text_put(&sql, " WHERE kind LIKE '%s%' AND ");
  sql_text_put_identifier(&sql, "n");
  sql_text_put_format(&sql, " < %d AND name = ", 5);
  sql_text_put_literal(&sql, "it's\\");
  is(sql_text_close(&sql), "SELECT * FROM \"shop\".\"Out box\" WHERE kind LIKE '%s%' AND \"n\" < 5 AND name = E'it''s\\\\'");
}

Test(sql_text, a_long_statement_is_whole)
{
  struct sql_text sql;
  char *text;

  sql_text_open(&sql);
  for (int i = 0; i < 10000; i++) {
    sql_text_put_literal(&sql, "'");
  }
  text = sql_text_close(&sql);
  cr_assert_eq(strlen(text), 40000);
  cr_assert_eq(strspn(text, "'"), 40000);
  free(text);
}
