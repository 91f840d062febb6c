/* test_pgoutput.c - messages written by hand, one kind after the other; what a real server sends is in test_decoder_fixtures.c. */
#include "decode_fixture.h"

#include "moment.h"

#define MESSAGE(literal) ((struct span){literal, sizeof(literal) - 1})

/* public.t (id int4, v text), public.flags (b bool, x bytea), pg_catalog.c without columns */
#define RELATION_T                                                                                                                                             \
  "R\0\0\0\1"                                                                                                                                                  \
  "public\0t\0"                                                                                                                                                \
  "d\0\2"                                                                                                                                                      \
  "\1id\0\0\0\0\27\377\377\377\377"                                                                                                                            \
  "\0v\0\0\0\0\31\377\377\377\377"
#define RELATION_FLAGS                                                                                                                                         \
  "R\0\0\0\2"                                                                                                                                                  \
  "public\0flags\0"                                                                                                                                            \
  "f\0\2"                                                                                                                                                      \
  "\0b\0\0\0\0\20\377\377\377\377"                                                                                                                             \
  "\0x\0\0\0\0\21\377\377\377\377"
#define RELATION_C "R\0\0\0\3\0c\0n\0\0"

static struct decoder *decoder;
static struct arena arena;
static struct change change;
static struct problem problem;

static void begin(void)
{
  decoder = decoder_new(PLUGIN_PGOUTPUT);
  arena_init(&arena, 1024);
}

static void end(void)
{
  decoder_free(decoder);
  arena_done(&arena);
}

TestSuite(pgoutput, .init = begin, .fini = end);

static enum verdict decode(struct span message)
{
  return decoder_read(decoder, message, &arena, &change, &problem);
}

static void announce(struct span relation)
{
  cr_assert_eq(decode(relation), VERDICT_OK);
  cr_assert_eq(change.kind, CHANGE_NONE);
}

Test(pgoutput, begin_gives_commit_position_time_and_xid)
{
  cr_assert_eq(decode(MESSAGE("B\0\0\0\26\263\164\330\110\0\0\0\0\0\0\0\5\0\0\2\11")), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_BEGIN);
  cr_expect_eq(change.commit_lsn, 0x16B374D848);
  cr_expect_eq(change.commit_time_us, PG_EPOCH_US + 5);
  cr_expect_eq(change.xid, 521);
}

Test(pgoutput, commit_gives_both_positions)
{
  cr_assert_eq(decode(MESSAGE("C\0\0\0\0\26\263\164\330\110\0\0\0\26\263\164\330\170\377\377\377\377\377\377\377\377")), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_COMMIT);
  cr_expect_eq(change.commit_lsn, 0x16B374D848);
  cr_expect_eq(change.end_lsn, 0x16B374D878);
  cr_expect_eq(change.commit_time_us, PG_EPOCH_US - 1);
}

Test(pgoutput, origin_and_type_are_read_and_say_nothing)
{
  cr_assert_eq(decode(MESSAGE("O\0\0\0\0\0\0\0\1other\0")), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_NONE);
  cr_assert_eq(decode(MESSAGE("Y\0\0\100\1public\0mood\0")), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_NONE);
}

Test(pgoutput, insert_gives_each_value_without_a_copy)
{
  struct span message = MESSAGE("I\0\0\0\1N\0\2t\0\0\0\2"
                                "42t\0\0\0\0");

  announce(MESSAGE(RELATION_T));
  cr_assert_eq(decode(message), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_INSERT);
  cr_expect(span_is(change.relation->schema, "public"));
  cr_expect(span_is(change.relation->table, "t"));
  cr_expect_eq(change.relation->columns[0].type_oid, PG_INT4);
  cr_expect_eq(change.relation->columns[1].type_oid, PG_TEXT);
  cr_expect(span_is(change.values[0].text, "42"));
  cr_expect_eq(change.values[0].text.data, message.data + 13);
  cr_expect_eq(change.values[1].state, VALUE_PRESENT, "an empty text is no null");
  cr_expect_eq(change.values[1].text.length, 0);
  cr_expect(!span_is_null(change.values[1].text));
}

