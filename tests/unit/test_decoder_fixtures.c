/*
 * test_decoder_fixtures.c - both decoders on what a real server said (tests/fixtures/capture.sh): they tell the same story, the story is the one that the .sql
 * files wrote, and no cut or damaged message is taken for a whole one.
 *
 * What the two plugins do not both tell is left out of the comparison (RENDER_COMMON):
 *
 *   pgoutput                                  wal2json                                        compared
 *   ----------------------------------------  ----------------------------------------------  -----------------------------
 *   leaves out transactions without a change  begin and commit of every transaction           transactions with a change
 *   unchanged toasted value: unchanged        the column is missing                           the other columns
 *   delete by key: all columns, null          the columns of the key                          columns that are not null
 *   truncate: one change, all columns known   one change for each table, no columns           the names of the tables
 *   NaN and infinity of numbers as text       null                                            not (differences)
 *   stored generated columns are left out     are columns like others                         not (differences)
 *   partition root (publication's setting)    the partition                                   not (differences)
 *   content of a message is any bytes         ends before its first zero byte                 not (differences)
 */
#include "decode_fixture.h"

enum { ARENA_BYTES = 65536, TEXT_MAX = 1 << 20 };

/* All changes of a fixture as text; malloc'ed. Transactions in which nothing was rendered are left out. */
static char *story(const char *name, enum plugin plugin, enum render render)
{
  struct fixture fixture = fixture_load(name, plugin);
  struct decoder *decoder = decoder_new(plugin);
  struct arena arena;
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  long begin_at = -1;

  arena_init(&arena, ARENA_BYTES);
  for (size_t i = 0; i < fixture.count; i++) {
    struct change change;
    struct problem problem = {.text = ""};

    cr_assert_eq(decoder_read(decoder, fixture.messages[i], &arena, &change, &problem), VERDICT_OK, "%s.%s line %zu: %s", name, plugin_names[plugin], i + 1,
                 problem.text);
    if (change.kind == CHANGE_COMMIT && begin_at >= 0) {
      fseek(out, begin_at, SEEK_SET);
    } else {
      long before = ftell(out);

      render_change(out, &change, render);
      if (change.kind != CHANGE_NONE) {
        begin_at = change.kind == CHANGE_BEGIN ? before : -1;
      }
    }
    if (change.kind == CHANGE_COMMIT) {
      begin_at = -1;
    }
    arena_reset(&arena);
  }
  length = (size_t)ftell(out);
  fclose(out);
  text[length] = '\0';
  arena_done(&arena);
  decoder_free(decoder);
  fixture_free(&fixture);
  return text;
}

Test(decoder_fixtures, both_plugins_tell_the_same_story)
{
  for (size_t i = 0; i < FIXTURE_COUNT; i++) {
    char *by_pgoutput;
    char *by_wal2json;

    if (strcmp(fixture_names[i], "differences") == 0) {
      continue;
    }
    by_pgoutput = story(fixture_names[i], PLUGIN_PGOUTPUT, RENDER_COMMON);
    by_wal2json = story(fixture_names[i], PLUGIN_WAL2JSON, RENDER_COMMON);
    cr_expect_gt(strlen(by_pgoutput), 100);
    cr_expect_str_eq(by_pgoutput, by_wal2json, "fixture %s", fixture_names[i]);
    free(by_pgoutput);
    free(by_wal2json);
  }
}

