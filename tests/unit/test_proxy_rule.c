#include <criterion/criterion.h>

#include "kafka_frame.h"
#include "proxy_rule.h"

#include <stdio.h>
#include <string.h>

enum { PRODUCE = 0, METADATA = 3, WORDS_MAX = 16 };

static struct proxy_rules rules;

/* One line of words, as the proxy gets it. NULL, or what is wrong. */
static const char *set_as(const char *text, bool is_kafka, rule_set *ret_replaced)
{
  static char line[512];
  char *words[WORDS_MAX];
  size_t count = 0;

  (void)snprintf(line, sizeof(line), "%s", text);
  for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
    words[count++] = word;
  }
  return proxy_rules_set(&rules, words, count, is_kafka, ret_replaced);
}

static void set(const char *text)
{
  rule_set replaced;
  const char *problem = set_as(text, true, &replaced);

  cr_assert_null(problem, "%s: %s", text, problem);
}

static void start(const char *text)
{
  proxy_rules_init(&rules, 1);
  set(text);
}

Test(proxy_rule, words_that_are_no_rule_are_refused_and_change_nothing)
{
  static const char *const wrong[] = {
      "",
      "name",
      "=hold hold",
      "api=Produce hold",
      "a-name-that-is-longer-than-thirty-one hold",
      "name hold drop",
      "name api=Nothing hold",
      "name api= hold",
      "name direction=up hold",
      "name skip=-1 hold",
      "name skip=x hold",
      "name count=0 hold",
      "name count=1x hold",
      "name count=99999999999999999999 hold",
      "name delay=",
      "name delay=600001",
      "name delay=10+-",
      "name delay=10+-11",
      "name delay=10+5",
      "name delay=10+-5x",
      "name slice=0",
      "name slice=1073741825",
      "name bandwidth=0",
      "name bandwidth=-5",
      "name direction=request lose",
      "name error=5",
      "name api=Fetch error=5",
      "name api=Produce error=0",
      "name api=Produce error=1001",
      "name api=Produce error=-2",
      "name api=Produce error=",
      "name api=Produce direction=request error=5",
      "name holds",
      "name hold=1",
  };

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    rule_set replaced;

    proxy_rules_init(&rules, 1);
    cr_assert_not_null(set_as(wrong[i], true, &replaced), "%s", wrong[i]);
    cr_assert_eq(proxy_rules_find(&rules, NULL), 0, "%s", wrong[i]);
  }
}

Test(proxy_rule, plain_mode_knows_no_api)
{
  rule_set replaced;

  proxy_rules_init(&rules, 1);
  cr_assert_not_null(set_as("name api=Produce hold", false, &replaced));
  cr_assert_null(set_as("name direction=request hold", false, &replaced));
}

Test(proxy_rule, a_rule_fits_by_api_and_direction)
{
  static const struct {
    const char *rule;
    enum rule_direction direction;
    int api;
    bool fits;
  } table[] = {
      {"r drop", RULE_REQUEST, PRODUCE, true},
      {"r drop", RULE_RESPONSE, KAFKA_API_UNKNOWN, true},
      {"r direction=both drop", RULE_RESPONSE, METADATA, true},
      {"r direction=request drop", RULE_REQUEST, METADATA, true},
      {"r direction=request drop", RULE_RESPONSE, METADATA, false},
      {"r direction=response drop", RULE_REQUEST, METADATA, false},
      {"r direction=response drop", RULE_RESPONSE, METADATA, true},
      {"r api=Produce drop", RULE_REQUEST, PRODUCE, true},
      {"r api=Produce drop", RULE_RESPONSE, PRODUCE, true},
      {"r api=Produce drop", RULE_REQUEST, METADATA, false},
      {"r api=Produce drop", RULE_RESPONSE, KAFKA_API_UNKNOWN, false},
      {"r api=3 direction=response drop", RULE_RESPONSE, METADATA, true},
      {"r api=Produce lose", RULE_REQUEST, PRODUCE, false},
      {"r api=Produce lose", RULE_RESPONSE, PRODUCE, true},
      {"r direction=both lose", RULE_REQUEST, PRODUCE, false},
  };

  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    start(table[i].rule);
    cr_assert_eq(proxy_rules_judge(&rules, table[i].direction, table[i].api).rules, table[i].fits ? 1 : 0, "%zu: %s", i, table[i].rule);
    cr_assert_eq(rules.rules[0].seen, table[i].fits ? 1 : 0);
  }
}

