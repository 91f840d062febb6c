/* test_wal2json.c - lines written by hand, one action after the other; what a real server sends is in test_decoder_fixtures.c. */
#include "decode_fixture.h"

#define ROW(action, columns) "{\"action\":\"" action "\",\"xid\":7,\"schema\":\"public\",\"table\":\"t\",\"columns\":[" columns "]}"
#define COLUMN_ID            "{\"name\":\"id\",\"typeoid\":23,\"value\":42}"
#define TIME                 "\"timestamp\":\"2026-11-21 09:06:13.57994+00\""

static struct decoder *decoder;
static struct arena arena;
static struct change change;
static struct problem problem;

static void begin(void)
{
  decoder = decoder_new(PLUGIN_WAL2JSON);
  arena_init(&arena, 1024);
}

static void end(void)
{
  decoder_free(decoder);
  arena_done(&arena);
}

TestSuite(wal2json, .init = begin, .fini = end);

static enum verdict decode(const char *line)
{
  return decoder_read(decoder, span_of_text(line), &arena, &change, &problem);
}

Test(wal2json, begin_gives_commit_position_time_and_xid)
{
  cr_assert_eq(decode("{\"action\":\"B\",\"xid\":4294967295," TIME ",\"lsn\":\"16/B374D848\",\"nextlsn\":\"16/B374D878\"}"), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_BEGIN);
  cr_expect_eq(change.commit_lsn, 0x16B374D848);
  cr_expect_eq(change.xid, UINT32_MAX);
  cr_expect_eq(change.commit_time_us, INT64_C(1795251973579940));
}

Test(wal2json, commit_gives_both_positions)
{
  cr_assert_eq(decode("{\"action\":\"C\",\"xid\":7," TIME ",\"lsn\":\"16/B374D848\",\"nextlsn\":\"16/B374D878\"}"), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_COMMIT);
  cr_expect_eq(change.commit_lsn, 0x16B374D848);
  cr_expect_eq(change.end_lsn, 0x16B374D878);
  cr_expect_eq(change.commit_time_us, INT64_C(1795251973579940));
}

Test(wal2json, insert_gives_each_value_as_text)
{
  const char *line = ROW("I", COLUMN_ID ",{\"name\":\"b\",\"typeoid\":16,\"value\":true},{\"name\":\"f\",\"typeoid\":16,\"value\":false},"
                                        "{\"name\":\"n\",\"typeoid\":25,\"value\":null},{\"name\":\"e\",\"typeoid\":25,\"value\":\"\"},"
                                        "{\"name\":\"s\",\"typeoid\":25,\"value\":\"a\\\"b\\n\"},{\"name\":\"x\",\"typeoid\":1700,\"value\":-1.50e+300}");
  static const char *const expected[] = {"42", "true", "false", NULL, "", "a\"b\n", "-1.50e+300"};

  cr_assert_eq(decode(line), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_INSERT);
  cr_expect_str_eq(change.relation->schema.data, "public");
  cr_expect_str_eq(change.relation->table.data, "t");
  cr_assert_eq(change.relation->column_count, sizeof(expected) / sizeof(expected[0]));
  for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
    cr_expect_eq(change.values[i].state, expected[i] != NULL ? VALUE_PRESENT : VALUE_NULL);
    cr_expect(span_is(change.values[i].text, expected[i]), "value %zu is %.*s", i, (int)change.values[i].text.length, change.values[i].text.data);
  }
  cr_expect_str_eq(change.relation->columns[5].name.data, "s");
  cr_expect_eq(change.relation->columns[6].type_oid, PG_NUMERIC);
  cr_expect(change.values[0].text.data > line && change.values[0].text.data < line + strlen(line), "a value without escapes is not copied");
}

Test(wal2json, update_gives_the_new_row_and_delete_the_old_one)
{
  cr_assert_eq(decode("{\"action\":\"U\",\"schema\":\"public\",\"table\":\"t\",\"columns\":[" COLUMN_ID
                      "],\"identity\":[{\"name\":\"id\",\"typeoid\":23,\"value\":1}]}"),
               VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_UPDATE);
  cr_expect(span_is(change.values[0].text, "42"));
  cr_assert_eq(decode("{\"action\":\"D\",\"schema\":\"public\",\"table\":\"t\",\"identity\":[{\"name\":\"id\",\"typeoid\":23,\"value\":1}]}"), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_DELETE);
  cr_expect(span_is(change.values[0].text, "1"));
}

