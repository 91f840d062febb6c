/*
 * test_router_debezium.c - the 44 cases of Debezium's EventRouterTest, in its order. What only exists in Kafka Connect (schemas, converters) is here as the
 * case that says what happens in its place. test_router_connector.c has the rest of Debezium's cases.
 */
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

TestSuite(router_debezium, .init = setup, .fini = teardown);

Test(router_debezium, row_01_can_skip_tombstone__a_delete_without_old_values_is_nothing)
{
  struct change change = {.kind = CHANGE_DELETE, .relation = &o.relation, .values = NULL};

  cr_assert_eq(outbox_route_change(&o, &change), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
}

Test(router_debezium, row_02_can_skip_deletion)
{
  o.entry.invalid_operation = INVALID_OPERATION_FATAL; /* which is about updates */
  cr_assert_eq(outbox_route_kind(&o, CHANGE_DELETE), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
  cr_assert_eq(router_counts(o.router)->operations_ignored, 1);
}

Test(router_debezium, row_03_unnamed_schema__another_schema_with_the_same_table_is_nothing)
{
  o.relation.schema = span_of_text("other");
  cr_assert_eq(outbox_route(&o), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
}

Test(router_debezium, row_04_looks_valid_without_the_fields__an_outbox_without_its_columns_is_poison)
{
  o.relation.column_count = 1;
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
}

Test(router_debezium, row_05_heartbeats__another_table_is_nothing_even_with_the_same_columns)
{
  o.relation.table = span_of_text("outbox_heartbeat");
  cr_assert_eq(outbox_route(&o), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
}

Test(router_debezium, row_06_missing_value_schema__what_is_no_row_is_nothing)
{
  static const enum change_kind kinds[] = {CHANGE_NONE, CHANGE_BEGIN, CHANGE_COMMIT};

  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    struct change change = {.kind = kinds[i]};

    cr_assert_eq(outbox_route_change(&o, &change), VERDICT_OK);
    cr_assert_eq(o.outcome, ROUTE_NOTHING);
  }
}

Test(router_debezium, row_07_can_skip_updates)
{
  cr_assert_eq(outbox_route_kind(&o, CHANGE_UPDATE), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
  cr_assert_eq(router_counts(o.router)->operations_ignored, 1);
  cr_assert_eq(router_counts(o.router)->operations_error, 0);
}

Test(router_debezium, row_08_can_fail_on_updates)
{
  o.entry.invalid_operation = INVALID_OPERATION_FATAL;
  cr_assert_eq(outbox_route_kind(&o, CHANGE_UPDATE), VERDICT_FATAL);
  cr_assert_eq(o.problem.code, EXIT_POISON);
  cr_assert_not_null(strstr(o.problem.text, "update of public.outbox"));
}

Test(router_debezium, row_09_can_extract_table_fields)
{
  outbox_must_route(&o);
  assert_span(o.record.value, "{}");
}

Test(router_debezium, row_10_can_set_default_message_key)
{
  outbox_must_route(&o);
  assert_span(o.record.key, "10711fa5");
}

Test(router_debezium, row_11_can_set_message_key)
{
  o.entry.field_key = "type";
  outbox_must_route(&o);
  assert_span(o.record.key, "UserCreated");
}

Test(router_debezium, row_12_fails_on_invalid_set_message_key)
{
  o.entry.field_key = "unknown";
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
  cr_assert_not_null(strstr(o.problem.text, "column \"unknown\""));
}

Test(router_debezium, row_13_timestamp_by_default__is_the_commit_time)
{
  outbox_must_route(&o);
  cr_assert_eq(o.record.timestamp_ms, INT64_C(1700000000123));
}

Test(router_debezium, row_14_can_set_timestamp_by_user_defined_configuration)
{
  o.entry.field_timestamp = "event_timestamp";
  outbox_set(&o, "event_timestamp", PG_INT8, "1553460779000");
  outbox_must_route(&o);
  cr_assert_eq(o.record.timestamp_ms, INT64_C(1553460779000));
}

Test(router_debezium, row_15_can_route_based_on_field)
{
  static const char *const cases[][2] = {{"User", "outbox.event.User"}, {"User", "outbox.event.User"}, {"Address", "outbox.event.Address"}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    outbox_set(&o, "aggregatetype", PG_VARCHAR, cases[i][0]);
    outbox_must_route(&o);
    assert_span(o.record.topic, cases[i][1]);
  }
}

Test(router_debezium, row_16_can_configure_every_table_field)
{
  o.entry.field_id = "event_id";
  o.entry.field_id_is_set = true;
  o.entry.field_key = "payload_id";
  o.entry.field_type = "payload_type";
  o.entry.field_type_is_set = true;
  o.entry.field_payload = "payload_body";
  o.entry.route_by_field = "my_route_field";
  o.relation.column_count = 0;
  outbox_set(&o, "event_id", PG_UUID, "da8d6de6-3b77-45ff-8f44-57db55a7a06c");
  outbox_set(&o, "payload_id", PG_VARCHAR, "10711fa5");
  outbox_set(&o, "payload_type", PG_VARCHAR, "UserCreated");
  outbox_set(&o, "payload_body", PG_VARCHAR, "{}");
  outbox_set(&o, "my_route_field", PG_VARCHAR, "User");
  outbox_must_route(&o);
  assert_span(outbox_header(&o, "id"), "da8d6de6-3b77-45ff-8f44-57db55a7a06c");
  assert_span(outbox_header(&o, "eventType"), "UserCreated");
  assert_span(o.record.event_id, "da8d6de6-3b77-45ff-8f44-57db55a7a06c");
  assert_span(o.record.topic, "outbox.event.User");
  assert_span(o.record.key, "10711fa5");
  assert_span(o.record.value, "{}");
}

Test(router_debezium, row_17_can_influence_table_column_types)
{
  o.entry.field_key = "payload_id";
  o.entry.route_by_field = "my_route_field";
  o.entry.placements = "is_deleted:envelope:deleted";
  outbox_set(&o, "id", PG_INT4, "2");
  outbox_set(&o, "payload_id", PG_INT4, "10");
  outbox_set(&o, "payload", PG_BYTEA, "7b7d");
  outbox_set(&o, "my_route_field", PG_VARCHAR, "customer");
  outbox_set(&o, "is_deleted", PG_BOOL, "true");
  outbox_must_route(&o);
  assert_span(outbox_header(&o, "id"), "2");
  assert_span(o.record.key, "10");
  assert_span(o.record.topic, "outbox.event.customer");
  assert_span(o.record.value, "{\"payload\":\"e30=\",\"deleted\":true}");
}

Test(router_debezium, row_18_schema_version__nothing_is_carried_from_one_event_to_the_next)
{
  static const char *const versions[] = {"1", "3", "1"};

  o.entry.placements = "version:envelope:eventVersion";
  for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
    char expected[64];

    outbox_set(&o, "version", PG_INT4, versions[i]);
    outbox_must_route(&o);
    (void)snprintf(expected, sizeof(expected), "{\"payload\":\"{}\",\"eventVersion\":%s}", versions[i]);
    assert_span(o.record.value, expected);
  }
}

Test(router_debezium, row_19_no_schema_version_by_default__the_value_has_nothing_around_it)
{
  outbox_set(&o, "version", PG_INT4, "1");
  outbox_must_route(&o);
  assert_span(o.record.value, "{}");
  cr_assert_eq(outbox_header_count(&o, "version"), 0);
}

Test(router_debezium, row_20_can_set_payload_type_into_the_envelope)
{
  o.entry.placements = "type:envelope";
  outbox_set(&o, "payload", PG_JSON, "{}");
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":{},\"type\":\"UserCreated\"}");
}

Test(router_debezium, row_21_can_set_payload_type_into_the_envelope_with_alias)
{
  o.entry.placements = "type:envelope:aggregateType";
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":\"{}\",\"aggregateType\":\"UserCreated\"}");
}

Test(router_debezium, row_22_can_set_multiple_fields_into_the_envelope)
{
  o.entry.placements = "type:envelope:payloadType,aggregateid:envelope:payloadId, type:header:payloadType";
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":\"{}\",\"payloadType\":\"UserCreated\",\"payloadId\":\"10711fa5\"}");
  assert_span(outbox_header(&o, "payloadType"), "UserCreated");
}

