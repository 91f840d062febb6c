/* test_router_headers.c - where headers come from, who wins, and what an application may not put into them. */
#include "outbox_row.h"
#include "route/placement.h"

static struct outbox o;

static void setup(void)
{
  outbox_init(&o);
}

static void teardown(void)
{
  outbox_done(&o);
}

TestSuite(router_headers, .init = setup, .fini = teardown);

static void headers(const char *text)
{
  o.entry.field_event_headers = "headers";
  o.entry.field_event_headers_is_set = true;
  outbox_set(&o, "headers", PG_JSONB, text);
}

Test(router_headers, the_column_of_the_default_name_is_read_without_being_configured)
{
  outbox_set(&o, "headers", PG_JSONB, "{\"correlationId\": \"c-1\"}");
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType correlationId lsn");
}

Test(router_headers, a_column_that_only_has_the_default_name_is_left_alone)
{
  outbox_set(&o, "headers", PG_TEXT, "X-Trace: 1");
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType lsn");
}

Test(router_headers, a_placement_of_the_default_column_takes_it_out_of_the_headers)
{
  o.entry.placements = "headers:header:all";
  outbox_set(&o, "headers", PG_JSONB, "{\"nested\": {}}");
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType all lsn");
}

Test(router_headers, a_configured_headers_column_is_read_whatever_its_type)
{
  o.entry.field_event_headers_is_set = true;
  outbox_set(&o, "headers", PG_TEXT, "{\"a\": 1}");
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType a lsn");
}

Test(router_headers, an_object_gives_texts_numbers_booleans_and_nulls)
{
  headers(" {\"a\": \"x\\u00e9\\n\", \"b\": -1.50, \"c\": true, \"d\": null, \"\\u0065\": \"\", \"f\": false} ");
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType a b c d e f lsn");
  assert_span(outbox_header(&o, "a"), "x\xc3\xa9\n");
  assert_span(outbox_header(&o, "b"), "-1.50");
  assert_span(outbox_header(&o, "c"), "true");
  assert_span(outbox_header(&o, "d"), NULL);
  assert_span(outbox_header(&o, "e"), "");
  assert_span(outbox_header(&o, "f"), "false");
}

Test(router_headers, a_list_gives_bytes_in_order_and_may_repeat_names)
{
  headers("[[\"b\", \"AP8=\"], [\"a\", null], [\"b\", \"\"], [\"c\", \"QUJD\\nREVG\"]]");
  outbox_must_route(&o);
  cr_assert_str_eq(outbox_header_names(&o), "id eventType b a b c lsn");
  cr_assert(span_equals(o.record.headers[2].value, span_of("\x00\xff", 2)));
  assert_span(o.record.headers[3].value, NULL);
  assert_span(o.record.headers[4].value, "");
  assert_span(outbox_header(&o, "c"), "ABCDEF");
}

Test(router_headers, no_headers_are_no_headers)
{
  static const char *const none[] = {NULL, "null", "{}", "[]", " { } "};

  for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
    headers(none[i]);
    outbox_must_route(&o);
    cr_assert_str_eq(outbox_header_names(&o), "id eventType lsn");
  }
}

Test(router_headers, what_is_no_set_of_headers_is_poison_and_the_others_are_kept)
{
  static const char *const bad[] = {
      "",
      "1",
      "\"text\"",
      "true",
      "{\"a\"}",
      "{\"a\":1",
      "{\"a\":1} x",
      "{\"a\":{}}",
      "{\"a\":[]}",
      "{\"\":1}",
      "{\"a\\u0000\":1}",
      "{\"a\":\"\\u0000\"}",
      "{\"a\\nb\":1}",
      "{\"\\u007f\":1}",
      "[1]",
      "[[\"a\"]]",
      "[[\"a\",\"QQ==\",1]]",
      "[[\"a\",1]]",
      "[[1,\"QQ==\"]]",
      "[[\"a\",\"QQ=\"]]",
      "[[\"a\",\"Q\"]]",
      "[[\"a\",\"Q-==\"]]",
      "[[\"a\",\"QQ==QQ==\"]]",
      "[[\"a\",\"Q=Q=\"]]",
      "[[\"a\",\"QQ=Q\"]]",
      "[[\"a\",\"Q===\"]]",
      "[[\"\",\"QQ==\"]]",
      "[{\"a\":1}]",
      "[[\"a\",\"QQ==\"]",
      "[[\"a\\u0001\",\"QQ==\"]]",
      "xyz",
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    headers(bad[i]);
    outbox_must_refuse(&o, ROUTE_REASON_BAD_HEADERS);
    cr_assert_str_eq(outbox_header_names(&o), "id eventType lsn", "%s", bad[i]);
    assert_span(o.record.key, "10711fa5");
    cr_assert_not_null(strstr(o.problem.text, "column \"headers\" of public.outbox"));
  }
}

