/* Outbox entries: Debezium's options and block, ours, tables and prefixes, allow lists, policies. */
#include "config/options.h"
#include "config/table_name.h"
#include "config_fixture.h"

#define ENTRY(options) "{" MINIMAL ",\"outbox\":[{" options "}]}"

Test(config_outbox, defaults_are_debeziums)
{
  struct attempt attempt;
  const struct config_outbox *outbox;

  expect_loads(&attempt, "{" MINIMAL "}", NULL, NULL);
  outbox = &attempt.config->outbox[0];
  cr_assert_str_eq(outbox->field_id, "id");
  cr_assert_str_eq(outbox->field_key, "aggregateid");
  cr_assert_str_eq(outbox->field_type, "type");
  cr_assert_null(outbox->field_timestamp);
  cr_assert_str_eq(outbox->field_payload, "payload");
  cr_assert_str_eq(outbox->field_event_headers, "headers");
  cr_assert_not(outbox->field_event_headers_is_set);
  cr_assert(!outbox->field_id_is_set);
  cr_assert(!outbox->field_type_is_set);
  cr_assert_null(outbox->placements);
  cr_assert(outbox->missing_is_error);
  cr_assert_str_eq(outbox->route_by_field, "aggregatetype");
  cr_assert_str_eq(outbox->route_regex, "(?<routedByValue>.*)");
  cr_assert_str_eq(outbox->route_replacement, "outbox.event.${routedByValue}");
  cr_assert(!outbox->tombstone_on_empty_payload);
  cr_assert(!outbox->expand_json_payload);
  cr_assert_eq(outbox->invalid_operation, INVALID_OPERATION_WARN);
  cr_assert_str_eq(outbox->tracing_field, "tracingspancontext");
  cr_assert(!outbox->tracing_is_set);
  cr_assert_eq(outbox->allow_count, 1);
  cr_assert_str_eq(outbox->allow[0], "outbox.event.*");
  cr_assert_eq(outbox->static_header_count, 0);
  cr_assert(!outbox->transaction_header);
  cr_assert_eq(outbox->poison, POISON_STOP);
  cr_assert_null(outbox->dead_letter_topic);
  attempt_end(&attempt);
}

Test(config_outbox, every_option_is_read)
{
  struct attempt attempt;
  const struct config_outbox *outbox;

  expect_loads(&attempt,
               ENTRY("\"table\":\"shop.events\",\"table.field.event.id\":\"id\",\"table.field.event.key\":\"k\",\"table.field.event.type\":\"t\","
                     "\"table.field.event.timestamp\":\"ts\",\"table.field.event.payload\":\"p\",\"table.field.event.headers\":\"h\","
                     "\"table.fields.additional.placement\":\"a:header, b:envelope:c\",\"table.field.additional.missing\":\"ignore\",\"route.by.field\":\"r\","
                     "\"route.topic.regex\":\"(.*)\",\"route.topic.replacement\":\"x.$1\",\"route.topic.allow\":[\"x.a\",\"x.b*\"],"
                     "\"route.tombstone.on.empty.payload\":true,\"table.expand.json.payload\":\"true\",\"table.op.invalid.behavior\":\"fatal\","
                     "\"tracing.span.context.field\":\"tr\",\"headers.static\":{\"source\":\"shop\",\"version\":\"\"},\"headers.transaction\":true,"
                     "\"poison\":\"dead-letter\",\"dead.letter.topic\":\"dead\""),
               NULL, NULL);
  outbox = &attempt.config->outbox[0];
  cr_assert_str_eq(outbox->table, "shop.events");
  cr_assert_str_eq(outbox->table_schema, "shop");
  cr_assert_str_eq(outbox->table_name, "events");
  cr_assert_str_eq(outbox->field_id, "id");
  cr_assert(outbox->field_id_is_set, "named, although at its default name");
  cr_assert_str_eq(outbox->field_key, "k");
  cr_assert_str_eq(outbox->field_type, "t");
  cr_assert(outbox->field_type_is_set);
  cr_assert_str_eq(outbox->field_timestamp, "ts");
  cr_assert_str_eq(outbox->field_payload, "p");
  cr_assert_str_eq(outbox->field_event_headers, "h");
  cr_assert(outbox->field_event_headers_is_set);
  cr_assert_str_eq(outbox->placements, "a:header, b:envelope:c");
  cr_assert(!outbox->missing_is_error);
  cr_assert_str_eq(outbox->route_by_field, "r");
  cr_assert_str_eq(outbox->route_regex, "(.*)");
  cr_assert_str_eq(outbox->route_replacement, "x.$1");
  cr_assert_eq(outbox->allow_count, 2);
  cr_assert_str_eq(outbox->allow[0], "x.a");
  cr_assert_str_eq(outbox->allow[1], "x.b*");
  cr_assert(outbox->tombstone_on_empty_payload);
  cr_assert(outbox->expand_json_payload);
  cr_assert_eq(outbox->invalid_operation, INVALID_OPERATION_FATAL);
  cr_assert_str_eq(outbox->tracing_field, "tr");
  cr_assert(outbox->tracing_is_set);
  cr_assert_eq(outbox->static_header_count, 2);
  cr_assert_str_eq(outbox->static_headers[0].name, "source");
  cr_assert_str_eq(outbox->static_headers[0].value, "shop");
  cr_assert_str_eq(outbox->static_headers[1].name, "version");
  cr_assert_str_eq(outbox->static_headers[1].value, "");
  cr_assert(outbox->transaction_header);
  cr_assert_eq(outbox->poison, POISON_DEAD_LETTER);
  cr_assert_str_eq(outbox->dead_letter_topic, "dead");
  attempt_end(&attempt);
}