Test(router_debezium, row_23_can_set_partition_with_additional_fields)
{
  o.entry.placements = "p:partition";
  outbox_set(&o, "p", PG_INT4, "123");
  outbox_must_route(&o);
  cr_assert_eq(o.record.partition, 123);
  assert_span(o.record.value, "{}");
}

Test(router_debezium, row_24_should_fail_on_invalid_configuration_for_topic_regex)
{
  o.entry.route_regex = " [[a-z]";
  outbox_must_not_compile(&o, "route.topic.regex", "character class");
}

Test(router_debezium, row_25_should_fail_on_invalid_configuration_for_additional_fields)
{
  o.entry.placements = "type";
  outbox_must_not_compile(&o, "table.fields.additional.placement", "column:placement");
}

Test(router_debezium, row_26_should_fail_on_invalid_configuration_for_additional_fields_empty)
{
  o.entry.placements = "";
  outbox_must_not_compile(&o, "table.fields.additional.placement", "empty");
}

Test(router_debezium, row_27_invalid_operation_behavior__each_of_the_four_does_what_it_says)
{
  static const struct {
    enum invalid_operation behavior;
    enum verdict verdict;
    uint64_t errors;
  } cases[] = {
      {INVALID_OPERATION_WARN, VERDICT_OK, 0},
      {INVALID_OPERATION_IGNORE, VERDICT_OK, 0},
      {INVALID_OPERATION_ERROR, VERDICT_OK, 1},
      {INVALID_OPERATION_FATAL, VERDICT_FATAL, 0},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    o.entry.invalid_operation = cases[i].behavior;
    cr_assert(outbox_compiles(&o));
    cr_assert_eq(outbox_route_kind(&o, CHANGE_UPDATE), cases[i].verdict);
    cr_assert_eq(router_counts(o.router)->operations_error, cases[i].errors);
    cr_assert_eq(router_counts(o.router)->operations_ignored, 1);
    outbox_must_route(&o);
  }
}