Test(pgoutput, null_is_a_null_span)
{
  announce(MESSAGE(RELATION_T));
  cr_assert_eq(decode(MESSAGE("I\0\0\0\1N\0\2t\0\0\0\1"
                              "1n")),
               VERDICT_OK);
  cr_expect_eq(change.values[1].state, VALUE_NULL);
  cr_expect(span_is_null(change.values[1].text));
}

Test(pgoutput, boolean_and_bytea_take_their_canonical_form)
{
  announce(MESSAGE(RELATION_FLAGS));
  cr_assert_eq(decode(MESSAGE("I\0\0\0\2N\0\2t\0\0\0\1tt\0\0\0\6\\x00ff")), VERDICT_OK);
  cr_expect(span_is(change.values[0].text, "true"));
  cr_expect(span_is(change.values[1].text, "00ff"));
  cr_assert_eq(decode(MESSAGE("I\0\0\0\2N\0\2t\0\0\0\1ft\0\0\0\2\\x")), VERDICT_OK);
  cr_expect(span_is(change.values[0].text, "false"));
  cr_expect(span_is(change.values[1].text, ""));
}

Test(pgoutput, update_gives_the_new_row_whatever_comes_before_it)
{
  static const struct span updates[] = {
      MESSAGE("U\0\0\0\1N\0\2t\0\0\0\1"
              "7u"),
      MESSAGE("U\0\0\0\1K\0\2t\0\0\0\1"
              "5nN\0\2t\0\0\0\1"
              "7u"),
      MESSAGE("U\0\0\0\1O\0\2t\0\0\0\1"
              "5t\0\0\0\1oN\0\2t\0\0\0\1"
              "7u"),
  };

  announce(MESSAGE(RELATION_T));
  for (size_t i = 0; i < sizeof(updates) / sizeof(updates[0]); i++) {
    cr_assert_eq(decode(updates[i]), VERDICT_OK, "update %zu: %s", i, problem.text);
    cr_expect_eq(change.kind, CHANGE_UPDATE);
    cr_expect(span_is(change.values[0].text, "7"));
    cr_expect_eq(change.values[1].state, VALUE_UNCHANGED);
    cr_expect(span_is_null(change.values[1].text));
  }
}

Test(pgoutput, delete_gives_the_old_row)
{
  announce(MESSAGE(RELATION_T));
  cr_assert_eq(decode(MESSAGE("D\0\0\0\1K\0\2t\0\0\0\1"
                              "5n")),
               VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_DELETE);
  cr_expect(span_is(change.values[0].text, "5"));
  cr_expect_eq(change.values[1].state, VALUE_NULL);
  cr_assert_eq(decode(MESSAGE("D\0\0\0\1O\0\2nt\0\0\0\1o")), VERDICT_OK);
  cr_expect(span_is(change.values[1].text, "o"));
}

Test(pgoutput, truncate_names_every_table)
{
  announce(MESSAGE(RELATION_T));
  announce(MESSAGE(RELATION_C));
  cr_assert_eq(decode(MESSAGE("T\0\0\0\2\3\0\0\0\3\0\0\0\1")), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_TRUNCATE);
  cr_assert_eq(change.truncated_count, 2);
  cr_expect(span_is(change.truncated[0]->schema, "pg_catalog"), "an empty schema name means pg_catalog");
  cr_expect(span_is(change.truncated[1]->table, "t"));
  cr_expect_eq(change.relation, change.truncated[0]);
}

Test(pgoutput, message_gives_prefix_content_and_whether_it_belongs_to_a_transaction)
{
  cr_assert_eq(decode(MESSAGE("M\1\0\0\0\0\0\0\0\1outbox\0\0\0\0\3a\0b")), VERDICT_OK);
  cr_expect_eq(change.kind, CHANGE_MESSAGE);
  cr_expect(change.transactional);
  cr_expect(span_is(change.prefix, "outbox"));
  cr_expect(span_equals(change.content, MESSAGE("a\0b")));
  cr_assert_eq(decode(MESSAGE("M\0\0\0\0\0\0\0\0\1\0\0\0\0\0")), VERDICT_OK);
  cr_expect_not(change.transactional);
  cr_expect_eq(change.content.length, 0);
  cr_expect(!span_is_null(change.content));
}