Test(config_outbox, words_stand_for_their_enums)
{
  static const struct {
    const char *word;
    enum invalid_operation value;
  } cases[] = {{"warn", INVALID_OPERATION_WARN}, {"ignore", INVALID_OPERATION_IGNORE}, {"error", INVALID_OPERATION_ERROR}, {"fatal", INVALID_OPERATION_FATAL}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct attempt attempt;
    char set[80];

    (void)snprintf(set, sizeof(set), "outbox[0].table.op.invalid.behavior=%s", cases[i].word);
    expect_loads(&attempt, "{" MINIMAL "}", NULL, LIST(set));
    cr_assert_eq(attempt.config->outbox[0].invalid_operation, cases[i].value);
    attempt_end(&attempt);
  }
}

Test(config_outbox, a_block_of_debeziums_can_be_pasted)
{
  struct attempt attempt;

  expect_loads(
      &attempt,
      ENTRY(
          "\"table\":\"outbox\",\"transforms\":\"outbox\",\"transforms.outbox.type\":\"io.debezium.transforms.outbox.EventRouter\","
          "\"transforms.outbox.route.by.field\":\"kind\",\"transforms.outbox.table.field.event.key\":\"k\","
          "\"transforms.outbox.route.tombstone.on.empty.payload\":\"true\",\"transforms.outbox.table.fields.additional.placement\":\"type:header:eventType\""),
      NULL, NULL);
  cr_assert_str_eq(attempt.config->outbox[0].route_by_field, "kind");
  cr_assert_str_eq(attempt.config->outbox[0].field_key, "k");
  cr_assert(attempt.config->outbox[0].tombstone_on_empty_payload);
  cr_assert_str_eq(attempt.config->outbox[0].placements, "type:header:eventType");
  cr_assert_eq(attempt.config->warnings.count, 0, "nothing to say");
  attempt_end(&attempt);
}

