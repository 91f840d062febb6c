#include <criterion/criterion.h>

#include "decode/relation_store.h"

static struct relation shape(const char *table, const struct column *columns, size_t count)
{
  return (struct relation){.schema = span_of_text("public"), .table = span_of_text(table), .columns = columns, .column_count = count};
}

static const struct column id_int[] = {{{"id", 2}, PG_INT4}};
static const struct column id_text[] = {{{"id", 2}, PG_TEXT}};
static const struct column id_and_a[] = {{{"id", 2}, PG_INT4}, {{"a", 1}, PG_TEXT}};
static const struct column a_and_id[] = {{{"a", 1}, PG_TEXT}, {{"id", 2}, PG_INT4}};

Test(relation_store, any_difference_in_shape_is_another_relation_with_another_version)
{
  struct relation_store store;
  struct relation shapes[] = {shape("t", id_int, 1),   shape("t", id_text, 1),
                              shape("t", id_and_a, 2), shape("t", a_and_id, 2),
                              shape("u", id_int, 1),   shape("t", NULL, 0),
                              shape("tt", id_int, 1),  {.schema = span_of_text("publi"), .table = span_of_text("ct"), .columns = id_int, .column_count = 1}};
  enum { COUNT = sizeof(shapes) / sizeof(shapes[0]) };
  const struct relation *relations[COUNT];

  relation_store_init(&store);
  for (size_t i = 0; i < COUNT; i++) {
    relations[i] = relation_store_intern(&store, 1, &shapes[i]);
    cr_expect(relation_is_same_shape(relations[i], &shapes[i]));
    cr_expect_neq(relations[i]->version, 0);
    cr_expect_eq(relation_store_find(&store, 1), relations[i]);
    for (size_t j = 0; j < i; j++) {
      cr_expect_neq(relations[i]->version, relations[j]->version);
    }
  }
  for (size_t i = 0; i < COUNT; i++) {
    cr_expect_eq(relation_store_intern(&store, 1, &shapes[i]), relations[i], "shape %zu came again", i);
    cr_expect_eq(relation_store_find(&store, 1), relations[i], "the one that was met last counts");
  }
  relation_store_reset(&store);
}

Test(relation_store, names_are_copied_and_end_with_a_zero)
{
  struct relation_store store;
  char name[] = "idx";
  struct column column = {{name, 2}, PG_INT4};
  struct relation wanted = shape("t", &column, 1);
  const struct relation *relation;

  relation_store_init(&store);
  relation = relation_store_intern(&store, 1, &wanted);
  name[0] = 'X';
  cr_expect_str_eq(relation->columns[0].name.data, "id");
  cr_expect_str_eq(relation->schema.data, "public");
  cr_expect_str_eq(relation->table.data, "t");
  relation_store_reset(&store);
}

Test(relation_store, keys_that_share_a_bucket_are_kept_apart)
{
  struct relation_store store;
  struct relation wanted = shape("t", id_int, 1);
  const struct relation *first;
  const struct relation *second;

  relation_store_init(&store);
  first = relation_store_intern(&store, 5, &wanted);
  second = relation_store_intern(&store, 5 + RELATION_STORE_BUCKETS, &wanted);
  cr_expect_neq(first, second);
  cr_expect_eq(relation_store_find(&store, 5), first);
  cr_expect_eq(relation_store_find(&store, 5 + RELATION_STORE_BUCKETS), second);
  cr_expect_null(relation_store_find(&store, 6));
  cr_expect_null(relation_store_find(&store, 5 + 2 * RELATION_STORE_BUCKETS));
  relation_store_reset(&store);
}

Test(relation_store, a_reset_forgets_relations_but_no_version_is_given_twice)
{
  struct relation_store store;
  struct relation wanted = shape("t", id_int, 1);
  uint64_t version;

  relation_store_init(&store);
  version = relation_store_intern(&store, 1, &wanted)->version;
  relation_store_reset(&store);
  cr_expect_null(relation_store_find(&store, 1));
  cr_expect_eq(store.bytes, 0);
  cr_expect_gt(relation_store_intern(&store, 1, &wanted)->version, version);
  relation_store_reset(&store);
}

Test(relation_store, memory_is_bounded)
{
  static struct column columns[COLUMNS_MAX];
  struct relation_store store;
  struct relation wanted = shape("t", columns, COLUMNS_MAX);
  size_t count = 0;

  relation_store_init(&store);
  for (size_t i = 0; i < COLUMNS_MAX; i++) {
    columns[i] = (struct column){span_of_text("123456789012345678901234567890123456789012345678901234567890123"), PG_TEXT};
  }
  while (count < 10000 && relation_store_intern(&store, 1, &wanted) != NULL) {
    count++;
    columns[count % COLUMNS_MAX].type_oid++;
  }
  cr_expect_lt(count, RELATIONS_MAX_BYTES / (COLUMNS_MAX * 64));
  cr_expect_leq(store.bytes, (size_t)RELATIONS_MAX_BYTES);
  cr_expect_gt(store.bytes, (size_t)RELATIONS_MAX_BYTES / 2);
  relation_store_reset(&store);
}