Test(proxy_rule, skip_and_count_choose_which_of_those_that_fit)
{
  start("r api=Produce skip=2 count=3 drop");
  for (int i = 0; i < 10; i++) {
    cr_assert_eq(proxy_rules_judge(&rules, RULE_REQUEST, METADATA).rules, 0);
    cr_assert_eq(proxy_rules_judge(&rules, RULE_REQUEST, PRODUCE).rules, i >= 2 && i < 5 ? 1 : 0, "frame %d", i);
  }
  cr_assert_eq(rules.rules[0].seen, 10);
  cr_assert_eq(rules.rules[0].applied, 3);
}

Test(proxy_rule, each_action_has_its_fate)
{
  static const struct {
    const char *rule;
    enum rule_fate fate;
  } table[] = {
      {"r hold", FATE_PASS}, {"r delay=5", FATE_PASS}, {"r slice=1", FATE_PASS},          {"r bandwidth=1", FATE_PASS},
      {"r drop", FATE_DROP}, {"r reset", FATE_RESET},  {"r half-close", FATE_HALF_CLOSE}, {"r lose", FATE_RESET},
  };

  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    start(table[i].rule);
    cr_assert_eq(proxy_rules_judge(&rules, RULE_RESPONSE, PRODUCE).fate, table[i].fate, "%s", table[i].rule);
  }
}

Test(proxy_rule, an_error_is_for_responses_and_the_last_one_counts)
{
  start("a api=Produce error=5");
  set("b api=Produce error=-1");
  cr_assert_eq(proxy_rules_judge(&rules, RULE_REQUEST, PRODUCE).error, 0);
  cr_assert_eq(proxy_rules_judge(&rules, RULE_RESPONSE, PRODUCE).error, -1);
  cr_assert_eq(proxy_rules_judge(&rules, RULE_RESPONSE, METADATA).error, 0);
}

Test(proxy_rule, of_several_rules_delays_add_up_and_the_harshest_fate_wins)
{
  struct rule_verdict verdict;

  start("a delay=10");
  set("b delay=5");
  set("c reset");
  set("d drop");
  set("e api=Metadata delay=1000");
  verdict = proxy_rules_judge(&rules, RULE_REQUEST, PRODUCE);
  cr_assert_eq(verdict.delay_us, 15000);
  cr_assert_eq(verdict.fate, FATE_RESET);
  cr_assert_eq(verdict.rules, 0xf);
}

Test(proxy_rule, jitter_stays_within_its_bounds_fills_them_and_comes_from_the_seed)
{
  int64_t first[100];
  int64_t least = INT64_MAX;
  int64_t most = 0;

  start("r delay=20+-15");
  for (int i = 0; i < 100; i++) {
    first[i] = proxy_rules_judge(&rules, RULE_REQUEST, PRODUCE).delay_us;
    least = first[i] < least ? first[i] : least;
    most = first[i] > most ? first[i] : most;
  }
  cr_assert_geq(least, 5000);
  cr_assert_leq(most, 35000);
  cr_assert_lt(least, 8000);
  cr_assert_gt(most, 32000);
  start("r delay=20+-15");
  for (int i = 0; i < 100; i++) {
    cr_assert_eq(proxy_rules_judge(&rules, RULE_REQUEST, PRODUCE).delay_us, first[i]);
  }
}

