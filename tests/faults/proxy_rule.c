/*
 * proxy_rule.c - parsing, matching, and the buckets of bandwidth rules. Pure but for the table: time and chance are arguments, so the tests are tables.
 */
#include "proxy_rule.h"

#include "kafka_frame.h"
#include "kafka_patch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A bandwidth rule saves up at most what it allows in BUCKET_MS, and never less than a byte; it waits for a part of that, so as not to wake for each byte. */
enum { BUCKET_MS = 50, BUCKET_PARTS = 4, RULE_ERROR_MAX = 1000 };

void proxy_rules_init(struct proxy_rules *rules, uint64_t seed)
{
  memset(rules, 0, sizeof(*rules));
  rules->chance = seed * 2 + 1;
}

/* Uniform enough in [0, limit). */
static uint64_t draw(struct proxy_rules *rules, uint64_t limit)
{
  rules->chance ^= rules->chance << 13;
  rules->chance ^= rules->chance >> 7;
  rules->chance ^= rules->chance << 17;
  return (rules->chance >> 11) % limit;
}

/* A number in [0, most] up to *end; false when there is none. */
static bool read_amount(const char *text, int64_t most, const char **ret_end, int64_t *ret_amount)
{
  char *end;
  long long number;

  if (*text < '0' || *text > '9') {
    return false;
  }
  errno = 0;
  number = strtoll(text, &end, 10);
  if (errno != 0 || number > most) {
    return false;
  }
  *ret_end = end;
  *ret_amount = number;
  return true;
}

static bool read_whole(const char *text, int64_t least, int64_t most, int64_t *ret_amount)
{
  const char *end;

  return read_amount(text, most, &end, ret_amount) && *end == '\0' && *ret_amount >= least;
}

