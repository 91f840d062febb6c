/* test_router_message.c - logical messages as events. */
#include "outbox_row.h"

static struct outbox o;

static void setup(void)
{
  outbox_init(&o);
  o.entry.table = "message:outbox";
  o.entry.table_schema = NULL;
  o.entry.table_name = NULL;
  o.entry.message_prefix = "outbox";
}

static void teardown(void)
{
  outbox_done(&o);
}

TestSuite(router_message, .init = setup, .fini = teardown);

static enum verdict emit(const char *prefix, const char *content, bool transactional)
{
  struct change change = {.kind = CHANGE_MESSAGE, .prefix = span_of_text(prefix), .content = span_of_text(content), .transactional = transactional};

  return outbox_route_change(&o, &change);
}

static void must_route(const char *content)
{
  enum verdict verdict = emit("outbox", content, true);

  cr_assert_eq(verdict, VERDICT_OK, "%s", o.problem.text);
  cr_assert_eq(o.outcome, ROUTE_EVENT);
}

static void must_refuse(const char *content, enum route_reason reason)
{
  cr_assert_eq(emit("outbox", content, true), VERDICT_POISON, "accepted: %s", content);
  cr_assert_eq(o.reason, reason, "%s: %s", content, route_reason_name(o.reason));
  cr_assert_str_eq(o.problem.cause, route_reason_name(reason));
  cr_assert_not_null(strstr(o.problem.text, "message:outbox"), "%s", o.problem.text);
  cr_assert(span_is_null(o.record.topic));
}

#define REST "\"id\":\"e1\",\"aggregatetype\":\"User\",\"aggregateid\":\"k1\",\"type\":\"T\""

Test(router_message, an_object_with_the_names_of_columns_is_an_event)
{
  must_route(" { \"id\" : \"e\\u0031\", \"aggregatetype\":\"User\", \"aggregateid\":\"k\\n\", \"type\":null, \"payload\": {\"a\" :  1.0} , \"more\":[1] } ");
  assert_span(o.record.topic, "outbox.event.User");
  assert_span(o.record.key, "k\n");
  assert_span(o.record.value, "{\"a\" :  1.0}");
  assert_span(o.record.event_id, "e1");
  cr_assert_str_eq(outbox_header_names(&o), "id eventType lsn");
  assert_span(outbox_header(&o, "eventType"), NULL);
}

Test(router_message, the_payload_is_the_text_of_its_member)
{
  static const char *const payloads[] = {"{}", "[1, 2]", "\"a\\u0000b\"", "\"\"", "12", "true"};

  o.entry.tombstone_on_empty_payload = true;
  for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
    char content[256];

    (void)snprintf(content, sizeof(content), "{" REST ",\"payload\":%s}", payloads[i]);
    must_route(content);
    assert_span(o.record.value, payloads[i]);
  }
  must_route("{" REST ",\"payload\":null}");
  assert_span(o.record.value, "null");
}

Test(router_message, members_have_types_of_their_own)
{
  o.entry.placements = "s:envelope,n:envelope,f:envelope,b:envelope,o:envelope,z:envelope,p:partition,s:header,o:header";
  must_route("{" REST ",\"payload\":[],\"s\":\"x\\\"y\",\"n\":12,\"f\":1.5e3,\"b\":true,\"o\":{\"k\": []},\"z\":null,\"p\":3}");
  assert_span(o.record.value, "{\"payload\":[],\"s\":\"x\\\"y\",\"n\":12,\"f\":1.5e3,\"b\":true,\"o\":{\"k\": []},\"z\":null}");
  cr_assert_eq(o.record.partition, 3);
  assert_span(outbox_header(&o, "s"), "x\"y");
  assert_span(outbox_header(&o, "o"), "{\"k\": []}");
}

Test(router_message, a_text_as_payload_is_json_in_the_envelope_too)
{
  o.entry.placements = "type:envelope";
  must_route("{" REST ",\"payload\":\"a\\\"b\"}");
  assert_span(o.record.value, "{\"payload\":\"a\\\"b\",\"type\":\"T\"}");
}