/* The part that does not depend on the capture, spelled out; the same from both plugins. */
static const struct {
  const char *fixture;
  const char *story;
} stories[] = {
    {"transactions", "begin\ninsert public.t(id=1, v=kept)\ninsert public.u(id=1, v=kept)\ninsert public.t(id=4, v=kept)\ncommit\n"
                     "begin\ninsert public.u(id=12, v=between)\ncommit\n"
                     "begin\ninsert public.t(id=10, v=prepared)\ncommit\n"
                     "begin\ninsert public.empty_transaction()\ncommit\n"
                     "begin\ntruncate public.t\ntruncate public.child\ninsert public.t(id=20, v=after truncate)\ncommit\n"
                     "begin\ntruncate public.u\ncommit\n"
                     "begin\ninsert public.u(id=30, v=inserted and deleted)\ndelete public.u(id=30)\ncommit\n"},
    {"shapes", "begin\ninsert public.shape(id=1, a=a1, b=b1)\ncommit\n"
               "begin\ninsert public.shape(id=2, a=a2, b=b2, c=7)\ncommit\n"
               "begin\ninsert public.shape(id=3, b=b3, c=3)\ncommit\n"
               "begin\ninsert public.shape(id=4, bb=b4, c=4)\ncommit\n"
               "begin\ninsert public.shape(id=5, bb=b5, c=five)\ncommit\n"
               "begin\ninsert public.shape(id=6, bb=b6, c=six)\ninsert public.shape(id=7, bb=b7, c=seven, d=true)\ncommit\n"
               "begin\ninsert public.shape_renamed(id=8, bb=b8, c=eight, d=false)\ncommit\n"
               "begin\ninsert other.shape_renamed(id=9, bb=b9, c=nine, d null)\ncommit\n"
               "begin\ninsert other.shape_renamed(id=10, bb=b10, c=ten, d null)\ncommit\n"
               "begin\ninsert public.shape(other=11)\ncommit\n"},
    {"names",
     "begin\ninsert Odd \"Schema\".tab.le\\back(id=1, a \"quoted\" column=a, back\\slash=b, häß/lich,😀=c, tab\tname=d,  =e, value=f, columns=g)\ncommit\n"
     "begin\nupdate Odd \"Schema\".tab.le\\back(id=1, a \"quoted\" column=a, back\\slash=b, häß/lich,😀=c, tab\tname=d,  =e, value=F, columns=g)\ncommit\n"
     "begin\ninsert public.123456789012345678901234567890123456789012345678901234567890123"
     "(123456789012345678901234567890123456789012345678901234567890123=x)\ncommit\n"},
};

Test(decoder_fixtures, the_story_is_the_one_that_was_written)
{
  for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
    for (enum plugin plugin = 0; plugin < PLUGIN_COUNT; plugin++) {
      char *text = story(stories[i].fixture, plugin, RENDER_PORTABLE);

      cr_expect_str_eq(text, stories[i].story, "%s.%s", stories[i].fixture, plugin_names[plugin]);
      free(text);
    }
  }
}

