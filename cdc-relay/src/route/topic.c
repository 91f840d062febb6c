/*
 * topic.c - how a route value becomes a topic, and what is remembered of it.
 *
 *   value --hash--> slot: same value? ------------------------------------------------yes--> its topic
 *                     | no
 *                   expression, whole value --no match--> the value itself --+
 *                     | match                                                +--> legal? --> listed? --> remember in the slot
 *                   replacement: literals and groups ------------------------+
 *
 * Only good topics are remembered, so that rows that are refused cannot push out those that are not. The match must span the whole value and its groups are
 * those of this match; Kafka's RegexRouter asks for a whole match too, but then replaces the first partial one, which differs for expressions such as `a|ab`.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "route/topic.h"

#include <pcre2.h>
#include <stdlib.h>

#include "fnv1a.h"
#include "route/replacement.h"
#include "route/router.h"

struct topic_slot {
  uint32_t hash;
  uint32_t value_length;
  uint32_t topic_length;
  char *text; /* value and topic; NULL: empty */
};

struct topic_rule {
  const struct config_outbox *outbox; /* borrowed */
  pcre2_code *regex;
  pcre2_match_data *match;
  pcre2_match_context *limits;
  struct replacement replacement;
  uint64_t matches;
  struct topic_slot slots[TOPIC_CACHE_SLOTS];
};

static bool is_legal_byte(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool bytes_are_legal(struct span text)
{
  for (size_t i = 0; i < text.length; i++) {
    if (!is_legal_byte(text.data[i])) {
      return false;
    }
  }
  return text.length <= ROUTE_TOPIC_MAX_BYTES && !(text.length >= 2 && text.data[0] == '_' && text.data[1] == '_');
}

bool topic_is_legal(struct span topic)
{
  return topic.length > 0 && bytes_are_legal(topic) && !span_is(topic, ".") && !span_is(topic, "..");
}

static bool is_listed(const struct config_outbox *outbox, struct span topic)
{
  for (size_t i = 0; i < outbox->allow_count; i++) {
    struct span pattern = span_of_text(outbox->allow[i]);

    if (pattern.length > 0 && pattern.data[pattern.length - 1] == '*') {
      if (topic.length >= pattern.length - 1 && memcmp(topic.data, pattern.data, pattern.length - 1) == 0) {
        return true;
      }
    } else if (span_equals(topic, pattern)) {
      return true;
    }
  }
  return false;
}

/*
 * Java has classes inside classes, `[a-z[0-9]]` and `[a-z&&[^x]]`. PCRE2 takes the same characters and means something else by them, so that a pasted
 * expression would route wrongly without a word. Returns where one begins, or NULL.
 */
static const char *find_nested_class(const char *regex)
{
  bool in_class = false;

  for (const char *at = regex; *at != '\0'; at++) {
    if (at[0] == '\\' && at[1] == 'Q') {
      const char *end = strstr(at, "\\E");

      if (end == NULL) {
        return NULL;
      }
      at = end + 1;
    } else if (at[0] == '\\' && at[1] != '\0') {
      at++;
    } else if (!in_class && at[0] == '[') {
      in_class = true;
      at += at[1] == '^' ? 1 : 0;
      at += at[1] == ']' ? 1 : 0; /* the first one is a character */
    } else if (in_class && at[0] == ']') {
      in_class = false;
    } else if (in_class && at[0] == '[' && at[1] == ':') { /* [:alpha:] */
      const char *end = strstr(at + 2, ":]");

      if (end == NULL) {
        return at;
      }
      at = end + 1;
    } else if (in_class && (at[0] == '[' || (at[0] == '&' && at[1] == '&'))) {
      return at;
    }
  }
  return NULL;
}

static pcre2_code *regex_compile(const char *regex, const char *path, struct problem_list *problems)
{
  const char *nested = find_nested_class(regex);
  int error;
  PCRE2_SIZE offset;
  pcre2_code *code;
  char item[128];

  (void)snprintf(item, sizeof(item), "%s.route.topic.regex", path);
  if (nested != NULL) {
    problem_list_add(problems, item,
                     "a character class inside another at offset %td, which Java has and PCRE2 has not; write it without, or escape the bracket",
                     nested - regex);
    return NULL;
  }
  code =
      pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &error, &offset, NULL);
  if (code == NULL) {
    PCRE2_UCHAR words[160] = "";

    (void)pcre2_get_error_message(error, words, sizeof(words));
    problem_list_add(problems, item, "%s at offset %zu", (const char *)words, (size_t)offset);
  }
  return code;
}