/* What follows NAME= in a word, or NULL. */
static const char *value_of(const char *word, const char *name)
{
  size_t length = strlen(name);

  return strncmp(word, name, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static const char *parse_delay(struct proxy_rule *rule, const char *value)
{
  const char *end;

  if (!read_amount(value, RULE_DELAY_MS_MAX, &end, &rule->amount) ||
      (*end != '\0' && (strncmp(end, "+-", 2) != 0 || !read_whole(end + 2, 0, RULE_DELAY_MS_MAX, &rule->jitter_ms)))) {
    return "delay takes milliseconds, at most 600000, or MS+-JITTER_MS";
  }
  if (rule->jitter_ms > rule->amount) {
    return "the jitter is larger than the delay";
  }
  return NULL;
}

/* One word that is an action: true, and what is wrong with it in *ret_problem (NULL: nothing). */
static bool parse_action(struct proxy_rule *rule, const char *word, const char **ret_problem)
{
  static const struct {
    const char *name;
    enum rule_action action;
  } plain[] = {{"hold", RULE_HOLD}, {"drop", RULE_DROP}, {"reset", RULE_RESET}, {"half-close", RULE_HALF_CLOSE}, {"lose", RULE_LOSE}};
  const char *value;

  *ret_problem = NULL;
  for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
    if (strcmp(word, plain[i].name) == 0) {
      rule->action = plain[i].action;
      return true;
    }
  }
  if ((value = value_of(word, "delay")) != NULL) {
    rule->action = RULE_DELAY;
    *ret_problem = parse_delay(rule, value);
  } else if ((value = value_of(word, "slice")) != NULL) {
    rule->action = RULE_SLICE;
    *ret_problem = read_whole(value, 1, RULE_BYTES_MAX, &rule->amount) ? NULL : "slice takes a number of bytes";
  } else if ((value = value_of(word, "bandwidth")) != NULL) {
    rule->action = RULE_BANDWIDTH;
    *ret_problem = read_whole(value, 1, RULE_BYTES_MAX, &rule->amount) ? NULL : "bandwidth takes bytes per second";
  } else if ((value = value_of(word, "error")) != NULL) {
    rule->action = RULE_ERROR;
    *ret_problem = strcmp(value, "-1") == 0 || read_whole(value, 1, RULE_ERROR_MAX, &rule->amount) ? NULL : "error takes one of Kafka's error codes";
    rule->amount = strcmp(value, "-1") == 0 ? -1 : rule->amount;
  } else {
    return false;
  }
  return true;
}

static const char *parse_condition(struct proxy_rule *rule, const char *word, bool is_kafka)
{
  const char *value;
  int64_t number;

  if ((value = value_of(word, "api")) != NULL) {
    if (!is_kafka) {
      return "only a proxy in kafka mode knows an api";
    }
    rule->api = kafka_api_parse(value);
    return rule->api != KAFKA_API_UNKNOWN ? NULL : "no such api";
  }
  if ((value = value_of(word, "direction")) != NULL) {
    rule->direction = strcmp(value, "request") == 0 ? RULE_REQUEST : strcmp(value, "response") == 0 ? RULE_RESPONSE : RULE_BOTH;
    return rule->direction != RULE_BOTH || strcmp(value, "both") == 0 ? NULL : "direction is request, response or both";
  }
  if ((value = value_of(word, "skip")) != NULL) {
    if (!read_whole(value, 0, INT64_MAX, &number)) {
      return "skip takes a number of frames";
    }
    rule->skip = (uint64_t)number;
    return NULL;
  }
  if ((value = value_of(word, "count")) != NULL) {
    if (!read_whole(value, 1, INT64_MAX, &number)) {
      return "count takes a number of frames, 1 or more";
    }
    rule->count = (uint64_t)number;
    return NULL;
  }
  return "a word is no condition and no action";
}

static const char *parse(struct proxy_rule *rule, char *const *words, size_t count, bool is_kafka)
{
  bool has_action = false;
  const char *problem;

  *rule = (struct proxy_rule){.is_used = true, .api = KAFKA_API_UNKNOWN, .direction = RULE_BOTH, .count = UINT64_MAX};
  if (count == 0 || strlen(words[0]) >= sizeof(rule->name) || strchr(words[0], '=') != NULL) {
    return "a rule has a name of at most 31 characters, without =";
  }
  memcpy(rule->name, words[0], strlen(words[0]) + 1);
  for (size_t i = 1; i < count; i++) {
    if (parse_action(rule, words[i], &problem)) {
      if (has_action) {
        return "a rule has one action";
      }
      has_action = true;
    } else {
      problem = parse_condition(rule, words[i], is_kafka);
    }
    if (problem != NULL) {
      return problem;
    }
  }
  if (!has_action) {
    return "a rule has an action: hold, delay=, drop, slice=, bandwidth=, reset, half-close, lose or error=";
  }
  if (rule->action == RULE_ERROR && !kafka_patch_knows(rule->api)) {
    return "an error can be put into answers to Produce, Metadata, ApiVersions or InitProducerId";
  }
  if (rule->action == RULE_LOSE || rule->action == RULE_ERROR) {
    if (rule->direction == RULE_REQUEST) {
      return "lose and error are for responses";
    }
    rule->direction = RULE_RESPONSE;
  }
  return NULL;
}

rule_set proxy_rules_find(const struct proxy_rules *rules, const char *name)
{
  rule_set found = 0;

  for (size_t i = 0; i < RULES_MAX; i++) {
    if (rules->rules[i].is_used && (name == NULL || strcmp(rules->rules[i].name, name) == 0)) {
      found |= (rule_set)1 << i;
    }
  }
  return found;
}

void proxy_rules_clear(struct proxy_rules *rules, rule_set cleared)
{
  for (size_t i = 0; i < RULES_MAX; i++) {
    if ((cleared >> i & 1) != 0) {
      rules->rules[i].is_used = false;
    }
  }
}

const char *proxy_rules_set(struct proxy_rules *rules, char *const *words, size_t count, bool is_kafka, rule_set *ret_replaced)
{
  struct proxy_rule rule;
  const char *problem = parse(&rule, words, count, is_kafka);
  rule_set replaced;

  if (problem != NULL) {
    return problem;
  }
  replaced = proxy_rules_find(rules, rule.name);
  for (size_t i = 0; i < RULES_MAX; i++) {
    if (replaced != 0 ? (replaced >> i & 1) != 0 : !rules->rules[i].is_used) {
      rules->rules[i] = rule;
      *ret_replaced = replaced;
      return NULL;
    }
  }
  return "there are too many rules";
}

struct rule_verdict proxy_rules_judge(struct proxy_rules *rules, enum rule_direction direction, int api)
{
  struct rule_verdict verdict = {.fate = FATE_PASS};

  for (size_t i = 0; i < RULES_MAX; i++) {
    struct proxy_rule *rule = &rules->rules[i];
    enum rule_fate fate = FATE_PASS;

    if (!rule->is_used || (rule->direction & direction) == 0 || (rule->api != KAFKA_API_UNKNOWN && rule->api != api)) {
      continue;
    }
    rule->seen++;
    if (rule->seen <= rule->skip || rule->applied >= rule->count) {
      continue;
    }
    rule->applied++;
    verdict.rules |= (rule_set)1 << i;
    switch (rule->action) {
    case RULE_DELAY:
      verdict.delay_us += (rule->amount - rule->jitter_ms) * 1000 + (int64_t)draw(rules, (uint64_t)rule->jitter_ms * 2000 + 1);
      break;
    case RULE_DROP:
      fate = FATE_DROP;
      break;
    case RULE_HALF_CLOSE:
      fate = FATE_HALF_CLOSE;
      break;
    case RULE_RESET:
    case RULE_LOSE:
      fate = FATE_RESET;
      break;
    case RULE_ERROR:
      verdict.error = (int16_t)rule->amount;
      break;
    case RULE_HOLD:
    case RULE_SLICE:
    case RULE_BANDWIDTH:
      break;
    }
    if (fate > verdict.fate) {
      verdict.fate = fate;
    }
  }
  return verdict;
}

bool proxy_rules_act(const struct proxy_rules *rules, rule_set of, enum rule_action action)
{
  for (size_t i = 0; i < RULES_MAX; i++) {
    if ((of >> i & 1) != 0 && rules->rules[i].action == action) {
      return true;
    }
  }
  return false;
}

static double bucket_bytes(const struct proxy_rule *rule)
{
  double most = (double)rule->amount * BUCKET_MS / 1000;

  return most > 1 ? most : 1;
}

/* How much of `wanted` the bucket gives now. 0: enough for a send is in it at *ret_due_us. */
static size_t draw_bucket(struct proxy_rule *rule, size_t wanted, int64_t now_us, int64_t *ret_due_us)
{
  double most = bucket_bytes(rule);
  double least = most / BUCKET_PARTS > 1 ? most / BUCKET_PARTS : 1;

  if (rule->tokens_at_us != 0) {
    rule->tokens_bytes += (double)rule->amount * (double)(now_us - rule->tokens_at_us) / 1000000;
  }
  rule->tokens_at_us = now_us;
  if (rule->tokens_bytes > most) {
    rule->tokens_bytes = most;
  }
  if (rule->tokens_bytes >= (double)wanted) {
    return wanted;
  }
  if (least > (double)wanted) {
    least = (double)wanted;
  }
  if (rule->tokens_bytes < least) {
    *ret_due_us = now_us + 1 + (int64_t)((least - rule->tokens_bytes) * 1000000 / (double)rule->amount);
    return 0;
  }
  return (size_t)rule->tokens_bytes;
}

size_t proxy_rules_allow(struct proxy_rules *rules, rule_set of, size_t wanted, int64_t now_us, int64_t *ret_again_us)
{
  size_t allowed = wanted;

  for (size_t i = 0; i < RULES_MAX; i++) {
    struct proxy_rule *rule = &rules->rules[i];

    if ((of >> i & 1) == 0) {
      continue;
    }
    if (rule->action == RULE_SLICE && (int64_t)allowed > rule->amount) {
      allowed = (size_t)rule->amount;
    } else if (rule->action == RULE_BANDWIDTH) {
      allowed = draw_bucket(rule, allowed, now_us, ret_again_us);
      if (allowed == 0) {
        return 0;
      }
    }
  }
  return allowed;
}

void proxy_rules_sent(struct proxy_rules *rules, rule_set of, size_t sent_bytes)
{
  for (size_t i = 0; i < RULES_MAX; i++) {
    if ((of >> i & 1) != 0 && rules->rules[i].action == RULE_BANDWIDTH) {
      rules->rules[i].tokens_bytes -= (double)sent_bytes;
    }
  }
}