/* One by one: what a plugin alone tells. Each text must occur in the story. */
static const struct {
  const char *fixture;
  enum plugin plugin;
  const char *line;
} lines[] = {
    {"updates", PLUGIN_PGOUTPUT, "update public.by_key(id:23=1, part:25=p, v:25=ONE, big:25 unchanged)\n"},
    {"updates", PLUGIN_WAL2JSON, "update public.by_key(id:23=1, part:25=p, v:25=ONE)\n"},
    {"updates", PLUGIN_PGOUTPUT, "update public.by_key(id:23=3, part:25=p, v:25 null, big:25 null)\n"},
    {"updates", PLUGIN_WAL2JSON, "update public.by_key(id:23=3, part:25=p, v:25 null, big:25 null)\n"},
    {"updates", PLUGIN_PGOUTPUT, "delete public.by_key(id:23=3, part:25=p, v:25 null, big:25 null)\n"},
    {"updates", PLUGIN_WAL2JSON, "delete public.by_key(id:23=3, part:25=p)\n"},
    {"updates", PLUGIN_PGOUTPUT, "delete public.by_all(id:23=1, v:25=x)\n"},
    {"updates", PLUGIN_WAL2JSON, "delete public.by_all(id:23=1, v:25=x)\n"},
    {"updates", PLUGIN_PGOUTPUT, "update public.by_index(a:23=2, b:23=11, c:25=c)\n"},
    {"updates", PLUGIN_WAL2JSON, "delete public.by_index(b:23=11)\n"},
    {"outbox", PLUGIN_PGOUTPUT,
     "insert public.outbox(id:2950=00000000-0000-4000-8000-000000000001, aggregatetype:25=order, aggregateid:25=42, type:25=OrderPlaced, "
     "payload:114={\"total\": 10.50, \"lines\":[{\"sku\":\"a\\\"b\"}]}, headers:3802={\"trace\": \"x\"}, created_at:1184=2026-01-02 03:04:05.678901+00)\n"},
    {"outbox", PLUGIN_WAL2JSON, "type:25=T, payload:114={\"tab\":\"a\\tb\"}, headers:3802 null, created_at:1184=2026-01-02 03:04:05.678901+00)\n"},
    {"messages", PLUGIN_PGOUTPUT, "message transactional outbox={\"id\": 1, \"payload\": {\"a\":  \"b\\n\"}}\n"},
    {"messages", PLUGIN_WAL2JSON, "message transactional outbox={\"id\": 1, \"payload\": {\"a\":  \"b\\n\"}}\n"},
    {"messages", PLUGIN_PGOUTPUT, "message loose now=stays\n"},
    {"messages", PLUGIN_WAL2JSON, "message loose now=stays\n"},
    {"messages", PLUGIN_PGOUTPUT, "message transactional =\n"},
    {"messages", PLUGIN_WAL2JSON, "message transactional =\n"},
    {"messages", PLUGIN_PGOUTPUT, "message transactional pre\"fix\\ é=\t\"\\\u2028😀\x01\n"},
    {"messages", PLUGIN_WAL2JSON, "message transactional pre\"fix\\ é=\t\"\\\u2028😀\x01\n"},
    {"differences", PLUGIN_PGOUTPUT, "insert public.measures(id:23=1, f:701=NaN, n:1700=NaN, r:700=NaN)\n"},
    {"differences", PLUGIN_WAL2JSON, "insert public.measures(id:23=1, f:701 null, n:1700 null, r:700 null)\n"},
    {"differences", PLUGIN_PGOUTPUT, "insert public.measures(id:23=3, f:701=-Infinity, n:1700=-Infinity, r:700=-Infinity)\n"},
    {"differences", PLUGIN_WAL2JSON, "insert public.measures(id:23=3, f:701 null, n:1700 null, r:700 null)\n"},
    {"differences", PLUGIN_PGOUTPUT, "insert public.made(id:23=12)\n"},
    {"differences", PLUGIN_WAL2JSON, "insert public.made(id:23=12, doubled:23=24)\n"},
    {"differences", PLUGIN_PGOUTPUT, "insert public.wide(id:23=13)\n"},
    {"differences", PLUGIN_WAL2JSON, "insert public.wide_1(id:23=13)\n"},
    {"differences", PLUGIN_WAL2JSON, "message transactional binary=A\n"},
};

Test(decoder_fixtures, each_plugin_tells_what_it_alone_can)
{
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    char *text = story(lines[i].fixture, lines[i].plugin, RENDER_WHOLE);

    cr_expect(strstr(text, lines[i].line) != NULL, "%s.%s does not tell: %s", lines[i].fixture, plugin_names[lines[i].plugin], lines[i].line);
    free(text);
  }
}

/* fixtures/decode/types.sql, first and third row: the canonical form of each type. NULL: null. */
static const struct {
  const char *column;
  const char *first;
  const char *third;
} canonical[] = {
    {"id", "1", "3"},
    {"c_bool", "true", "false"},
    {"c_bytea", "00ff5c22", ""},
    {"c_int2", "-32768", NULL},
    {"c_int4", "2147483647", NULL},
    {"c_int8", "-9223372036854775808", "0"},
    {"c_oid", "4294967295", NULL},
    {"c_float4", "1.1", "-0"},
    {"c_float8", "0.1", "1e+308"},
    {"c_numeric", "-12345678901234567890.000000001", "1000000000000000000000000000000"},
    {"c_money", "$1,234.56", NULL},
    {"c_char", "ab   ", "     "},
    {"c_varchar", "var char", NULL},
    {"c_text", "text", ""},
    {"c_name", "name", NULL},
    {"c_internal_char", "c", NULL},
    {"c_date", "2026-02-28", "10000-01-01"},
    {"c_time", "23:59:59.999999", NULL},
    {"c_timetz", "12:00:00+05:30", NULL},
    {"c_timestamp", "2026-02-28 23:59:59.5", "infinity"},
    {"c_timestamptz", "2026-02-28 14:59:59.123456+00", "0044-03-15 12:00:00+00 BC"},
    {"c_interval", "1 year 2 days 03:04:05.6", NULL},
    {"c_uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", NULL},
    {"c_json", " { \"b\" :\t[1 , 2.50, null],\n  \"a\": \"x\\u00e9\\n\\\"\" , \"a\":1e400 } ", "null"},
    {"c_jsonb", "{\"a\": \"xé\\n\\\"\", \"b\": [1, 2.50, null]}", "\"s\""},
    {"c_xml", "<a b=\"c\">&amp;</a>", NULL},
    {"c_bit", "1010", NULL},
    {"c_varbit", "101", NULL},
    {"c_inet", "10.0.0.1/24", NULL},
    {"c_cidr", "10.0.0.0/8", NULL},
    {"c_macaddr", "08:00:2b:01:02:03", NULL},
    {"c_point", "(1.5,-2)", NULL},
    {"c_int_array", "{1,NULL,-3}", "{}"},
    {"c_text_array", "{\"a b\",NULL,\"q\\\"\\\\\"}", NULL},
    {"c_bool_array", "{t,f,NULL}", NULL},
    {"c_bytea_array", "{\"\\\\x00ff\"}", NULL},
    {"c_range", "[1,10)", NULL},
    {"c_multirange", "{[1,3),[5,7)}", NULL},
    {"c_tsvector", "'cat':3 'fat':2", NULL},
    {"c_jsonpath", "$.\"a\"[*]?(@ > 1)", NULL},
    {"c_enum", "it's \"fine\"", NULL},
    {"c_pair", "(1,\"x \"\"y\"\"\")", NULL},
    {"c_flag", "t", "f"}, /* a domain has its own OID: its values stay as they are printed */
    {"c_blob", "\\x0102", "\\x"},
    {"c_amount", "12.50", NULL},
    {"c_short", "short", ""},
    {"c_lsn", "16/B374D848", NULL},
};
enum { CANONICAL_COUNT = sizeof(canonical) / sizeof(canonical[0]) };

