/* test_router_topic.c - from the route value to the topic: expression, replacement, allow list, memory. */
#include "outbox_row.h"
#include "route/topic.h"

static struct outbox o;

static void setup(void)
{
  outbox_init(&o);
}

static void teardown(void)
{
  outbox_done(&o);
}

TestSuite(router_topic, .init = setup, .fini = teardown);

static const char *const everything[] = {"*"};

/* The topic, "" when it is illegal, "-" when it is unlisted, "?" otherwise. */
static const char *topic_of(struct topic_rule *rule, const char *value)
{
  struct span topic;

  switch (topic_rule_apply(rule, span_of_text(value), &o.arena, &topic)) {
  case TOPIC_FOUND:
    return topic.data;
  case TOPIC_ILLEGAL:
    return "";
  case TOPIC_UNLISTED:
    return "-";
  case TOPIC_TOO_LONG:
  case TOPIC_UNDECIDED:
    break;
  }
  return "?";
}

Test(router_topic, expression_and_replacement)
{
  static const struct {
    const char *regex;
    const char *replacement;
    const char *value;
    const char *topic;
  } cases[] = {
      {"(?<routedByValue>.*)", "outbox.event.${routedByValue}", "User", "outbox.event.User"},
      {"(?<routedByValue>.*)", "outbox.event.$routedByValue", "User", "outbox.event.User"},
      {"(.*)", "a.$1.b", "User", "a.User.b"},
      {"(.*)", "a.$0", "User", "a.User"},
      {"(.*)", "a.$12", "User", "a.User2"}, /* one group only: the 2 is a character */
      {"(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)", "$10$1", "abcdefghij", "ja"},
      {"(.*)", "a.\\$1", "User", ""},
      {"(.*)", "a\\.\\b$1", "User", "a.bUser"},
      {"(.*)", "fixed", "User", "fixed"},
      {"(.*)", "", "User", ""},
      {"(?<a>x)|(?<b>y)", "t.${a}${b}", "y", "t.y"}, /* a group that took no part */
      {"a|ab", "x", "ab", "x"},                      /* the whole value, not its beginning */
      {"(.*?)", "x.$1", "ab", "x.ab"},
      {"User", "x", "MyUser", "MyUser"}, /* no match: as it is */
      {"User", "x", "Users", "Users"},
      {"user", "x", "User", "User"},
      {"(?i)user", "x", "User", "x"},
      {"(.*)\\.(.*)", "$2.$1", "a.b", "b.a"},
  };

  o.entry.allow = everything;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct topic_rule *rule;

    o.entry.route_regex = cases[i].regex;
    o.entry.route_replacement = cases[i].replacement;
    o.problems.count = 0;
    rule = topic_rule_new(&o.entry, "outbox[0]", &o.problems);
    cr_assert_eq(o.problems.count, 0, "%s %s: %s", cases[i].regex, cases[i].replacement, o.problems.problems[0].text);
    cr_assert_str_eq(topic_of(rule, cases[i].value), cases[i].topic, "case %zu: %s", i, topic_of(rule, cases[i].value));
    topic_rule_free(rule);
  }
}

Test(router_topic, replacements_that_name_no_group_are_refused)
{
  static const char *const bad[] = {"$", "a$", "$$1", "$${a}", "${a", "${}", "${b}", "$b", "$2", "$a1", "a\\", "$-", "${a}${none}"};

  o.entry.route_regex = "(?<a>.*)";
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    o.entry.route_replacement = bad[i];
    cr_assert_not(outbox_compiles(&o), "accepted: %s", bad[i]);
    cr_assert_eq(o.problems.count, 1);
    cr_assert_str_eq(o.problems.problems[0].path, "outbox[0].route.topic.replacement");
  }
  o.entry.route_replacement = "$${a}";
  outbox_must_not_compile(&o, "route.topic.replacement", "Debezium Server");
}

Test(router_topic, a_replacement_has_as_many_pieces_as_the_limit)
{
  static char text[3 * TOPIC_REPLACEMENT_PIECES_MAX];

  for (size_t i = 0; i < TOPIC_REPLACEMENT_PIECES_MAX; i++) {
    memcpy(text + 2 * i, "$1", 3);
  }
  o.entry.route_regex = "(.*)";
  o.entry.route_replacement = text;
  cr_assert(outbox_compiles(&o));
  memcpy(text + 2 * (size_t)TOPIC_REPLACEMENT_PIECES_MAX, "x", 2);
  outbox_must_not_compile(&o, "route.topic.replacement", "more than");
}

