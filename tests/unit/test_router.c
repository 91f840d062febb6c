/* test_router.c - what a row must have to become an event, what is kept of one that does not, and what the router remembers between rows. */
#include "outbox_row.h"

static struct outbox o;

static void setup(void)
{
  outbox_init(&o);
}

static void teardown(void)
{
  outbox_done(&o);
}

TestSuite(router, .init = setup, .fini = teardown);

Test(router, an_empty_key_is_poison)
{
  outbox_set(&o, "aggregateid", PG_TEXT, "");
  outbox_must_refuse(&o, ROUTE_REASON_EMPTY_KEY);
  outbox_set(&o, "aggregateid", PG_BYTEA, "");
  outbox_must_refuse(&o, ROUTE_REASON_EMPTY_KEY);
}

Test(router, an_empty_route_value_is_poison)
{
  outbox_set(&o, "aggregatetype", PG_TEXT, "");
  outbox_must_refuse(&o, ROUTE_REASON_NULL_ROUTE);
}

Test(router, built_in_columns_may_be_absent_unless_configured)
{
  outbox_drop(&o, "id");
  outbox_drop(&o, "type");
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "lsn");
  assert_span(o.record.event_id, NULL);
  o.entry.field_type_is_set = true;
  cr_assert(outbox_compiles(&o));
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
  o.entry.field_type_is_set = false;
  o.entry.field_id_is_set = true;
  cr_assert(outbox_compiles(&o));
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
}

Test(router, key_payload_route_and_configured_columns_are_always_required)
{
  static const char *const names[] = {"aggregateid", "payload", "aggregatetype", "created_at", "headers"};

  o.entry.field_timestamp = "created_at";
  o.entry.field_event_headers = "headers";
  o.entry.field_event_headers_is_set = true;
  o.entry.missing_is_error = false;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char quoted[32];

    outbox_set(&o, "created_at", PG_TIMESTAMPTZ, "2023-01-01 00:00:00+00");
    outbox_set(&o, "headers", PG_JSONB, "{}");
    outbox_must_route(&o);
    outbox_drop(&o, names[i]);
    outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", names[i]);
    cr_assert_not_null(strstr(o.problem.text, quoted));
    outbox_set(&o, names[i], PG_TEXT, i == 0 ? "key" : "User");
  }
}

Test(router, a_required_column_stays_required_when_it_is_also_placed)
{
  o.entry.placements = "aggregateid:header:x";
  o.entry.missing_is_error = false;
  outbox_drop(&o, "aggregateid");
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
}

Test(router, poison_in_the_envelope_keeps_the_payload_alone)
{
  o.entry.placements = "type:envelope,hash:envelope";
  outbox_set(&o, "hash", PG_BYTEA, "xyz");
  outbox_must_refuse(&o, ROUTE_REASON_BAD_VALUE);
  assert_span(o.record.value, "{}");
}

Test(router, null_event_id_and_type_are_null_headers)
{
  outbox_set(&o, "id", PG_UUID, NULL);
  outbox_set(&o, "type", PG_TEXT, NULL);
  outbox_must_route(&o);
  assert_span(outbox_header(&o, "id"), NULL);
  assert_span(outbox_header(&o, "eventType"), NULL);
}

Test(router, poison_keeps_what_a_dead_letter_needs)
{
  o.entry.placements = "tenant:header,type:envelope";
  outbox_set(&o, "tenant", PG_TEXT, "t1");
  outbox_set(&o, "payload", PG_BYTEA, "6869");
  outbox_set(&o, "aggregatetype", PG_TEXT, "not/legal");
  outbox_must_refuse(&o, ROUTE_REASON_ILLEGAL_TOPIC);
  assert_span(o.record.key, "10711fa5");
  assert_span(o.record.value, "hi");
  assert_span(o.record.event_id, "da8d6de6-3b77-45ff-8f44-57db55a7a06c");
  cr_assert_str_eq(outbox_header_names(&o), "id eventType tenant lsn");
  cr_assert_eq(o.record.timestamp_ms, INT64_C(1700000000123));
  cr_assert_eq(o.record.partition, RECORD_PARTITION_BY_KEY);
  cr_assert_eq(position_compare(o.record.position, o.position), 0);
}