/* What a service can commit must not be poison: tests/sql/outbox.sh asks the same of the table's CHECK. */
Test(router_headers, what_the_outbox_takes_is_delivered_and_nothing_else)
{
  FILE *list = fopen(FIXTURES "/event_headers.txt", "r");
  char line[512];
  size_t taken = 0;
  size_t refused = 0;

  cr_assert_not_null(list);
  while (fgets(line, sizeof(line), list) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "yes ", 4) == 0) {
      headers(line + 4);
      cr_assert_eq(outbox_route(&o), VERDICT_OK, "%s", line);
      taken++;
    } else if (strncmp(line, "no ", 3) == 0) {
      headers(line + 3);
      cr_assert(outbox_route(&o) == VERDICT_POISON && o.reason == ROUTE_REASON_BAD_HEADERS, "%s", line);
      refused++;
    }
  }
  (void)fclose(list);
  cr_assert(taken > 10 && refused > 40);
}

Test(router_headers, names_that_the_relay_or_the_configuration_gives_are_refused)
{
  static const struct config_header constants[] = {{"source", "shop"}};
  static const char *const names[] = {"id", "eventType", "lsn", "txid", "tenantId", "source"};

  o.entry.placements = "tenant:header:tenantId";
  o.entry.static_headers = constants;
  o.entry.static_header_count = 1;
  outbox_set(&o, "tenant", PG_TEXT, "t1");
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"%s\": \"forged\"}", names[i]);
    headers(text);
    outbox_must_refuse(&o, ROUTE_REASON_BAD_HEADERS);
    (void)snprintf(text, sizeof(text), "[[\"%s\", \"QQ==\"]]", names[i]);
    headers(text);
    outbox_must_refuse(&o, ROUTE_REASON_BAD_HEADERS);
  }
  headers("{\"ID\": 1, \"eventtype\": 2, \"tenant\": 3}");
  outbox_must_route(&o);
}

static char *many(size_t count, size_t value_bytes)
{
  static char text[1 << 20];
  size_t length = 0;

  text[length++] = '{';
  for (size_t i = 0; i < count; i++) {
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%s\"h%03zu\":\"", i > 0 ? "," : "", i);
    memset(text + length, 'x', value_bytes);
    length += value_bytes;
    text[length++] = '"';
  }
  text[length++] = '}';
  text[length] = '\0';
  return text;
}

Test(router_headers, as_many_as_the_limit_and_not_one_more)
{
  headers(many(ROUTE_EVENT_HEADERS_MAX, 1));
  outbox_must_route(&o);
  cr_assert_eq(o.record.header_count, 3 + ROUTE_EVENT_HEADERS_MAX);
  headers(many(ROUTE_EVENT_HEADERS_MAX + 1, 1));
  outbox_must_refuse(&o, ROUTE_REASON_BAD_HEADERS);
}

Test(router_headers, as_many_bytes_as_the_limit_and_not_one_more)
{
  headers(many(1, ROUTE_EVENT_HEADERS_MAX_BYTES - 4));
  outbox_must_route(&o);
  headers(many(1, ROUTE_EVENT_HEADERS_MAX_BYTES - 3));
  outbox_must_refuse(&o, ROUTE_REASON_BAD_HEADERS);
  headers(many(2, ROUTE_EVENT_HEADERS_MAX_BYTES / 2 - 4));
  outbox_must_route(&o);
  headers(many(2, ROUTE_EVENT_HEADERS_MAX_BYTES / 2 - 3));
  outbox_must_refuse(&o, ROUTE_REASON_BAD_HEADERS);
}

Test(router_headers, all_sources_together_have_a_limit)
{
  static char placements[2048];
  static char names[40][8];
  size_t length = 0;
  size_t placed = ROUTE_HEADERS_MAX - ROUTE_EVENT_HEADERS_MAX - 4; /* id, eventType, traceparent, lsn */

  for (size_t i = 0; i < placed; i++) {
    (void)snprintf(names[i], sizeof(names[i]), "c%zu", i);
    outbox_set(&o, names[i], PG_INT4, "1");
    length += (size_t)snprintf(placements + length, sizeof(placements) - length, "%s%s:header", i > 0 ? "," : "", names[i]);
  }
  o.entry.placements = placements;
  headers(many(ROUTE_EVENT_HEADERS_MAX, 1));
  outbox_must_route(&o);
  cr_assert_eq(o.record.header_count, ROUTE_HEADERS_MAX - 1); /* no traceparent */
  o.entry.transaction_header = true;
  cr_assert(outbox_compiles(&o));
  outbox_must_refuse(&o, ROUTE_REASON_BAD_HEADERS);
  cr_assert_eq(o.record.header_count, 4 + placed);
}