Test(router_topic, expressions_that_java_reads_differently_are_refused)
{
  static const struct {
    const char *regex;
    bool is_accepted;
  } cases[] = {
      {"[a-z&&[^x]]+", false},
      {"[a[bc]]", false},
      {"[a&&b]", false},
      {"[[:alpha:]]+", true},
      {"[[:alpha:][a]]", false},
      {"[a\\[b]", true},
      {"\\[[a]", true},
      {"[]a[]", false},
      {"[]a]", true},
      {"[^]a]", true},
      {"\\Q[[\\E.*", true},
      {"[a]&&[b]", true},
      {"(", false},
      {"[a", false},
      {"(?<a>x", false},
      {"a{2,1}", false},
      {"\\C", false},
      {"(?<a>.*)(?<a>.*)", false},
  };

  o.entry.route_replacement = "x";
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    o.entry.route_regex = cases[i].regex;
    cr_assert_eq(outbox_compiles(&o), cases[i].is_accepted, "%s", cases[i].regex);
  }
}

Test(router_topic, legal_names)
{
  static const struct {
    const char *name;
    bool is_legal;
  } cases[] = {
      {"a", true},         {"A-z_0.9", true}, {"", false},    {".", false},  {"..", false},  {"...", true},  {"__consumer_offsets", false},
      {"__a", false},      {"_a", true},      {"_", true},    {"__", false}, {"a/b", false}, {"a b", false}, {"a\n", false},
      {"\xc3\xa9", false}, {"a:b", false},    {"a$b", false},
  };
  char longest[ROUTE_TOPIC_MAX_BYTES + 1];

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    cr_assert_eq(topic_is_legal(span_of_text(cases[i].name)), cases[i].is_legal, "'%s'", cases[i].name);
  }
  memset(longest, 'a', sizeof(longest));
  cr_assert(topic_is_legal(span_of(longest, ROUTE_TOPIC_MAX_BYTES)));
  cr_assert_not(topic_is_legal(span_of(longest, ROUTE_TOPIC_MAX_BYTES + 1)));
  cr_assert_not(topic_is_legal(span_of("a\0b", 3)));
}

Test(router_topic, a_name_one_byte_too_long_is_illegal_and_not_cut)
{
  static char value[ROUTE_TOPIC_MAX_BYTES + 2];

  o.entry.allow = everything;
  memset(value, 'a', ROUTE_TOPIC_MAX_BYTES - strlen("outbox.event."));
  outbox_set(&o, "aggregatetype", PG_TEXT, value);
  outbox_must_route(&o);
  cr_assert_eq(o.record.topic.length, ROUTE_TOPIC_MAX_BYTES);
  value[strlen(value)] = 'a';
  outbox_set(&o, "aggregatetype", PG_TEXT, value);
  outbox_must_refuse(&o, ROUTE_REASON_ILLEGAL_TOPIC);
  o.entry.route_regex = "none(?<routedByValue>)"; /* the value itself, not cut either */
  memset(value, 'a', ROUTE_TOPIC_MAX_BYTES + 1);
  cr_assert(outbox_compiles(&o));
  outbox_set(&o, "aggregatetype", PG_TEXT, value);
  outbox_must_refuse(&o, ROUTE_REASON_ILLEGAL_TOPIC);
}

Test(router_topic, route_values_have_a_limit_of_their_own)
{
  static char value[ROUTE_VALUE_MAX_BYTES + 2];

  o.entry.route_regex = "(.).*";
  o.entry.route_replacement = "outbox.event.$1";
  memset(value, 'a', ROUTE_VALUE_MAX_BYTES);
  outbox_set(&o, "aggregatetype", PG_TEXT, value);
  outbox_must_route(&o);
  assert_span(o.record.topic, "outbox.event.a");
  value[ROUTE_VALUE_MAX_BYTES] = 'a';
  outbox_set(&o, "aggregatetype", PG_TEXT, value);
  outbox_must_refuse(&o, ROUTE_REASON_ILLEGAL_TOPIC);
}

Test(router_topic, an_expression_that_explodes_is_stopped)
{
  static char value[64];

  o.entry.route_regex = "(?<routedByValue>(a+)+)[bc]";
  memset(value, 'a', sizeof(value) - 1);
  outbox_set(&o, "aggregatetype", PG_TEXT, value);
  outbox_must_refuse(&o, ROUTE_REASON_BAD_VALUE);
}

Test(router_topic, an_expression_is_stopped_at_our_limit_and_not_at_the_librarys)
{
  o.entry.route_regex = "(?<routedByValue>(a+)+)[bc]"; /* about a million steps: without our limit simply no match */
  outbox_set(&o, "aggregatetype", PG_TEXT, "aaaaaaaaaaaaaaaaaa");
  outbox_must_refuse(&o, ROUTE_REASON_BAD_VALUE);
}

Test(router_topic, a_value_that_is_no_utf8_is_refused)
{
  outbox_set(&o, "aggregatetype", PG_BYTEA, "ff41");
  outbox_must_refuse(&o, ROUTE_REASON_ILLEGAL_TOPIC);
}