Test(router, poison_without_a_key_or_a_column_still_has_the_rest)
{
  outbox_set(&o, "aggregateid", PG_TEXT, NULL);
  outbox_must_refuse(&o, ROUTE_REASON_NULL_KEY);
  assert_span(o.record.key, NULL);
  assert_span(o.record.value, "{}");
  outbox_drop(&o, "aggregateid");
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
  assert_span(o.record.key, NULL);
  assert_span(o.record.value, "{}");
  cr_assert_str_eq(outbox_header_names(&o), "id eventType lsn");
}

Test(router, the_first_reason_stays)
{
  o.entry.placements = "p:partition";
  outbox_set(&o, "aggregateid", PG_TEXT, NULL);
  outbox_set(&o, "aggregatetype", PG_TEXT, "not/legal");
  outbox_set(&o, "p", PG_INT4, "-1");
  outbox_must_refuse(&o, ROUTE_REASON_NULL_KEY);
  cr_assert_not_null(strstr(o.problem.text, "aggregateid"));
  cr_assert_not_null(strstr(o.problem.hint, "NOT NULL"));
}

Test(router, bytea_that_is_no_hexadecimal_is_poison)
{
  static const char *const columns[] = {"id", "aggregateid", "payload", "aggregatetype", "type"};

  for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
    outbox_set(&o, columns[i], PG_BYTEA, "abc");
    outbox_must_refuse(&o, ROUTE_REASON_BAD_VALUE);
    outbox_set(&o, columns[i], PG_BYTEA, "6g");
    outbox_must_refuse(&o, ROUTE_REASON_BAD_VALUE);
    outbox_set(&o, columns[i], PG_BYTEA, "4142");
    outbox_must_route(&o);
  }
}

Test(router, a_value_that_was_not_sent_is_poison_and_not_null)
{
  o.entry.tombstone_on_empty_payload = true;
  o.values[outbox_find(&o, "payload")] = (struct value){.state = VALUE_UNCHANGED};
  outbox_must_refuse(&o, ROUTE_REASON_BAD_VALUE);
}

Test(router, an_empty_bytea_is_a_value_and_only_null_a_tombstone)
{
  o.entry.tombstone_on_empty_payload = true;
  outbox_set(&o, "payload", PG_BYTEA, "");
  outbox_must_route(&o);
  assert_span(o.record.value, "");
  outbox_set(&o, "payload", PG_BYTEA, "2020");
  outbox_must_route(&o);
  assert_span(o.record.value, "  ");
  outbox_set(&o, "payload", PG_BYTEA, NULL);
  outbox_must_route(&o);
  assert_span(o.record.value, NULL);
}

Test(router, partitions_are_checked)
{
  static const struct {
    uint32_t type_oid;
    const char *text;
    int32_t partition; /* -1: poison */
  } cases[] = {
      {PG_INT4, "0", 0},           {PG_INT8, "2147483647", INT32_MAX},
      {PG_INT8, "2147483648", -1}, {PG_INT8, "9223372036854775807", -1},
      {PG_INT4, "-1", -1},         {PG_INT4, "", -1},
      {PG_TEXT, "1", -1},          {PG_NUMERIC, "1", -1},
      {PG_FLOAT8, "1", -1},        {PG_BOOL, "true", -1},
      {PG_INT8, "1 ", -1},
  };

  o.entry.placements = "p:PARTITION:ignored";
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    outbox_set(&o, "p", cases[i].type_oid, cases[i].text);
    if (cases[i].partition >= 0) {
      outbox_must_route(&o);
      cr_assert_eq(o.record.partition, cases[i].partition);
    } else {
      outbox_must_refuse(&o, ROUTE_REASON_BAD_PARTITION);
    }
  }
}