Test(router_message, partitions_that_are_no_integers_are_poison)
{
  o.entry.placements = "p:partition";
  must_refuse("{" REST ",\"payload\":1,\"p\":1.0}", ROUTE_REASON_BAD_PARTITION);
  must_refuse("{" REST ",\"payload\":1,\"p\":1e1}", ROUTE_REASON_BAD_PARTITION);
  must_refuse("{" REST ",\"payload\":1,\"p\":-1}", ROUTE_REASON_BAD_PARTITION);
  must_refuse("{" REST ",\"payload\":1,\"p\":\"1\"}", ROUTE_REASON_BAD_PARTITION);
}

Test(router_message, times_are_milliseconds_or_iso_8601)
{
  static const struct {
    const char *json;
    int64_t ms;
  } cases[] = {
      {"1600000000000", 1600000000000},
      {"\"2020-09-13T12:26:40.123456789Z\"", 1600000000123},
      {"\"2020-09-13T14:26:40+02:00\"", 1600000000000},
      {"\"2020-09-13 12:26:40\"", 1600000000000},
      {"null", 1700000000123},
  };

  o.entry.field_timestamp = "at";
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char content[256];

    (void)snprintf(content, sizeof(content), "{" REST ",\"payload\":1,\"at\":%s}", cases[i].json);
    must_route(content);
    cr_assert_eq(o.record.timestamp_ms, cases[i].ms, "%s", cases[i].json);
  }
  must_refuse("{" REST ",\"payload\":1,\"at\":\"soon\"}", ROUTE_REASON_BAD_VALUE);
  must_refuse("{" REST ",\"payload\":1,\"at\":1.5}", ROUTE_REASON_BAD_VALUE);
}

Test(router_message, event_headers_are_an_object_or_its_text)
{
  o.entry.field_event_headers = "headers";
  o.entry.field_event_headers_is_set = true;
  must_route("{" REST ",\"payload\":1,\"headers\":{\"a\":\"x\"}}");
  assert_span(outbox_header(&o, "a"), "x");
  must_route("{" REST ",\"payload\":1,\"headers\":\"{\\\"a\\\":\\\"y\\\"}\"}");
  assert_span(outbox_header(&o, "a"), "y");
}

Test(router_message, of_a_name_that_stands_twice_the_last_counts)
{
  must_route("{" REST ",\"payload\":1,\"aggregateid\":\"k2\",\"payload\":null}");
  assert_span(o.record.key, "k2");
  assert_span(o.record.value, "null");
}

Test(router_message, missing_members_are_missing_columns)
{
  must_refuse("{}", ROUTE_REASON_MISSING_COLUMN);
  cr_assert_not_null(strstr(o.problem.text, "field \"aggregateid\" of message:outbox"));
  must_refuse("{" REST "}", ROUTE_REASON_MISSING_COLUMN);
  assert_span(o.record.key, "k1");
  must_route("{\"aggregatetype\":\"User\",\"aggregateid\":\"k1\",\"payload\":1}");
  cr_assert_str_eq(outbox_header_names(&o), "lsn");
  must_refuse("{\"aggregatetype\":null,\"aggregateid\":\"k1\",\"payload\":1}", ROUTE_REASON_NULL_ROUTE);
}

Test(router_message, what_is_no_object_is_poison_and_kept_whole)
{
  static const char *const bad[] = {
      "", "[]", "1", "null", "{", "{\"id\":}", "{} {}", "{\"id\":\"\xff\"}", "not json", "{\"aggregateid\":\"\\u0000\"}", "{\"aggregateid\":\"\\ud800\"}"};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    must_refuse(bad[i], ROUTE_REASON_BAD_MESSAGE);
    assert_span(o.record.value, bad[i]);
    assert_span(o.record.key, NULL);
    cr_assert_eq(o.record.header_count, 0);
    cr_assert_eq(o.record.timestamp_ms, INT64_C(1700000000123));
    cr_assert_eq(position_compare(o.record.position, o.position), 0);
  }
}

Test(router_message, other_prefixes_and_messages_outside_of_transactions_are_nothing)
{
  cr_assert_eq(emit("outbox2", "not json", true), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
  cr_assert_eq(emit("outbox2", "not json", false), VERDICT_OK);
  cr_assert_eq(router_counts(o.router)->messages_not_transactional, 0);
  cr_assert_eq(emit("outbox", "not json", false), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
  cr_assert_eq(router_counts(o.router)->messages_not_transactional, 1);
}

Test(router_message, an_entry_of_messages_takes_no_rows)
{
  cr_assert_eq(outbox_route(&o), VERDICT_OK);
  cr_assert_eq(o.outcome, ROUTE_NOTHING);
}