static void expect_canonical(const struct change *change, int row, enum plugin plugin)
{
  cr_assert_eq(change->relation->column_count, CANONICAL_COUNT);
  for (size_t i = 0; i < CANONICAL_COUNT; i++) {
    const char *expected = row == 1 ? canonical[i].first : canonical[i].third;
    const struct value *value = &change->values[i];

    if (row == 2 && i == 0) {
      expected = "2";
    } else if (row == 2) {
      expected = NULL;
    }
    cr_expect(span_is(change->relation->columns[i].name, canonical[i].column));
    cr_expect_eq(value->state, expected != NULL ? VALUE_PRESENT : VALUE_NULL, "%s row %d %s", plugin_names[plugin], row, canonical[i].column);
    cr_expect(span_is(value->text, expected), "%s row %d %s is %.*s", plugin_names[plugin], row, canonical[i].column, (int)value->text.length,
              value->text.data);
  }
}

Test(decoder_fixtures, each_type_has_its_canonical_text)
{
  for (enum plugin plugin = 0; plugin < PLUGIN_COUNT; plugin++) {
    struct fixture fixture = fixture_load("types", plugin);
    struct decoder *decoder = decoder_new(plugin);
    struct arena arena;
    int row = 0;

    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < fixture.count; i++) {
      struct change change;

      cr_assert_eq(decoder_read(decoder, fixture.messages[i], &arena, &change, NULL), VERDICT_OK);
      if (change.kind == CHANGE_INSERT) {
        row++;
        expect_canonical(&change, row, plugin);
      }
    }
    cr_expect_eq(row, 3);
    arena_done(&arena);
    decoder_free(decoder);
    fixture_free(&fixture);
  }
}

/* A character as UTF-8, by the rules of arithmetic and not by the decoder's code. */
static size_t put_character(unsigned code, char *to)
{
  size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

  for (size_t i = length; i > 1; i--) {
    to[i - 1] = (char)(0x80 | code % 64);
    code /= 64;
  }
  to[0] = (char)(lead[length] | code);
  return length;
}