Test(router, timestamps_are_the_columns_or_else_the_commits)
{
  enum { COMMIT = -1, POISON = -2 };
  static const struct {
    uint32_t type_oid;
    const char *text;
    int64_t ms;
    uint64_t replaced;
  } cases[] = {
      {PG_TIMESTAMPTZ, "2023-11-14 22:13:20.5+00", 1700000000500, 0},
      {PG_TIMESTAMPTZ, "2023-11-15 03:43:20+05:30", 1700000000000, 0},
      {PG_TIMESTAMP, "2023-11-14 22:13:20", 1700000000000, 0},
      {PG_INT8, "1699999999999", 1699999999999, 0},
      {PG_INT8, "1", 1, 0},
      {PG_INT8, "1700003601000", 1700003601000, 0}, /* one hour ahead of now */
      {PG_INT8, "1700003601001", COMMIT, 1},
      {PG_INT8, "0", COMMIT, 1},
      {PG_INT8, "-1", COMMIT, 1},
      {PG_INT8, "9223372036854775807", COMMIT, 1},
      {PG_TIMESTAMPTZ, "infinity", COMMIT, 1},
      {PG_TIMESTAMPTZ, "-infinity", COMMIT, 1},
      {PG_TIMESTAMPTZ, "0044-03-15 12:00:00+00 BC", COMMIT, 1},
      {PG_TIMESTAMPTZ, "12023-11-14 22:13:20+00", COMMIT, 1},
      {PG_TIMESTAMPTZ, NULL, COMMIT, 0},
      {PG_TIMESTAMPTZ, "yesterday", POISON, 0},
      {PG_INT8, "1.5", POISON, 0},
      {PG_DATE, "2023-11-14", POISON, 0},
      {PG_TEXT, "2023-11-14 22:13:20", POISON, 0},
      {PG_INT4, "1700000000", POISON, 0},
  };

  o.entry.field_timestamp = "created_at";
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    uint64_t before = o.router == NULL ? 0 : router_counts(o.router)->timestamps_replaced;

    outbox_set(&o, "created_at", cases[i].type_oid, cases[i].text);
    if (cases[i].ms == POISON) {
      outbox_must_refuse(&o, ROUTE_REASON_BAD_VALUE);
    } else {
      outbox_must_route(&o);
      cr_assert_eq(o.record.timestamp_ms, cases[i].ms == COMMIT ? INT64_C(1700000000123) : cases[i].ms, "case %zu", i);
    }
    cr_assert_eq(router_counts(o.router)->timestamps_replaced - before, cases[i].replaced, "case %zu", i);
  }
}

Test(router, text_that_is_no_json_is_not_expanded_and_counted)
{
  static const char *const payloads[] = {"hello", "{\"a\":}", "{} x", "", "  ", "{'a':1}", "\xff"};

  o.entry.expand_json_payload = true;
  for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
    outbox_set(&o, "payload", PG_TEXT, payloads[i]);
    outbox_must_route(&o);
    assert_span(o.record.value, payloads[i]);
    cr_assert_eq(router_counts(o.router)->payloads_not_expanded, i + 1);
  }
  o.entry.placements = "type:envelope";
  cr_assert(outbox_compiles(&o));
  outbox_set(&o, "payload", PG_TEXT, "hello");
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":\"hello\",\"type\":\"UserCreated\"}");
}