Test(pgoutput, a_relation_sent_again_unchanged_keeps_its_struct)
{
  const struct relation *first;

  announce(MESSAGE(RELATION_C));
  cr_assert_eq(decode(MESSAGE("I\0\0\0\3N\0\0")), VERDICT_OK);
  first = change.relation;
  announce(MESSAGE(RELATION_C));
  cr_assert_eq(decode(MESSAGE("I\0\0\0\3N\0\0")), VERDICT_OK);
  cr_expect_eq(change.relation, first);
}

Test(pgoutput, a_changed_relation_replaces_the_old_one_which_stays_readable)
{
  const struct relation *first;

  announce(MESSAGE(RELATION_C));
  cr_assert_eq(decode(MESSAGE("I\0\0\0\3N\0\0")), VERDICT_OK);
  first = change.relation;
  announce(MESSAGE("R\0\0\0\3\0renamed\0n\0\0"));
  cr_assert_eq(decode(MESSAGE("I\0\0\0\3N\0\0")), VERDICT_OK);
  cr_expect_neq(change.relation->version, first->version);
  cr_expect(span_is(change.relation->table, "renamed"));
  cr_expect(span_is(first->table, "c"));
}

/* Each after the relations above; the words must name what is wrong. */
static const struct {
  struct span message;
  const char *words;
} damaged[] = {
    {MESSAGE(""), "empty"},
    {MESSAGE("Z"), "unknown type 0x5a"},
    {MESSAGE("S\0\0\0\1\1"), "unknown type"},
    {MESSAGE("B"), "begin of 1 bytes is cut short"},
    {MESSAGE("B\0\0\0\26\263\164\330\110\177\377\377\377\377\377\377\377\0\0\2\11"), "value out of range"},
    {MESSAGE("C\1\0\0\0\26\263\164\330\110\0\0\0\26\263\164\330\170\0\0\0\0\0\0\0\0"), "unknown flags 0x01"},
    {MESSAGE("I\0\0\0\11N\0\0"), "insert of unknown relation 9"},
    {MESSAGE("U\0\0\0\11N\0\0"), "update of unknown relation 9"},
    {MESSAGE("D\0\0\0\11K\0\0"), "delete of unknown relation 9"},
    {MESSAGE("T\0\0\0\1\0\0\0\0\11"), "truncate of unknown relation 9"},
    {MESSAGE("T\0\0\0\0\0"), "truncate of 0 relations"},
    {MESSAGE("T\377\377\377\377\0\0\0\0\1"), "truncate of 4294967295 relations"},
    {MESSAGE("I\0\0\0\1K\0\2nn"), "without a new row"},
    {MESSAGE("U\0\0\0\1K\0\2nn"), "without a new row"},
    {MESSAGE("D\0\0\0\1N\0\2nn"), "without an old row"},
    {MESSAGE("I\0\0\0\1N\0\1n"), "row of \"public.t\" has 1 values for 2 columns"},
    {MESSAGE("I\0\0\0\1N\0\3nnn"), "row of \"public.t\" has 3 values for 2 columns"},
    {MESSAGE("I\0\0\0\1N\0\2nb\0\0\0\1x"), "\"v\" is in binary form"},
    {MESSAGE("I\0\0\0\1N\0\2nu"), "\"v\" is left out"},
    {MESSAGE("D\0\0\0\1O\0\2nu"), "\"v\" is left out"},
    {MESSAGE("I\0\0\0\1N\0\2nz"), "\"v\" is of unknown kind 0x7a"},
    {MESSAGE("I\0\0\0\1N\0\2nt\0\0\0\2x"), "cut short"},
    {MESSAGE("I\0\0\0\1N\0\2nt\377\377\377\377x"), "cut short"},
    {MESSAGE("I\0\0\0\1N\0\2nnn"), "insert has 1 bytes behind its end"},
    {MESSAGE("I\0\0\0\2N\0\2t\0\0\0\1xn"), "\"b\" is not in the text form of its type 16"},
    {MESSAGE("I\0\0\0\2N\0\2t\0\0\0\4truen"), "\"b\" is not in the text form of its type 16"},
    {MESSAGE("I\0\0\0\2N\0\2nt\0\0\0\2ab"), "\"x\" is not in the text form of its type 17"},
    {MESSAGE("I\0\0\0\2N\0\2nt\0\0\0\1\\x"), "\"x\" is not in the text form of its type 17"},
    {MESSAGE("R\0\0\0\4public\0t\0d\6\201"), "relation 4 has 1665 columns"},
    {MESSAGE("R\0\0\0\4public\0t\0d\0\1\0id"), "relation of"},
    {MESSAGE("R\0\0\0\4public"), "relation of"},
    {MESSAGE("M\2\0\0\0\0\0\0\0\1p\0\0\0\0\0"), "unknown flags 0x02"},
    {MESSAGE("M\1\0\0\0\0\0\0\0\1p\0\377\377\377\377x"), "cut short"},
    {MESSAGE("M\1\0\0\0\0\0\0\0\1p"), "cut short"},
};