Test(config_outbox, of_debeziums_block_only_the_event_router_is_understood)
{
  expect_problem(ENTRY("\"transforms.unwrap.type\":\"io.debezium.transforms.ExtractNewRecordState\""), NULL, NULL, "outbox[0].transforms.unwrap.type",
                 "only the outbox event router");
  expect_problem(ENTRY("\"transforms.a.type\":5"), NULL, NULL, "outbox[0].transforms.a.type", "only the outbox event router");
  expect_problem(ENTRY("\"transforms.a.route.by.field\":\"x\",\"transforms.b.route.topic.regex\":\"y\""), NULL, NULL,
                 "outbox[0].transforms.b.route.topic.regex", "another transform than transforms.a");
  expect_problem(ENTRY("\"transforms.a.rout.by.field\":\"x\""), NULL, NULL, "outbox[0].rout.by.field", "route.by.field");
  expect_problem(ENTRY("\"transforms.a\":\"x\""), NULL, NULL, "outbox[0].transforms.a", "expected transforms.<name>.<option>");
  expect_problem(ENTRY("\"transforms..route.by.field\":\"x\""), NULL, NULL, "outbox[0].transforms..route.by.field", "expected transforms.<name>.<option>");
  expect_problem(ENTRY("\"transforms.a.route.by.field\":\"x\",\"route.by.field\":\"y\""), NULL, NULL, "outbox[0].route.by.field", "given twice");
}

Test(config_outbox, what_is_refused_says_what_to_use_instead)
{
  static const struct {
    const char *option;
    const char *reason;
  } cases[] = {
      {"table.field.event.schema.version", "refused: records have no schema here"},
      {"predicate", "refused: only the tables under"},
      {"negate", "refused: belongs to predicate"},
      {"key.converter", "refused: nothing is converted"},
      {"value.converter", "refused: nothing is converted"},
      {"header.converter", "refused: nothing is converted"},
      {"value.converter.schemas.enable", "refused: nothing is converted"},
      {"value.converter.delegate.converter.type", "refused: nothing is converted"},
      {"some.converter", "refused: nothing is converted"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char json[512], path[128];

    (void)snprintf(path, sizeof(path), "outbox[0].%s", cases[i].option);
    (void)snprintf(json, sizeof(json), ENTRY("\"%s\":\"x\""), cases[i].option);
    expect_problem(json, NULL, NULL, path, cases[i].reason);
    (void)snprintf(json, sizeof(json), ENTRY("\"transforms.o.%s\":\"x\""), cases[i].option);
    expect_problem(json, NULL, NULL, path, cases[i].reason);
  }
}

Test(config_outbox, what_has_no_effect_is_warned_of_once)
{
  static const char *const options[] = {"tracing.operation.name", "tracing.with.context.field.only", "table.json.payload.null.behavior",
                                        "table.json.payload.empty.array.behavior"};

  for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
    struct attempt attempt;
    char json[512], path[128];

    (void)snprintf(json, sizeof(json), ENTRY("\"%s\":\"x\""), options[i]);
    (void)snprintf(path, sizeof(path), "outbox[0].%s", options[i]);
    expect_loads(&attempt, json, NULL, NULL);
    cr_assert(has_problem(&attempt.config->warnings, path, "has no effect"));
    cr_assert_eq(attempt.config->warnings.count, 1);
    attempt_end(&attempt);
  }
}