struct topic_rule *topic_rule_new(const struct config_outbox *outbox, const char *path, struct problem_list *problems)
{
  struct topic_rule *rule = calloc(1, sizeof(*rule));

  if (rule == NULL) {
    abort();
  }
  rule->outbox = outbox;
  rule->regex = regex_compile(outbox->route_regex, path, problems);
  if (rule->regex == NULL) {
    return rule; /* without the expression nobody knows which groups a replacement may name */
  }
  replacement_init(&rule->replacement, outbox->route_replacement, rule->regex, path, problems);
  rule->match = pcre2_match_data_create_from_pattern(rule->regex, NULL);
  rule->limits = pcre2_match_context_create(NULL);
  if (rule->match == NULL || rule->limits == NULL) {
    abort();
  }
  pcre2_set_match_limit(rule->limits, TOPIC_REGEX_MATCH_LIMIT);
  pcre2_set_heap_limit(rule->limits, TOPIC_REGEX_HEAP_LIMIT_KIB);
  return rule;
}

void topic_rule_free(struct topic_rule *rule)
{
  if (rule == NULL) {
    return;
  }
  for (size_t i = 0; i < TOPIC_CACHE_SLOTS; i++) {
    free(rule->slots[i].text);
  }
  replacement_done(&rule->replacement);
  pcre2_match_context_free(rule->limits);
  pcre2_match_data_free(rule->match);
  pcre2_code_free(rule->regex);
  free(rule);
}

static void remember(struct topic_slot *slot, uint32_t hash, struct span value, struct span topic)
{
  char *text = malloc(value.length + topic.length);

  if (text == NULL) {
    abort();
  }
  memcpy(text, value.data, value.length);
  memcpy(text + value.length, topic.data, topic.length);
  free(slot->text);
  *slot = (struct topic_slot){.hash = hash, .value_length = (uint32_t)value.length, .topic_length = (uint32_t)topic.length, .text = text};
}

enum topic_outcome topic_rule_apply(struct topic_rule *rule, struct span value, struct arena *arena, struct span *ret_topic)
{
  uint32_t hash;
  struct topic_slot *slot;
  int groups;
  char substituted[ROUTE_TOPIC_MAX_BYTES + 1];
  struct span topic = value;

  if (value.length > ROUTE_VALUE_MAX_BYTES) {
    return TOPIC_TOO_LONG;
  }
  hash = fnv1a_32(value);
  slot = &rule->slots[hash % TOPIC_CACHE_SLOTS];
  if (slot->text != NULL && slot->hash == hash && slot->value_length == value.length && memcmp(slot->text, value.data, value.length) == 0) {
    *ret_topic = arena_copy(arena, span_of(slot->text + slot->value_length, slot->topic_length));
    return TOPIC_FOUND;
  }
  rule->matches++;
  groups = pcre2_match(rule->regex, (PCRE2_SPTR)value.data, value.length, 0, 0, rule->match, rule->limits);
  if (groups == PCRE2_ERROR_MATCHLIMIT || groups == PCRE2_ERROR_HEAPLIMIT || groups == PCRE2_ERROR_DEPTHLIMIT) {
    return TOPIC_UNDECIDED;
  }
  if (groups > 0) { /* all else is no match, also a value that is not UTF-8 */
    topic = span_of(substituted, replacement_write(&rule->replacement, value, pcre2_get_ovector_pointer(rule->match), substituted, sizeof(substituted)));
  }
  *ret_topic = arena_copy(arena, span_of(topic.data, topic.length < sizeof(substituted) ? topic.length : sizeof(substituted)));
  if (!topic_is_legal(topic)) {
    return TOPIC_ILLEGAL;
  }
  if (!is_listed(rule->outbox, topic)) {
    return TOPIC_UNLISTED;
  }
  remember(slot, hash, value, topic);
  return TOPIC_FOUND;
}

uint64_t topic_rule_matches(const struct topic_rule *rule)
{
  return rule->matches;
}