/* Rows 28 to 32: a column's bytes arrive as they are, whatever its type. */
static void key_and_payload(uint32_t key_type, const char *key, const char *expected_key, uint32_t payload_type, const char *payload,
                            struct span expected_payload)
{
  outbox_set(&o, "aggregateid", key_type, key);
  outbox_set(&o, "payload", payload_type, payload);
  outbox_must_route(&o);
  assert_span(o.record.key, expected_key);
  cr_assert(span_equals(o.record.value, expected_payload));
}

Test(router_debezium, row_28_can_pass_string_key)
{
  key_and_payload(PG_TEXT, "10711fa5", "10711fa5", PG_TEXT, "{}", span_of_text("{}"));
}

Test(router_debezium, row_29_can_set_binary_message_key)
{
  o.entry.field_key = "eventType";
  outbox_set(&o, "eventType", PG_BYTEA, "4142");
  outbox_must_route(&o);
  assert_span(o.record.key, "AB");
}

Test(router_debezium, row_30_can_pass_binary_key)
{
  key_and_payload(PG_BYTEA, "0a6B6579", "\nkey", PG_TEXT, "{}", span_of_text("{}"));
}

Test(router_debezium, row_31_can_pass_int_key)
{
  key_and_payload(PG_INT4, "54321", "54321", PG_TEXT, "{}", span_of_text("{}"));
}

Test(router_debezium, row_32_can_pass_binary_message)
{
  key_and_payload(PG_TEXT, "k", "k", PG_BYTEA, "00ff7f80", span_of("\x00\xff\x7f\x80", 4));
}

Test(router_debezium, row_33_can_mark_an_event_as_deleted)
{
  o.entry.placements = "is_deleted:envelope:deleted";
  o.entry.tombstone_on_empty_payload = true;
  outbox_set(&o, "is_deleted", PG_BOOL, "true");
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":\"{}\",\"deleted\":true}");
  outbox_set(&o, "payload", PG_TEXT, "");
  outbox_must_route(&o);
  assert_span(o.record.value, NULL);
  assert_span(o.record.key, "10711fa5");
  assert_span(outbox_header(&o, "id"), "da8d6de6-3b77-45ff-8f44-57db55a7a06c");
}

