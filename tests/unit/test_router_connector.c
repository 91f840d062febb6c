/*
 * test_router_connector.c - the other cases of Debezium's tests around its outbox event router, and what none of them covers.
 *
 *   connector_N   AbstractEventRouterTest, 9 cases that Debezium runs against databases
 *   json_N        JsonSchemaDataTest, 8 cases: expansion there infers a schema, here it embeds the text
 *   tracing_N     ActivateTracingSpanTest, 3 cases
 *   engine_1      DebeziumEngineIT
 *   uncovered_X   situations that Debezium's tests leave out
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

TestSuite(router_connector, .init = setup, .fini = teardown);

Test(router_connector, connector_1_should_consume_records_from_insert)
{
  outbox_set(&o, "payload", PG_JSONB, "{\"email\": \"gh@mefi.in\"}");
  outbox_must_route(&o);
  assert_span(o.record.topic, "outbox.event.User");
  assert_span(o.record.key, "10711fa5");
  assert_span(o.record.value, "{\"email\": \"gh@mefi.in\"}");
}

Test(router_connector, connector_2_should_send_event_type_as_header)
{
  o.entry.placements = "type:header:eventType";
  outbox_must_route(&o);
  assert_span(outbox_header(&o, "eventType"), "UserCreated");
}

Test(router_connector, connector_3_should_send_event_type_as_value)
{
  o.entry.placements = "type:envelope:eventType";
  outbox_set(&o, "payload", PG_JSONB, "{\"a\": 1}");
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":{\"a\": 1},\"eventType\":\"UserCreated\"}");
}

Test(router_connector, connector_4_should_respect_json_format_as_string)
{
  outbox_set(&o, "payload", PG_JSON, "{\"b\" :  1, \"a\":1.10}");
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"b\" :  1, \"a\":1.10}");
}

Test(router_connector, connector_5_should_support_all_features)
{
  o.entry.placements =
      "version:envelope:eventVersion,aggregatetype:envelope:aggregateType,somebooltype:envelope:someBoolType,somebooltype:header,is_deleted:envelope:deleted";
  o.entry.field_timestamp = "createdat";
  outbox_set(&o, "version", PG_INT4, "1");
  outbox_set(&o, "createdat", PG_TIMESTAMP, "2019-03-24 20:52:59");
  outbox_set(&o, "somebooltype", PG_BOOL, "true");
  outbox_set(&o, "is_deleted", PG_BOOL, "false");
  outbox_set(&o, "payload", PG_JSONB, "{\"email\": \"gh@mefi.in\"}");
  outbox_must_route(&o);
  cr_assert_eq(o.record.timestamp_ms, INT64_C(1553460779000));
  cr_assert_str_eq(outbox_header_names(&o), "id eventType somebooltype lsn");
  assert_span(outbox_header(&o, "somebooltype"), "true");
  assert_span(o.record.key, "10711fa5");
  assert_span(o.record.value,
              "{\"payload\":{\"email\": \"gh@mefi.in\"},\"eventVersion\":1,\"aggregateType\":\"User\",\"someBoolType\":true,\"deleted\":false}");
}

Test(router_connector, connector_6_should_convert_microseconds_timestamp_to_milliseconds)
{
  o.entry.field_timestamp = "createdat";
  outbox_set(&o, "createdat", PG_TIMESTAMP, "2019-03-24 20:52:59.123999");
  outbox_must_route(&o);
  cr_assert_eq(o.record.timestamp_ms, INT64_C(1553460779123));
}

Test(router_connector, connector_7_should_not_produce_tombstone_event_for_null_payload)
{
  outbox_set(&o, "payload", PG_JSONB, NULL);
  outbox_must_route(&o);
  assert_span(o.record.value, "");
  o.entry.placements = "type:envelope";
  cr_assert(outbox_compiles(&o));
  outbox_must_route(&o);
  assert_span(o.record.value, "{\"payload\":null,\"type\":\"UserCreated\"}");
}

Test(router_connector, connector_8_should_produce_tombstone_event_for_null_payload)
{
  o.entry.tombstone_on_empty_payload = true;
  outbox_set(&o, "payload", PG_JSONB, NULL);
  outbox_must_route(&o);
  assert_span(o.record.value, NULL);
}

Test(router_connector, connector_9_should_produce_tombstone_event_for_empty_payload)
{
  o.entry.tombstone_on_empty_payload = true;
  outbox_set(&o, "payload", PG_VARCHAR, "");
  outbox_must_route(&o);
  assert_span(o.record.value, NULL);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType lsn");
}

/* The payload embedded beside another member, exactly as written, and not counted as refused. */
static void embeds(uint32_t type_oid, const char *payload)
{
  char expected[512];

  o.entry.placements = "type:envelope";
  o.entry.expand_json_payload = true;
  outbox_set(&o, "payload", type_oid, payload);
  outbox_must_route(&o);
  (void)snprintf(expected, sizeof(expected), "{\"payload\":%s,\"type\":\"UserCreated\"}", payload);
  assert_span(o.record.value, expected);
  cr_assert_eq(router_counts(o.router)->payloads_not_expanded, 0);
}