Test(pgoutput, damage_is_named)
{
  announce(MESSAGE(RELATION_T));
  announce(MESSAGE(RELATION_FLAGS));
  for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
    problem.text[0] = '\0';
    change.xid = 4711;
    cr_expect_eq(decode(damaged[i].message), VERDICT_RETRY, "case %zu", i);
    cr_expect(strncmp(problem.text, "damaged pgoutput message: ", 26) == 0, "case %zu: %s", i, problem.text);
    cr_expect(strstr(problem.text, damaged[i].words) != NULL, "case %zu: %s", i, problem.text);
    cr_expect_eq(change.xid, 4711, "case %zu", i);
  }
}

Test(pgoutput, a_damaged_relation_is_not_kept)
{
  cr_assert_eq(decode(MESSAGE("R\0\0\0\4public\0t\0d\0\0x")), VERDICT_RETRY);
  cr_expect_eq(decode(MESSAGE("I\0\0\0\4N\0\0")), VERDICT_RETRY);
}

Test(pgoutput, a_relation_that_changed_between_two_sessions_is_learned_anew)
{
  announce(MESSAGE(RELATION_T));
  decoder_reset(decoder);
  cr_expect_eq(decode(MESSAGE("I\0\0\0\1N\0\2t\0\0\0\1"
                              "1n")),
               VERDICT_RETRY, "a row by the shape of an older session");
  announce(MESSAGE("R\0\0\0\1"
                   "public\0t\0"
                   "d\0\2"
                   "\0v\0\0\0\0\31\377\377\377\377"
                   "\1id\0\0\0\0\27\377\377\377\377"));
  cr_assert_eq(decode(MESSAGE("I\0\0\0\1N\0\2t\0\0\0\1"
                              "xt\0\0\0\1"
                              "1")),
               VERDICT_OK);
  cr_expect(span_is(change.relation->columns[0].name, "v"));
  cr_expect(span_is(change.relation->columns[1].name, "id"));
}

Test(pgoutput, endless_changes_of_shape_end_the_session_and_not_the_memory)
{
  enum { NAME_BYTES = 1 << 20 };
  char *message = malloc(5 + NAME_BYTES + 16);
  enum verdict verdict = VERDICT_OK;
  size_t count = 0;

  memcpy(message, "R\0\0\0\1", 5);
  memset(message + 5, 'n', NAME_BYTES);
  memcpy(message + 5 + NAME_BYTES, "\0t\0d\0\0", 6);
  while (verdict == VERDICT_OK && count < 1000) {
    message[5 + count % 26] = (char)('A' + count / 26); /* another name each time */
    verdict = decode(span_of(message, 5 + NAME_BYTES + 6));
    arena_reset(&arena);
    count++;
  }
  cr_expect_eq(verdict, VERDICT_RETRY);
  cr_expect_str_eq(problem.cause, "relation_limit");
  cr_expect(count > 32 && count <= 64, "%zu relations of 1 MiB", count);
  decoder_reset(decoder);
  cr_expect_eq(decode(span_of(message, 5 + NAME_BYTES + 6)), VERDICT_OK, "a reset makes room again");
  free(message);
}