Test(router_headers, more_than_fit_by_configuration_alone_is_refused_at_start)
{
  static char placements[2048];
  size_t length = 0;

  for (size_t i = 0; i < ROUTE_HEADERS_MAX - 3; i++) {
    length += (size_t)snprintf(placements + length, sizeof(placements) - length, "%stype:header:h%zu", i > 0 ? "," : "", i);
  }
  o.entry.placements = placements;
  cr_assert_not(outbox_compiles(&o));
  cr_assert_str_eq(o.problems.problems[0].path, "outbox[0]");
  o.entry.tracing_field = NULL;
  cr_assert(outbox_compiles(&o));
}

Test(router_headers, a_placement_replaces_the_built_in_header)
{
  static const char *const names[] = {"id", "eventType", "lsn", "txid", "traceparent"};

  o.entry.transaction_header = true;
  outbox_set(&o, "mine", PG_TEXT, "value");
  outbox_set(&o, "tracingspancontext", PG_TEXT, "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char placement[64];

    (void)snprintf(placement, sizeof(placement), "mine:header:%s", names[i]);
    o.entry.placements = placement;
    cr_assert(outbox_compiles(&o));
    outbox_must_route(&o);
    assert_span(outbox_header(&o, names[i]), "value");
    cr_assert_eq(o.record.header_count, 5);
  }
  assert_span(o.record.event_id, "da8d6de6-3b77-45ff-8f44-57db55a7a06c");
}

Test(router_headers, a_constant_may_be_the_event_type_and_must_not_be_an_identity)
{
  static const char *const refused[] = {"id", "lsn", "txid", "", "a\nb"};
  struct config_header constant = {"eventType", "Legacy"};

  o.entry.static_headers = &constant;
  o.entry.static_header_count = 1;
  outbox_must_route(&o);
  assert_span(outbox_header(&o, "eventType"), "Legacy");
  for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
    constant.name = refused[i];
    cr_assert_not(outbox_compiles(&o));
    cr_assert_eq(o.problems.count, 1);
  }
}

Test(router_headers, a_constant_and_a_placement_must_not_share_a_name)
{
  struct config_header constant = {"tenant", "a"};

  o.entry.static_headers = &constant;
  o.entry.static_header_count = 1;
  o.entry.placements = "type:header:tenant";
  outbox_must_not_compile(&o, "headers.static.tenant", "twice");
}

Test(router_headers, the_events_own_traceparent_goes_before_the_tracing_column)
{
  outbox_set(&o, "tracingspancontext", PG_TEXT, "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  headers("{\"traceparent\": \"own\"}");
  outbox_must_route(&o);
  assert_span(outbox_header(&o, "traceparent"), "own");
}

Test(router_headers, bytea_columns_are_raw_bytes_in_headers)
{
  o.entry.placements = "hash:header";
  outbox_set(&o, "hash", PG_BYTEA, "00ff");
  outbox_must_route(&o);
  cr_assert(span_equals(outbox_header(&o, "hash"), span_of("\x00\xff", 2)));
}

Test(router_headers, placements_are_read_with_blanks_in_any_case_and_judged)
{
  static const struct {
    const char *text;
    size_t problems;
  } cases[] = {
      {" type : HEADER : t ,\n aggregateid:Envelope ", 0},
      {"type:header,type:header:two,type:envelope,type:partition", 0},
      {"type:header:", 1},
      {":header", 1},
      {"type::x", 1},
      {"type:header:a:b", 1},
      {"type:header,", 1},
      {",type:header", 1},
      {"type:body", 1},
      {"type:head", 1},
      {"   ", 1},
      {"type:header:a,id:header:a", 1},
      {"type:envelope:a,id:envelope:a", 1},
      {"type:envelope:a,id:header:a", 0},
      {"type:partition,id:partition", 1},
      {"type:envelope:payload", 1},
      {"payload:envelope", 1},
      {"type:header:payload", 0},
      {"type:header:a\001b", 1},
      {"a,b,c", 3},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    o.entry.placements = cases[i].text;
    (void)outbox_compiles(&o);
    cr_assert_eq(o.problems.count, cases[i].problems, "'%s': %zu problems", cases[i].text, o.problems.count);
  }
}

Test(router_headers, more_placements_than_the_limit_are_refused)
{
  static char text[4096];
  size_t length = 0;

  for (size_t i = 0; i <= PLACEMENTS_MAX; i++) {
    if (i == PLACEMENTS_MAX) {
      o.entry.placements = text;
      cr_assert(outbox_compiles(&o));
    }
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%scolumn%zu:envelope", i > 0 ? "," : "", i);
  }
  outbox_must_not_compile(&o, "table.fields.additional.placement", "more than");
}