Test(router_connector, json_1_array)
{
  embeds(PG_TEXT, "[{\"key\": \"a\"}, {\"key\": \"b\"}]");
}

Test(router_connector, json_2_array_with_different_number_types__is_no_failure)
{
  embeds(PG_TEXT, "{\"test\": [1, 2.0, 3.0]}");
}

Test(router_connector, json_3_insert)
{
  embeds(PG_TEXT, "{\"heartbeat\": {\"a\": {\"b\": \"c\"}}, \"n\": 12345678901}");
}

Test(router_connector, json_4_null_node__is_kept)
{
  embeds(PG_TEXT, "{\"heartbeat\": null, \"a\": 1}");
}

Test(router_connector, json_5_empty_array_field__is_kept_by_default)
{
  embeds(PG_TEXT, "{\"a\": [], \"b\": 1}");
}

Test(router_connector, json_6_empty_array_field_of_strings)
{
  embeds(PG_JSON, "{\"a\": []}");
}

Test(router_connector, json_7_nested_empty_array_field)
{
  embeds(PG_JSONB, "{\"a\": {\"b\": [[]]}}");
}

Test(router_connector, json_8_empty_array_at_the_top)
{
  embeds(PG_TEXT, "[]");
}

#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Test(router_connector, tracing_1_a_given_context_is_passed_on)
{
  outbox_set(&o, "tracingspancontext", PG_VARCHAR, "#Mon Jan 01 00:00:00 UTC 2024\ntraceparent=" TRACEPARENT "\ntracestate=a\\=b\n");
  outbox_must_route(&o);
  assert_span(outbox_header(&o, "traceparent"), TRACEPARENT);
}

Test(router_connector, tracing_2_no_context_not_required__makes_none_up)
{
  outbox_set(&o, "tracingspancontext", PG_VARCHAR, NULL);
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType lsn");
}

Test(router_connector, tracing_3_no_context_required__a_configured_column_must_exist)
{
  o.entry.tracing_is_set = true;
  outbox_must_refuse(&o, ROUTE_REASON_MISSING_COLUMN);
  outbox_set(&o, "tracingspancontext", PG_VARCHAR, "no=trace");
  outbox_must_route(&o);
  cr_assert_eq(outbox_header_count(&o, "traceparent"), 0);
}

Test(router_connector, engine_1_should_serialize_arbitrary_payload_from_outbox)
{
  outbox_set(&o, "payload", PG_BYTEA, "deadbeef00");
  outbox_must_route(&o);
  cr_assert(span_equals(o.record.value, span_of("\xde\xad\xbe\xef\x00", 5)));
  assert_span(o.record.key, "10711fa5");
}

Test(router_connector, uncovered_null_key_is_poison)
{
  outbox_set(&o, "aggregateid", PG_VARCHAR, NULL);
  outbox_must_refuse(&o, ROUTE_REASON_NULL_KEY);
}

Test(router_connector, uncovered_null_route_value_is_poison)
{
  outbox_set(&o, "aggregatetype", PG_VARCHAR, NULL);
  outbox_must_refuse(&o, ROUTE_REASON_NULL_ROUTE);
}

Test(router_connector, uncovered_null_partition_goes_by_key)
{
  o.entry.placements = "p:partition";
  outbox_set(&o, "p", PG_INT4, NULL);
  outbox_must_route(&o);
  cr_assert_eq(o.record.partition, RECORD_PARTITION_BY_KEY);
}

Test(router_connector, uncovered_bigint_and_smallint_partitions)
{
  o.entry.placements = "p:partition";
  outbox_set(&o, "p", PG_INT8, "7");
  outbox_must_route(&o);
  cr_assert_eq(o.record.partition, 7);
  outbox_set(&o, "p", PG_INT2, "8");
  outbox_must_route(&o);
  cr_assert_eq(o.record.partition, 8);
}

Test(router_connector, uncovered_regex_that_does_not_match_leaves_the_route_value)
{
  static const char *const allow[] = {"User", "outbox.event.*"};

  o.entry.route_regex = "X(?<routedByValue>.*)";
  o.entry.allow = allow;
  o.entry.allow_count = 2;
  outbox_must_route(&o);
  assert_span(o.record.topic, "User");
  outbox_set(&o, "aggregatetype", PG_VARCHAR, "XUser");
  outbox_must_route(&o);
  assert_span(o.record.topic, "outbox.event.User");
}