/* What fixtures/decode/texts.sql put into the row `id`. False: rows whose text is looked at elsewhere. */
static bool expected_text(int id, char *text, size_t *ret_length)
{
  static const unsigned corners[] = {128, 233, 2047, 2048, 8232, 8233, 55295, 57344, 65279, 65533, 65534, 65535, 65536, 128512, 1114111};
  static const struct {
    int id;
    const char *text;
  } rows[] = {
      {400, "e\u0301 vs \u00e9"},
      {401, "\U0001F468\u200D\U0001F469\u200D\U0001F467"},
      {402, "\\u0041 \\n \\\" \\\\ \\ud83d\\ude00"},
      {500, "\"quoted\""},
      {501, "{\"a\": \"\\u0000\"}"},
      {502, "null"},
      {503, ""},
      {504, " "},
      {505, "\\"},
      {506, "\r\n"},
      {507, "</script>"},
  };
  static const struct {
    int id;
    const char *unit;
    int times;
  } long_rows[] = {{600, "long \"text\" \\ ", 200}, {601, "\u00e9", 1500}, {602, "x", 9000}, {603, "\x01", 500}};
  size_t length = 0;

  if (id <= 127) {
    length = put_character((unsigned)id, text);
  }
  for (int c = 1; c <= 127 && (id == 200 || id == 201); c++) {
    text[length++] = (char)(id == 200 ? c : 128 - c);
  }
  if (id > 300 && id <= 300 + (int)(sizeof(corners) / sizeof(corners[0]))) {
    length = put_character(corners[id - 301], text);
  }
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    if (rows[i].id == id) {
      length = strlen(rows[i].text);
      memcpy(text, rows[i].text, length);
    }
  }
  for (size_t i = 0; i < sizeof(long_rows) / sizeof(long_rows[0]); i++) {
    for (int n = 0; long_rows[i].id == id && n < long_rows[i].times; n++) {
      memcpy(text + length, long_rows[i].unit, strlen(long_rows[i].unit));
      length += strlen(long_rows[i].unit);
    }
  }
  *ret_length = length;
  return length > 0 || id == 503;
}

Test(decoder_fixtures, every_character_arrives_as_it_was_inserted)
{
  for (enum plugin plugin = 0; plugin < PLUGIN_COUNT; plugin++) {
    struct fixture fixture = fixture_load("texts", plugin);
    struct decoder *decoder = decoder_new(plugin);
    struct arena arena;
    size_t rows = 0;

    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < fixture.count; i++) {
      static char text[TEXT_MAX];
      struct change change;
      size_t length;
      int id;

      cr_assert_eq(decoder_read(decoder, fixture.messages[i], &arena, &change, NULL), VERDICT_OK);
      if (change.kind == CHANGE_INSERT) {
        rows++;
        id = (int)strtol(change.values[0].text.data, NULL, 10); /* in both forms a byte that is no digit follows the number */
        cr_assert(expected_text(id, text, &length), "row %d is not expected", id);
        cr_expect(span_equals(change.values[1].text, span_of(text, length)), "%s: row %d is \"%.*s\"", plugin_names[plugin], id,
                  (int)change.values[1].text.length, change.values[1].text.data);
      }
      arena_reset(&arena);
    }
    cr_expect_eq(rows, 127 + 2 + 15 + 3 + 8 + 4);
    arena_done(&arena);
    decoder_free(decoder);
    fixture_free(&fixture);
  }
}

Test(decoder_fixtures, a_relation_keeps_its_struct_as_long_as_its_shape)
{
  for (enum plugin plugin = 0; plugin < PLUGIN_COUNT; plugin++) {
    /* insert by insert in shapes.sql: 0 where the shape is the one of the row before */
    static const bool is_new[] = {true, true, true, true, true, false, true, true, true, false, true};
    struct fixture fixture = fixture_load("shapes", plugin);
    struct decoder *decoder = decoder_new(plugin);
    struct arena arena;
    const struct relation *last = NULL;
    uint64_t last_version = 0;
    size_t row = 0;

    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < fixture.count; i++) {
      struct change change;

      cr_assert_eq(decoder_read(decoder, fixture.messages[i], &arena, &change, NULL), VERDICT_OK);
      if (change.kind == CHANGE_INSERT) {
        cr_assert_lt(row, sizeof(is_new) / sizeof(is_new[0]));
        cr_expect_eq(change.relation != last, is_new[row], "%s: row %zu", plugin_names[plugin], row);
        cr_expect_eq(change.relation->version != last_version, is_new[row]);
        last = change.relation;
        last_version = last->version;
        row++;
      }
      arena_reset(&arena);
    }
    cr_expect_eq(row, sizeof(is_new) / sizeof(is_new[0]));
    decoder_free(decoder);
    arena_done(&arena);
    fixture_free(&fixture);
  }
}