Test(wal2json, delete_without_identity_has_no_values)
{
  cr_assert_eq(decode("{\"action\":\"D\",\"schema\":\"public\",\"table\":\"t\"}"), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_DELETE);
  cr_expect_null(change.values);
  cr_expect(span_is(change.relation->table, "t"));
}

Test(wal2json, truncate_names_its_table)
{
  cr_assert_eq(decode("{\"action\":\"T\",\"xid\":7,\"schema\":\"pub\\\"lic\",\"table\":\"t\"}"), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_TRUNCATE);
  cr_assert_eq(change.truncated_count, 1);
  cr_expect_eq(change.truncated[0], change.relation);
  cr_expect_str_eq(change.relation->schema.data, "pub\"lic");
}

Test(wal2json, message_gives_prefix_content_and_whether_it_belongs_to_a_transaction)
{
  cr_assert_eq(decode("{\"action\":\"M\",\"xid\":7,\"transactional\":true,\"prefix\":\"out\\\"box\",\"content\":\"{\\\"a\\\":1}\"}"), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_MESSAGE);
  cr_expect(change.transactional);
  cr_expect(span_is(change.prefix, "out\"box"));
  cr_expect(span_is(change.content, "{\"a\":1}"));
  cr_assert_eq(decode("{\"action\":\"M\",\"xid\":null,\"timestamp\":null,\"lsn\":\"0/1\",\"transactional\":false,\"prefix\":\"\",\"content\":\"\"}"),
               VERDICT_OK);
  cr_expect_not(change.transactional);
  cr_expect_eq(change.content.length, 0);
  cr_expect(!span_is_null(change.content));
}

Test(wal2json, an_empty_message_says_nothing)
{
  cr_assert_eq(decode(""), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_NONE);
}

Test(wal2json, members_may_come_in_any_order_and_unknown_ones_are_skipped)
{
  cr_assert_eq(decode("{ \"columns\" : [ { \"value\" : 42 , \"type\" : \"integer\" , \"typeoid\" : 23 , \"optional\" : false , \"name\" : \"id\" } ] ,\n"
                      "\"pk\" : [ { \"name\" : [ \"id\" ] } ] , \"table\" : \"t\" , \"origin\" : 5 , \"schema\" : \"public\" , \"action\" : \"I\" }"),
               VERDICT_OK, "%s", problem.text);
  cr_expect(span_is(change.relation->columns[0].name, "id"));
  cr_expect(span_is(change.values[0].text, "42"));
}

Test(wal2json, an_oid_beyond_31_bits_is_read_in_both_forms)
{
  cr_assert_eq(decode(ROW("I", "{\"name\":\"a\",\"typeoid\":-1294967296,\"value\":1},{\"name\":\"b\",\"typeoid\":3000000000,\"value\":1}")), VERDICT_OK);
  cr_expect_eq(change.relation->columns[0].type_oid, 3000000000);
  cr_expect_eq(change.relation->columns[1].type_oid, 3000000000);
}

Test(wal2json, a_row_with_the_shape_of_an_earlier_one_has_its_relation)
{
  const struct relation *whole;
  const struct relation *renamed;

  cr_assert_eq(decode(ROW("I", COLUMN_ID)), VERDICT_OK);
  whole = change.relation;
  cr_assert_eq(decode(ROW("U", "{\"name\":\"id\",\"typeoid\":23,\"value\":null}")), VERDICT_OK);
  cr_expect_eq(change.relation, whole, "values are no part of the shape");
  cr_assert_eq(decode(ROW("I", "{\"name\":\"ID\",\"typeoid\":23,\"value\":42}")), VERDICT_OK);
  renamed = change.relation;
  cr_expect_neq(renamed->version, whole->version);
  cr_assert_eq(decode(ROW("I", "{\"name\":\"id\",\"typeoid\":20,\"value\":42}")), VERDICT_OK);
  cr_expect_neq(change.relation->version, whole->version);
  cr_assert_eq(decode(ROW("I", COLUMN_ID "," COLUMN_ID)), VERDICT_OK);
  cr_expect_neq(change.relation->version, whole->version);
  cr_assert_eq(decode("{\"action\":\"I\",\"schema\":\"public\",\"table\":\"u\",\"columns\":[" COLUMN_ID "]}"), VERDICT_OK);
  cr_expect_neq(change.relation->version, whole->version);
  cr_assert_eq(decode(ROW("I", COLUMN_ID)), VERDICT_OK);
  cr_expect_eq(change.relation, whole);
  cr_expect_str_eq(renamed->columns[0].name.data, "ID", "relations stay readable until the reset");
}