Test(router, envelope_values_are_json_by_their_columns_type)
{
  static const struct {
    uint32_t type_oid;
    const char *text;
    const char *json;
  } cases[] = {
      {PG_INT2, "-5", "-5"},
      {PG_INT8, "9223372036854775807", "9223372036854775807"},
      {PG_FLOAT8, "1e+20", "1e+20"},
      {PG_FLOAT4, "NaN", "\"NaN\""},
      {PG_FLOAT8, "-Infinity", "\"-Infinity\""},
      {PG_NUMERIC, "Infinity", "\"Infinity\""},
      {PG_NUMERIC, "0.10", "0.10"},
      {PG_BOOL, "false", "false"},
      {PG_JSON, "{\"a\" : [1]}", "{\"a\" : [1]}"},
      {PG_JSONB, "null", "null"},
      {PG_UUID, "da8d6de6-3b77-45ff-8f44-57db55a7a06c", "\"da8d6de6-3b77-45ff-8f44-57db55a7a06c\""},
      {PG_TIMESTAMPTZ, "2023-11-14 22:13:20+00", "\"2023-11-14 22:13:20+00\""},
      {PG_TEXT, "a\"b\\c\n\r\t\b\f\x01\x1f\x7f/\xc3\xa9", "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f\x7f/\xc3\xa9\""},
      {PG_TEXT, "", "\"\""},
      {PG_TEXT, NULL, "null"},
      {PG_INT4, NULL, "null"},
      {PG_BYTEA, "", "\"\""},
      {PG_BYTEA, "00", "\"AA==\""},
      {PG_BYTEA, "fffe", "\"//4=\""},
      {PG_BYTEA, "fbefbe41", "\"++++QQ==\""},
      {0, "unknown type", "\"unknown type\""},
  };

  o.entry.placements = "x:envelope:a\"b";
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char expected[256];

    outbox_set(&o, "x", cases[i].type_oid, cases[i].text);
    outbox_must_route(&o);
    (void)snprintf(expected, sizeof(expected), "{\"payload\":\"{}\",\"a\\\"b\":%s}", cases[i].json);
    assert_span(o.record.value, expected);
  }
}

Test(router, columns_are_found_again_after_the_table_changed)
{
  outbox_must_route(&o);
  o.relation.version++;
  o.columns[0].name = span_of_text("aggregateid");
  o.columns[2].name = span_of_text("id");
  outbox_must_route(&o);
  assert_span(o.record.key, "da8d6de6-3b77-45ff-8f44-57db55a7a06c");
  assert_span(o.record.event_id, "10711fa5");
}

Test(router, a_version_that_falls_into_the_place_of_another_is_told_apart)
{
  outbox_must_route(&o);
  o.relation.version += 128;
  o.relation.table = span_of_text("orders");
  cr_assert_eq(outbox_route(&o), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
  o.relation.version -= 128;
  o.relation.table = span_of_text("outbox");
  outbox_must_route(&o);
}

Test(router, reset_forgets_relations)
{
  outbox_must_route(&o);
  router_reset(o.router);
  o.relation.table = span_of_text("orders"); /* the same version, from a new decoder */
  cr_assert_eq(outbox_route(&o), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
}

Test(router, names_are_compared_as_they_are)
{
  outbox_drop(&o, "payload");
  outbox_set(&o, "Payload", PG_JSON, "{}");
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
  o.relation.table = span_of_text("Outbox");
  o.relation.version++;
  cr_assert_eq(outbox_route(&o), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
}

Test(router, every_mistake_of_every_entry_is_listed)
{
  struct config_outbox entries[2] = {o.entry, o.entry};

  entries[0].route_regex = "(";
  entries[0].placements = "a:b,c";
  entries[1].table_name = "other";
  entries[1].route_replacement = "${none}";
  o.config.outbox = entries;
  o.config.outbox_count = 2;
  cr_assert_not(outbox_compiles(&o));
  cr_assert_eq(o.problems.count, 4);
  cr_assert_str_eq(o.problems.problems[3].path, "outbox[1].route.topic.replacement");
}

Test(router, reasons_have_the_names_that_metrics_promise)
{
  cr_assert_str_eq(route_reason_name(ROUTE_REASON_NULL_KEY), "null_key");
  cr_assert_str_eq(route_reason_name(ROUTE_REASON_REFUSED_BY_BROKER), "refused_by_broker");
}