Test(router_topic, allow_list)
{
  static const char *const allow[] = {"orders", "audit.*", "x"};
  static const struct {
    const char *value;
    const char *topic;
  } cases[] = {
      {"orders", "orders"}, {"orders2", "-"}, {"order", "-"}, {"audit.a", "audit.a"}, {"audit.", "audit."}, {"audit", "-"}, {"Audit.a", "-"},
      {"x", "x"},           {"xx", "-"},      {"a/b", ""},    {"audit.a/b", ""},      {"__audit", ""},
  };
  struct topic_rule *rule;

  o.entry.route_replacement = "${routedByValue}";
  o.entry.allow = allow;
  o.entry.allow_count = 3;
  rule = topic_rule_new(&o.entry, "outbox[0]", &o.problems);
  cr_assert_eq(o.problems.count, 0);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    cr_assert_str_eq(topic_of(rule, cases[i].value), cases[i].topic, "%s", cases[i].value);
  }
  topic_rule_free(rule);
}

Test(router_topic, an_empty_allow_list_allows_nothing)
{
  o.entry.allow_count = 0;
  outbox_must_refuse(&o, ROUTE_REASON_UNLISTED_TOPIC);
}

Test(router_topic, an_unlisted_topic_says_how_to_list_it)
{
  static const char *const allow[] = {"outbox.event.Order"};

  o.entry.allow = allow;
  outbox_must_refuse(&o, ROUTE_REASON_UNLISTED_TOPIC);
  cr_assert_str_eq(o.problem.hint, "add \"outbox.event.User\" to outbox[0].route.topic.allow");
}

Test(router_topic, the_expression_runs_once_per_value)
{
  struct topic_rule *rule = topic_rule_new(&o.entry, "outbox[0]", &o.problems);

  for (int i = 0; i < 3; i++) {
    cr_assert_str_eq(topic_of(rule, "User"), "outbox.event.User");
    cr_assert_eq(topic_rule_matches(rule), 1);
  }
  cr_assert_str_eq(topic_of(rule, "Use"), "outbox.event.Use");
  cr_assert_str_eq(topic_of(rule, "Users"), "outbox.event.Users");
  cr_assert_eq(topic_rule_matches(rule), 3);
  topic_rule_free(rule);
}

/* Two English words with the same FNV-1a hash, and so in the same slot. */
Test(router_topic, values_of_one_hash_are_told_apart)
{
  struct topic_rule *rule = topic_rule_new(&o.entry, "outbox[0]", &o.problems);

  cr_assert_str_eq(topic_of(rule, "altarage"), "outbox.event.altarage");
  cr_assert_str_eq(topic_of(rule, "zinke"), "outbox.event.zinke");
  cr_assert_str_eq(topic_of(rule, "declinate"), "outbox.event.declinate");
  cr_assert_str_eq(topic_of(rule, "macallums"), "outbox.event.macallums");
  cr_assert_str_eq(topic_of(rule, "costarring"), "outbox.event.costarring");
  cr_assert_str_eq(topic_of(rule, "liquid"), "outbox.event.liquid");
  topic_rule_free(rule);
}

Test(router_topic, more_values_than_the_memory_holds_are_still_right)
{
  struct topic_rule *rule = topic_rule_new(&o.entry, "outbox[0]", &o.problems);

  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 4 * TOPIC_CACHE_SLOTS; i++) {
      char value[32];
      char expected[64];

      (void)snprintf(value, sizeof(value), "v%d", i);
      (void)snprintf(expected, sizeof(expected), "outbox.event.v%d", i);
      cr_assert_str_eq(topic_of(rule, value), expected);
    }
  }
  cr_assert_gt(topic_rule_matches(rule), 4 * TOPIC_CACHE_SLOTS);
  topic_rule_free(rule);
}

Test(router_topic, refused_values_do_not_push_out_good_ones)
{
  struct topic_rule *rule = topic_rule_new(&o.entry, "outbox[0]", &o.problems);
  uint64_t matches;

  cr_assert_str_eq(topic_of(rule, "User"), "outbox.event.User");
  for (int i = 0; i < 4 * TOPIC_CACHE_SLOTS; i++) {
    char value[32];

    (void)snprintf(value, sizeof(value), "bad/%d", i);
    cr_assert_str_eq(topic_of(rule, value), "");
  }
  matches = topic_rule_matches(rule);
  cr_assert_str_eq(topic_of(rule, "User"), "outbox.event.User");
  cr_assert_eq(topic_rule_matches(rule), matches);
  topic_rule_free(rule);
}

Test(router_topic, a_record_outlives_the_memory_of_its_topic)
{
  struct topic_rule *rule = topic_rule_new(&o.entry, "outbox[0]", &o.problems);
  struct span topic;

  cr_assert_eq(topic_rule_apply(rule, span_of_text("User"), &o.arena, &topic), TOPIC_FOUND);
  cr_assert_eq(topic_rule_apply(rule, span_of_text("User"), &o.arena, &topic), TOPIC_FOUND);
  topic_rule_free(rule);
  assert_span(topic, "outbox.event.User");
}