Test(router_connector, uncovered_truncate_is_counted_for_each_outbox_and_fatal_when_so_configured)
{
  struct relation other = {.version = 1000, .schema = span_of_text("public"), .table = span_of_text("orders")};
  const struct relation *const truncated[] = {&other, &o.relation};
  struct change change = {.kind = CHANGE_TRUNCATE, .relation = &other, .truncated = truncated, .truncated_count = 2};

  o.entry.invalid_operation = INVALID_OPERATION_ERROR;
  cr_assert_eq(outbox_route_change(&o, &change), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
  cr_assert_eq(router_counts(o.router)->operations_ignored, 1);
  cr_assert_eq(router_counts(o.router)->operations_error, 1);
  o.entry.invalid_operation = INVALID_OPERATION_FATAL;
  cr_assert_eq(outbox_route_change(&o, &change), VERDICT_FATAL);
  cr_assert_not_null(strstr(o.problem.text, "truncate of public.outbox"));
}

Test(router_connector, uncovered_a_streamed_row_is_not_marked)
{
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType lsn");
}

Test(router_connector, uncovered_order_of_headers_and_null_headers)
{
  static const struct config_header constants[] = {{"source", "shop"}, {"version", "1.0"}};

  o.entry.placements = "b:header, a:header";
  o.entry.static_headers = constants;
  o.entry.static_header_count = 2;
  o.entry.field_event_headers = "headers";
  o.entry.field_event_headers_is_set = true;
  o.entry.transaction_header = true;
  outbox_set(&o, "a", PG_TEXT, "1");
  outbox_set(&o, "b", PG_TEXT, NULL);
  outbox_set(&o, "headers", PG_JSONB, "{\"z\": \"last\", \"c\": null}");
  outbox_set(&o, "tracingspancontext", PG_TEXT, "traceparent=" TRACEPARENT);
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType b a source version z c traceparent lsn txid");
  assert_span(outbox_header(&o, "b"), NULL);
  assert_span(outbox_header(&o, "c"), NULL);
  assert_span(outbox_header(&o, "source"), "shop");
  assert_span(outbox_header(&o, "lsn"), "16/B374D848/2");
  assert_span(outbox_header(&o, "txid"), "731");
}

Test(router_connector, uncovered_top_level_json_array_is_expanded)
{
  embeds(PG_TEXT, "[1, [2], {\"a\": null}]");
}

Test(router_connector, uncovered_numbers_beyond_64_bits_are_kept)
{
  embeds(PG_TEXT, "{\"n\": 123456789012345678901234567890, \"m\": 0.1000000000000000000000001}");
}

Test(router_connector, uncovered_whitespace_payload_is_a_tombstone_when_asked_for)
{
  o.entry.tombstone_on_empty_payload = true;
  outbox_set(&o, "payload", PG_TEXT, " \t\n  ");
  outbox_must_route(&o);
  assert_span(o.record.value, NULL);
  o.entry.tombstone_on_empty_payload = false;
  outbox_must_route(&o);
  assert_span(o.record.value, " \t\n  ");
}

Test(router_connector, uncovered_jsonb_null_is_a_value_and_no_tombstone)
{
  o.entry.tombstone_on_empty_payload = true;
  outbox_set(&o, "payload", PG_JSONB, "null");
  outbox_must_route(&o);
  assert_span(o.record.value, "null");
}

Test(router_connector, uncovered_several_tables_with_columns_of_their_own)
{
  struct config_outbox entries[2] = {o.entry, o.entry};

  entries[1].table = "sales.events";
  entries[1].table_schema = "sales";
  entries[1].table_name = "events";
  entries[1].field_key = "type";
  o.config.outbox = entries;
  o.config.outbox_count = 2;
  outbox_must_route(&o);
  cr_assert_eq(o.record.entry, 0);
  assert_span(o.record.key, "10711fa5");
  o.relation.schema = span_of_text("sales");
  o.relation.table = span_of_text("events");
  o.relation.version++;
  outbox_must_route(&o);
  cr_assert_eq(o.record.entry, 1);
  assert_span(o.record.key, "UserCreated");
}

Test(router_connector, uncovered_behavior_error_drops_updates_and_tells_the_caller)
{
  o.entry.invalid_operation = INVALID_OPERATION_ERROR;
  cr_assert_eq(outbox_route_kind(&o, CHANGE_UPDATE), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
  cr_assert_eq(router_counts(o.router)->operations_error, 1);
  cr_assert_eq(outbox_route_kind(&o, CHANGE_DELETE), VERDICT_OK);
  cr_assert_eq(router_counts(o.router)->operations_error, 1);
  cr_assert_eq(router_counts(o.router)->operations_ignored, 2);
}

Test(router_connector, uncovered_messages_of_others_are_nothing)
{
  struct change change = {.kind = CHANGE_MESSAGE, .prefix = span_of_text("outbox"), .content = span_of_text("{}"), .transactional = true};

  cr_assert_eq(outbox_route_change(&o, &change), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
}