Test(router_debezium, row_34_no_tombstone_if_not_configured)
{
  o.entry.placements = "is_deleted:envelope:deleted";
  outbox_set(&o, "is_deleted", PG_BOOL, "true");
  outbox_set(&o, "payload", PG_TEXT, "");
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":\"\",\"deleted\":true}");
  assert_span(o.record.key, "10711fa5");
}

/* Rows 35 to 42: expansion embeds the text, so that nothing in it can change or be lost. */
static void expand(const char *payload, const char *expected)
{
  o.entry.expand_json_payload = true;
  outbox_set(&o, "payload", PG_TEXT, payload);
  outbox_must_route(&o);
  assert_span(o.record.value, expected);
  cr_assert_eq(router_counts(o.router)->payloads_not_expanded, 0);
}

Test(router_debezium, row_35_can_expand_json_payload_if_configured)
{
  static const char payload[] = "{\"fullName\": \"John Doe\", \"rating\": 4.9, \"age\": 42, \"city\": {\"x\": true}, \"n\": [1, 2], \"o\": [{\"a\": 1}]}";

  expand(payload, payload);
}

Test(router_debezium, row_36_should_not_warn_on_null_payload_when_expanding)
{
  o.entry.tombstone_on_empty_payload = true;
  expand(NULL, NULL);
}

Test(router_debezium, row_37_can_expand_json_with_nested_arrays_where_first_array_is_empty)
{
  o.entry.placements = "type:envelope";
  expand("[{\"a\": []}, {\"a\": [{\"b\": 1}]}]", "{\"payload\":[{\"a\": []}, {\"a\": [{\"b\": 1}]}],\"type\":\"UserCreated\"}");
}

Test(router_debezium, row_38_json_payload_with_an_empty_array__keeps_the_array)
{
  o.entry.placements = "type:envelope";
  expand("{\"fullName\": \"John Doe\", \"children\": []}", "{\"payload\":{\"fullName\": \"John Doe\", \"children\": []},\"type\":\"UserCreated\"}");
}

Test(router_debezium, row_39_should_not_expand_json_payload_if_not_configured)
{
  o.entry.placements = "type:envelope";
  outbox_set(&o, "payload", PG_TEXT, "{\"fullName\": \"John Doe\",  \"age\":42}");
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":\"{\\\"fullName\\\": \\\"John Doe\\\",  \\\"age\\\":42}\",\"type\":\"UserCreated\"}");
}

Test(router_debezium, row_40_can_expand_json_payload_with_additional_field_in_envelope)
{
  o.entry.placements = "type:envelope";
  expand("{\"fullName\":\"John Doe\"}", "{\"payload\":{\"fullName\":\"John Doe\"},\"type\":\"UserCreated\"}");
}

Test(router_debezium, row_41_can_expand_json_array_with_first_element_null)
{
  expand("{\"a\":[null,2,3]}", "{\"a\":[null,2,3]}");
}

Test(router_debezium, row_42_can_expand_json_array_with_complex_elements)
{
  expand("{\"a\":[{\"b\":1,\"c\":\"x\"}]}", "{\"a\":[{\"b\":1,\"c\":\"x\"}]}");
  expand("{\"a\":[{\"b\":1},{\"c\":\"x\"}]}", "{\"a\":[{\"b\":1},{\"c\":\"x\"}]}");
}

Test(router_debezium, row_43_can_set_field_into_the_envelope_with_missing_field)
{
  o.entry.placements = "type:envelope,nowhere:envelope:alias,nothing:header,none:partition";
  o.entry.missing_is_error = false;
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":\"{}\",\"type\":\"UserCreated\"}");
  cr_assert_eq(outbox_header_count(&o, "nothing"), 0);
  cr_assert_eq(o.record.partition, RECORD_PARTITION_BY_KEY);
}

Test(router_debezium, row_44_should_fail_on_missing_field)
{
  o.entry.placements = "type:envelope,nowhere:envelope:alias";
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
  cr_assert_not_null(strstr(o.problem.text, "\"nowhere\""));
}