Test(proxy_rule, a_rule_of_the_same_name_is_replaced)
{
  rule_set replaced = 7;

  proxy_rules_init(&rules, 1);
  cr_assert_null(set_as("a hold", true, &replaced));
  cr_assert_eq(replaced, 0);
  set("b drop");
  cr_assert_null(set_as("b reset", true, &replaced));
  cr_assert_eq(replaced, 2);
  cr_assert_eq(proxy_rules_find(&rules, NULL), 3);
  cr_assert_eq(proxy_rules_judge(&rules, RULE_REQUEST, PRODUCE).fate, FATE_RESET);
}

Test(proxy_rule, the_table_ends_and_a_cleared_place_is_given_out_again)
{
  char text[32];
  rule_set replaced;

  proxy_rules_init(&rules, 1);
  for (int i = 0; i < RULES_MAX; i++) {
    (void)snprintf(text, sizeof(text), "r%d hold", i);
    set(text);
  }
  cr_assert_not_null(set_as("more hold", true, &replaced));
  cr_assert_null(set_as("r31 drop", true, &replaced));
  proxy_rules_clear(&rules, proxy_rules_find(&rules, "r7"));
  cr_assert_eq(proxy_rules_find(&rules, "r7"), 0);
  cr_assert_null(set_as("more hold", true, &replaced));
  cr_assert_eq(proxy_rules_find(&rules, "more"), (rule_set)1 << 7);
}

Test(proxy_rule, a_slice_is_the_smallest_of_all)
{
  int64_t again_us;

  start("a slice=10");
  set("b slice=3");
  cr_assert_eq(proxy_rules_allow(&rules, 3, 100, 1000, &again_us), 3);
  cr_assert_eq(proxy_rules_allow(&rules, 1, 100, 1000, &again_us), 10);
  cr_assert_eq(proxy_rules_allow(&rules, 3, 2, 1000, &again_us), 2);
  cr_assert_eq(proxy_rules_allow(&rules, 0, 100, 1000, &again_us), 100);
}

/* Sends as much as is allowed, whenever it is, for so long; returns the bytes, and how often it had to look. */
static size_t pump(rule_set of, int64_t for_us, int64_t begin_us, size_t *ret_looks)
{
  size_t sent = 0;

  *ret_looks = 0;
  for (int64_t now_us = begin_us; now_us < begin_us + for_us;) {
    int64_t again_us = 0;
    size_t allowed = proxy_rules_allow(&rules, of, 65536, now_us, &again_us);

    ++*ret_looks;
    if (allowed == 0) {
      cr_assert_gt(again_us, now_us);
      now_us = again_us;
      continue;
    }
    proxy_rules_sent(&rules, of, allowed);
    sent += allowed;
  }
  return sent;
}

Test(proxy_rule, bandwidth_is_kept_over_a_second_and_without_waking_for_every_byte)
{
  static const int64_t speeds[] = {10, 1000, 125000, 10000000};

  for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
    char text[64];
    size_t looks;
    size_t sent;

    (void)snprintf(text, sizeof(text), "r bandwidth=%lld", (long long)speeds[i]);
    start(text);
    sent = pump(1, 10000000, 5000000, &looks);
    cr_assert_leq((int64_t)sent, speeds[i] * 10, "%lld: %zu", (long long)speeds[i], sent);
    cr_assert_geq((int64_t)sent, speeds[i] * 98 / 10, "%lld: %zu", (long long)speeds[i], sent);
    cr_assert_lt(looks, 4000, "%lld: %zu", (long long)speeds[i], looks);
  }
}

Test(proxy_rule, bandwidth_does_not_save_up_while_nothing_comes)
{
  size_t looks;

  start("r bandwidth=100000");
  (void)pump(1, 1000000, 1000000, &looks);
  cr_assert_leq(pump(1, 1, 60000000, &looks), 5000);
}