Test(config_outbox, wrong_values_are_told)
{
  static const struct {
    const char *options;
    const char *path;
    const char *words;
  } cases[] = {
      {"\"route.by.field\":7", "route.by.field", "expected a text, got an integer"},
      {"\"table.fields.additional.placement\":\"\"", "table.fields.additional.placement", "must not be empty"},
      {"\"table.op.invalid.behavior\":\"invalidOption\"", "table.op.invalid.behavior", "expected one of warn, ignore, error, fatal, got \"invalidOption\""},
      {"\"table.field.additional.missing\":true", "table.field.additional.missing", "expected one of ignore, error, got true"},
      {"\"route.tombstone.on.empty.payload\":\"yes\"", "route.tombstone.on.empty.payload", "expected one of false, true, got \"yes\""},
      {"\"route.tombstone.on.empty.payload\":1", "route.tombstone.on.empty.payload", "expected one of false, true, got an integer"},
      {"\"route.topic.allow\":{}", "route.topic.allow", "expected a list of texts, got an object"},
      {"\"route.topic.allow\":[]", "route.topic.allow", "must not be empty"},
      {"\"route.topic.allow\":[1]", "route.topic.allow", "item 0 is none"},
      {"\"route.topic.allow\":[\"a\",\"\"]", "route.topic.allow", "an item is empty"},
      {"\"route.topic.allow\":\"a,,b\"", "route.topic.allow", "an item is empty"},
      {"\"route.topic.allow\":\"[\\\"a\\\"\"", "route.topic.allow", "not valid JSON"},
      {"\"route.topic.allow\":[\"a b\"]", "route.topic.allow", "not a topic's name"},
      {"\"route.topic.allow\":[\"__x\"]", "route.topic.allow", "not a topic's name"},
      {"\"route.topic.allow\":[\"__*\"]", "route.topic.allow", "a prefix holds"},
      {"\"route.topic.allow\":[\"a b*\"]", "route.topic.allow", "a prefix holds"},
      {"\"route.topic.allow\":[\"*\"]", "route.topic.allow", "* alone"},
      {"\"route.topic.allow\":[\"a*b\"]", "route.topic.allow", "at the end of a prefix only"},
      {"\"route.topic.allow\":[\"*a*\"]", "route.topic.allow", "a prefix holds"},
      {"\"headers.static\":[]", "headers.static", "expected an object of texts, got a list"},
      {"\"headers.static\":\"x\"", "headers.static", "not valid JSON"},
      {"\"headers.static\":\"[1]\"", "headers.static", "expected an object of texts"},
      {"\"headers.static\":\"{\\\"a\\\":\\\"1\\\",\\\"a\\\":\\\"2\\\"}\"", "headers.static", "duplicate"},
      {"\"headers.static\":{\"version\":1}", "headers.static", "member \"version\" is none"},
      {"\"headers.static\":{\"\":\"1\"}", "headers.static", "an item is empty"},
      {"\"headers.static\":{\"a\":\"\\n\"}", "headers.static", "control character"},
      {"\"dead.letter.topic\":\"a b\"", "dead.letter.topic", "not a topic's name"},
      {"\"poison\":\"dead-letter\"", "dead.letter.topic", "is required with poison dead-letter"},
      {"\"poison\":\"skip\"", "poison", "expected one of stop, dead-letter"},
      {"\"message.prefix\":\"m\",\"table\":\"t\"", "message.prefix", "either table or message.prefix"},
      {"\"message.prefix\":\"\"", "message.prefix", "must not be empty"},
      {"\"table\":5", "table", "expected a text"},
      {"\"table\":\"a.b.c\"", "table", "more than two parts"},
      {"\"table_file\":\"/x\"", "table_file", "unknown key"},
      {"\"route.topic.replacement\":\"a b\"", "route.topic.replacement", "not a topic's name"},
      {"\"route.topic.replacement\":\"a b$1\"", "route.topic.replacement", "no topic's name can begin with"},
      {"\"route.topic.replacement\":\"${routedByValue}\"", "route.topic.allow", "is required, as route.topic.replacement begins with a group"},
      {"\"route.topic.replacement\":\"\\\\$x\"", "route.topic.allow", "is required"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char json[512], path[128];

    (void)snprintf(json, sizeof(json), ENTRY("%s"), cases[i].options);
    (void)snprintf(path, sizeof(path), "outbox[0].%s", cases[i].path);
    expect_problem(json, NULL, NULL, path, cases[i].words);
  }
}

Test(config_outbox, what_may_be_written_to_follows_the_replacement)
{
  static const struct {
    const char *options;
    const char *allow;
  } cases[] = {
      {"\"route.topic.replacement\":\"shop.${routedByValue}.v1\"", "shop.*"},
      {"\"route.topic.replacement\":\"shop-$1\"", "shop-*"},
      {"\"route.topic.replacement\":\"shop\"", "shop"},
      {"\"route.topic.replacement\":\"shop\\\\$1\"", "shop*"},
      {"\"route.topic.replacement\":\".$1\"", ".*"},
      {"\"route.topic.replacement\":\"_$1\"", "_*"},
      {"\"route.topic.regex\":\"x(?<routedByValue>.*)\"", "outbox.event.*"},
      {"\"message.prefix\":\"outbox\",\"route.topic.replacement\":\"a$1\"", "a*"},
      {"\"route.topic.replacement\":\"$1\",\"route.topic.allow\":[\"orders\"]", "orders"},
      {"\"route.topic.allow\":\"orders\"", "orders"},
      {"\"route.topic.allow\":\" [\\\"orders\\\"]\"", "orders"},
      {"\"route.topic.allow\":\" orders \"", "orders"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct attempt attempt;
    char json[512];

    (void)snprintf(json, sizeof(json), ENTRY("%s"), cases[i].options);
    expect_loads(&attempt, json, NULL, NULL);
    cr_assert_eq(attempt.config->outbox[0].allow_count, 1);
    cr_assert_str_eq(attempt.config->outbox[0].allow[0], cases[i].allow);
    attempt_end(&attempt);
  }
}

Test(config_outbox, tables_are_named_as_in_sql)
{
  static const struct {
    const char *text;
    const char *schema;
    const char *table;
    const char *display;
  } cases[] = {
      {"outbox", "public", "outbox", "public.outbox"},
      {"OutBox", "public", "outbox", "public.outbox"},
      {"Shop.OutBox", "shop", "outbox", "shop.outbox"},
      {"\"Shop\".OutBox", "Shop", "outbox", "\"Shop\".outbox"},
      {"shop.\"Out.Box\"", "shop", "Out.Box", "shop.\"Out.Box\""},
      {"\"a\"\"b\"", "public", "a\"b", "public.\"a\"\"b\""},
      {"\"plain\"", "public", "plain", "public.plain"},
      {"\"1st\"", "public", "1st", "public.\"1st\""},
      {"_a$1", "public", "_a$1", "public._a$1"},
      {"\xC3\xA4\xC3\x84", "public", "\xC3\xA4\xC3\x84", "public.\xC3\xA4\xC3\x84"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct texts texts = {0};
    struct table_name name;

    cr_assert_null(table_name_parse(cases[i].text, &texts, &name), "%s", cases[i].text);
    cr_assert_str_eq(name.schema, cases[i].schema);
    cr_assert_str_eq(name.table, cases[i].table);
    cr_assert_str_eq(name.display, cases[i].display);
    texts_done(&texts);
  }
}

Test(config_outbox, what_names_no_table_is_refused)
{
  static const char *const cases[] = {"",       ".",
                                      "a.",     ".a",
                                      "a..b",   "a.b.c",
                                      "a b",    " a",
                                      "a ",     "1a",
                                      "\"a",    "\"\"",
                                      "\"a\"b", "a\"b\"",
                                      "a-b",    "$a",
                                      "a.\"\"", "a,b",
                                      "\"a\".", "\"a\"\"",
                                      "a.b.",   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  struct texts texts = {0};
  struct table_name name;

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_assert_not_null(table_name_parse(cases[i], &texts, &name), "%s", cases[i]);
  }
  cr_assert_null(table_name_parse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &texts, &name), "63 bytes are a name");
  texts_done(&texts);
}

Test(config_outbox, messages_have_a_label_and_no_table)
{
  struct attempt attempt;

  expect_loads(&attempt, ENTRY("\"message.prefix\":\"out box\""), NULL, NULL);
  cr_assert_str_eq(attempt.config->outbox[0].message_prefix, "out box");
  cr_assert_str_eq(attempt.config->outbox[0].table, "message:out box");
  cr_assert_null(attempt.config->outbox[0].table_name);
  cr_assert_null(attempt.config->outbox[0].table_schema);
  attempt_end(&attempt);
}

Test(config_outbox, no_two_entries_share_a_source)
{
  struct attempt attempt;

  expect_problem("{" MINIMAL ",\"outbox\":[{\"table\":\"outbox\"},{\"table\":\"PUBLIC.\\\"outbox\\\"\"}]}", NULL, NULL, "outbox[1].table",
                 "outbox[0] has the same");
  expect_problem("{" MINIMAL ",\"outbox\":[{\"table\":\"a\"},{\"message.prefix\":\"p\"},{\"message.prefix\":\"p\"}]}", NULL, NULL, "outbox[2].message.prefix",
                 "outbox[1] has the same");
  expect_loads(&attempt, "{" MINIMAL ",\"outbox\":[{\"table\":\"a.t\"},{\"table\":\"b.t\"},{\"table\":\"a.\\\"T\\\"\"},{\"message.prefix\":\"a.t\"}]}", NULL,
               NULL);
  cr_assert_eq(attempt.config->outbox_count, 4);
  attempt_end(&attempt);
}

Test(config_outbox, policies_come_from_delivery_unless_an_entry_has_its_own)
{
  static const char json[] = "{" MINIMAL ",\"delivery\":{\"poison\":\"dead-letter\",\"dead.letter.topic\":\"all\"},"
                             "\"outbox\":[{\"table\":\"a\"},{\"table\":\"b\",\"poison\":\"stop\"},{\"table\":\"c\",\"dead.letter.topic\":\"own\"}]}";
  struct attempt attempt;

  expect_loads(&attempt, json, NULL, NULL);
  cr_assert_eq(attempt.config->outbox[0].poison, POISON_DEAD_LETTER);
  cr_assert_str_eq(attempt.config->outbox[0].dead_letter_topic, "all");
  cr_assert_eq(attempt.config->outbox[1].poison, POISON_STOP);
  cr_assert_str_eq(attempt.config->outbox[2].dead_letter_topic, "own");
  attempt_end(&attempt);
  expect_loads(&attempt, ENTRY("\"poison\":\"dead-letter\",\"dead.letter.topic\":\"own\""), NULL, LIST("delivery.poison_once=0/1/0"));
  cr_assert_eq(attempt.config->delivery.poison, POISON_STOP);
  cr_assert_eq(attempt.config->outbox[0].poison, POISON_DEAD_LETTER);
  attempt_end(&attempt);
}

/* `before`, then `count` times `item` with its number, separated by commas, then `behind`; the caller's. */
static char *repeated(const char *before, const char *item, int count, const char *behind)
{
  char *text = malloc(64 << 10);
  size_t length = (size_t)sprintf(text, "%s", before);

  for (int i = 0; i < count; i++) {
    const char *percent = strchr(item, '%');

    length += (size_t)sprintf(text + length, "%s%.*s%d%s", i > 0 ? "," : "", (int)(percent - item), item, i, percent + 1);
  }
  (void)sprintf(text + length, "%s", behind);
  return text;
}

Test(config_outbox, lists_have_limits)
{
  static const struct {
    const char *before, *item, *behind;
    int most;
    const char *path, *words;
  } cases[] = {
      {"{" MINIMAL ",\"outbox\":[", "{\"table\":\"t%\"}", "]}", CONFIG_OUTBOX_MAX, "outbox", "holds 129 entries, at most 128"},
      {"{" MINIMAL ",\"outbox\":[{\"route.topic.allow\":[", "\"t%\"", "]}]}", CONFIG_ALLOW_MAX, "outbox[0].route.topic.allow", "holds 257 items, at most 256"},
      {"{" MINIMAL ",\"outbox\":[{\"route.topic.allow\":\"", "t%", "\"}]}", CONFIG_ALLOW_MAX, "outbox[0].route.topic.allow", "holds 257 items, at most 256"},
      {"{" MINIMAL ",\"outbox\":[{\"headers.static\":{", "\"h%\":\"\"", "}}]}", CONFIG_STATIC_HEADERS_MAX, "outbox[0].headers.static",
       "holds 33 members, at most 32"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char *json = repeated(cases[i].before, cases[i].item, cases[i].most, cases[i].behind);
    struct attempt attempt;

    expect_loads(&attempt, json, NULL, NULL);
    attempt_end(&attempt);
    free(json);
    json = repeated(cases[i].before, cases[i].item, cases[i].most + 1, cases[i].behind);
    expect_problem(json, NULL, NULL, cases[i].path, cases[i].words);
    free(json);
  }
}