Test(wal2json, names_outlive_the_line_they_were_read_from)
{
  char *line = strdup(ROW("I", "{\"name\":\"i\\\"d\",\"typeoid\":23,\"value\":42}"));
  const struct relation *relation;

  cr_assert_eq(decode(line), VERDICT_OK);
  relation = change.relation;
  memset(line, 'x', strlen(line));
  free(line);
  arena_reset(&arena);
  cr_expect_str_eq(relation->columns[0].name.data, "i\"d");
  cr_expect_str_eq(relation->table.data, "t");
}

Test(wal2json, after_a_reset_relations_are_new)
{
  uint64_t version;

  cr_assert_eq(decode(ROW("I", COLUMN_ID)), VERDICT_OK);
  version = change.relation->version;
  decoder_reset(decoder);
  cr_assert_eq(decode(ROW("I", COLUMN_ID)), VERDICT_OK);
  cr_expect_gt(change.relation->version, version);
}

static enum verdict decode_columns(size_t count)
{
  char *line;
  size_t length;
  FILE *out = open_memstream(&line, &length);
  enum verdict verdict;

  fputs("{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":[", out);
  for (size_t i = 0; i < count; i++) {
    fprintf(out, "%s{\"name\":\"c%zu\",\"typeoid\":23,\"value\":%zu}", i > 0 ? "," : "", i, i);
  }
  fputs("]}", out);
  fclose(out);
  verdict = decode(line);
  free(line);
  return verdict;
}

Test(wal2json, as_many_columns_as_a_table_can_have_and_no_more)
{
  cr_assert_eq(decode_columns(COLUMNS_MAX), VERDICT_OK);
  cr_expect_eq(change.relation->column_count, COLUMNS_MAX);
  cr_expect_eq(decode_columns(COLUMNS_MAX + 1), VERDICT_RETRY);
}

Test(wal2json, endless_changes_of_shape_end_the_session_and_not_the_memory)
{
  enum { NAME_BYTES = 1 << 20 };
  static const char head[] = "{\"action\":\"T\",\"schema\":\"s\",\"table\":\"";
  char *line = malloc(sizeof(head) + NAME_BYTES + 2);
  enum verdict verdict = VERDICT_OK;
  size_t count = 0;

  memcpy(line, head, sizeof(head) - 1);
  memset(line + sizeof(head) - 1, 'n', NAME_BYTES);
  memcpy(line + sizeof(head) - 1 + NAME_BYTES, "\"}", 3);
  while (verdict == VERDICT_OK && count < 1000) {
    line[sizeof(head) - 1 + count % 26] = (char)('A' + count / 26);
    verdict = decode(line);
    arena_reset(&arena);
    count++;
  }
  cr_expect_eq(verdict, VERDICT_RETRY);
  cr_expect_str_eq(problem.cause, "relation_limit");
  cr_expect(count > 32 && count <= 64, "%zu relations of 1 MiB", count);
  free(line);
}

static const struct {
  const char *line;
  const char *words;
} damaged[] = {
    {" ", "no whole JSON object"},
    {"x", "no whole JSON object"},
    {"null", "no whole JSON object"},
    {"[]", "no whole JSON object"},
    {"{}", "no action"},
    {"{\"action\":1}", "no action"},
    {"{\"action\":\"\"}", "no action"},
    {"{\"action\":\"BB\"}", "no action"},
    {"{\"action\":\"Z\"}", "unknown action 0x5a"},
    {"{\"action\":\"B\",\"action\":\"C\"}", "\"action\" comes twice"},
    {ROW("I", COLUMN_ID) "x", "no whole JSON object"},
    {"{\"action\":\"B\",\"xid\":7,\"lsn\":\"0/1\"}", "action B without \"timestamp\""},
    {"{\"action\":\"B\"," TIME ",\"lsn\":\"0/1\"}", "action B without \"xid\""},
    {"{\"action\":\"B\",\"xid\":7," TIME "}", "action B without \"lsn\""},
    {"{\"action\":\"C\"," TIME ",\"lsn\":\"0/1\"}", "action C without \"nextlsn\""},
    {"{\"action\":\"B\",\"xid\":-1," TIME ",\"lsn\":\"0/1\"}", "\"xid\" is no transaction id"},
    {"{\"action\":\"B\",\"xid\":4294967296," TIME ",\"lsn\":\"0/1\"}", "\"xid\" is no transaction id"},
    {"{\"action\":\"B\",\"xid\":99999999999999999999999," TIME ",\"lsn\":\"0/1\"}", "\"xid\" is no transaction id"},
    {"{\"action\":\"B\",\"xid\":1.0," TIME ",\"lsn\":\"0/1\"}", "\"xid\" is no transaction id"},
    {"{\"action\":\"B\",\"xid\":null," TIME ",\"lsn\":\"0/1\"}", "\"xid\" is no transaction id"},
    {"{\"action\":\"B\",\"xid\":7," TIME ",\"lsn\":\"01\"}", "\"lsn\" is no position"},
    {"{\"action\":\"B\",\"xid\":7," TIME ",\"lsn\":1}", "\"lsn\" is no position"},
    {"{\"action\":\"C\",\"xid\":7," TIME ",\"lsn\":\"0/1\",\"nextlsn\":\"0/1x\"}", "\"nextlsn\" is no position"},
    {"{\"action\":\"B\",\"xid\":7,\"timestamp\":\"21.11.2026 10:23:00 JST\",\"lsn\":\"0/1\"}", "\"timestamp\" is no time"},
    {"{\"action\":\"B\",\"xid\":7,\"timestamp\":null,\"lsn\":\"0/1\"}", "\"timestamp\" is no time"},
    {"{\"action\":\"I\",\"table\":\"t\",\"columns\":[]}", "action I without \"schema\""},
    {"{\"action\":\"U\",\"schema\":\"s\",\"columns\":[]}", "action U without \"table\""},
    {"{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\"}", "action I without \"columns\""},
    {"{\"action\":\"I\",\"schema\":null,\"table\":\"t\",\"columns\":[]}", "\"schema\" is no text"},
    {"{\"action\":\"T\",\"schema\":\"s\",\"table\":[]}", "\"table\" is no text"},
    {"{\"action\":\"I\",\"schema\":\"s\",\"table\":\"t\",\"columns\":{}}", "column 1 of \"columns\""},
    {ROW("I", COLUMN_ID ","), "column 2 of \"columns\""},
    {ROW("I", "1"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":,\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"typeoid\":23,\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":23}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":1,\"typeoid\":23,\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":\"23\",\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":4294967296,\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":-2147483649,\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":23,\"value\":[]}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":23,\"value\":{}}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":23,\"value\":\"\\u0000\"}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":23,\"value\":\"\\ud800\"}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"name\":\"b\",\"typeoid\":23,\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":23,\"typeoid\":23,\"value\":1}"), "column 1 of \"columns\""},
    {ROW("I", "{\"name\":\"a\",\"typeoid\":23,\"value\":1,\"value\":2}"), "column 1 of \"columns\""},
    {"{\"action\":\"U\",\"schema\":\"s\",\"table\":\"t\",\"columns\":[],\"identity\":[1]}", "column 1 of \"identity\""},
    {"{\"action\":\"M\",\"prefix\":\"p\",\"content\":\"c\"}", "action M without \"transactional\""},
    {"{\"action\":\"M\",\"transactional\":1,\"prefix\":\"p\",\"content\":\"c\"}", "\"transactional\" is neither true nor false"},
    {"{\"action\":\"M\",\"transactional\":true,\"prefix\":null,\"content\":\"c\"}", "\"prefix\" is no text"},
    {"{\"action\":\"M\",\"transactional\":true,\"prefix\":\"p\",\"content\":{}}", "\"content\" is no text"},
};

Test(wal2json, damage_is_named)
{
  for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
    problem.text[0] = '\0';
    change.xid = 4711;
    cr_expect_eq(decode(damaged[i].line), VERDICT_RETRY, "%s", damaged[i].line);
    cr_expect(strncmp(problem.text, "damaged wal2json message: ", 26) == 0, "%s: %s", damaged[i].line, problem.text);
    cr_expect(strstr(problem.text, damaged[i].words) != NULL, "%s: %s", damaged[i].line, problem.text);
    cr_expect_eq(change.xid, 4711, "%s", damaged[i].line);
  }
}
