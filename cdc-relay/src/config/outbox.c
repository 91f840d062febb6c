/*
 * outbox.c - settings -> struct config_outbox, entry by entry: each option by its row, then what one option says about another.
 *
 *   table or message.prefix       exactly one; no two entries share theirs; no outbox at all means one entry, public.outbox
 *   route.topic.allow             default: what the replacement can produce = its literal beginning and `*`, or all of it when it has no group
 *   poison, dead.letter.topic     default: those under delivery
 *
 * Regular expressions and placements are compiled by the router, which says what is wrong with them.
 */
#include <stdio.h>
#include <string.h>

#include "config/config_priv.h"
#include "config/table_name.h"
#include "config/value.h"
#include "route/router.h"

static const char by_default[] = "default";

struct builder {
  struct settings *settings;
  const struct config *config;
  struct config_outbox *entry;
  size_t index;
  const char **origins; /* of this entry, by row */
};

static const struct setting *setting_of(const struct builder *builder, const char *name)
{
  return settings_outbox(builder->settings, builder->index, outbox_option_find(name, strlen(name)));
}

static void problem_at(const struct builder *builder, const char *name, const char *words)
{
  const struct setting *setting = setting_of(builder, name);

  if (setting != NULL) {
    setting_problem(builder->settings->problems, setting, "%s", words);
  } else {
    problem_list_add(builder->settings->problems, setting_path(builder->settings->texts, SECTION_OUTBOX, builder->index, name), "%s", words);
  }
}

/* --- source of the events --- */

static void set_table(struct builder *builder, const char *text)
{
  struct table_name name;
  const char *refusal = table_name_parse(text, builder->settings->texts, &name);

  if (refusal != NULL) {
    problem_at(builder, "table", refusal);
    return;
  }
  builder->entry->table = name.display;
  builder->entry->table_schema = name.schema;
  builder->entry->table_name = name.table;
}

static void read_source(struct builder *builder)
{
  const struct setting *table = setting_of(builder, "table");
  const struct setting *prefix = setting_of(builder, "message.prefix");
  const char *text;

  if (table != NULL && prefix != NULL) {
    problem_at(builder, "message.prefix", "an entry has either table or message.prefix, this one has both");
  } else if (table != NULL) {
    if (value_text(builder->settings, table, &text)) {
      set_table(builder, text);
    }
  } else if (prefix != NULL) {
    if (builder->entry->message_prefix != NULL) { /* stored with the other texts */
      builder->entry->table = texts_format(builder->settings->texts, "message:%s", builder->entry->message_prefix);
    }
  } else if (builder->config->outbox_count == 1) {
    set_table(builder, "public.outbox");
  } else {
    problem_at(builder, "table", "is required where there are several entries (or message.prefix)");
  }
}

/* --- topics --- */

static void check_topic(struct builder *builder, const char *option, const char *topic)
{
  if (!topic_is_legal(span_of_text(topic))) {
    problem_at(builder, option, "not a topic's name: letters, digits and . _ - only, at most 249, not beginning with __");
  }
}

/* Whether a topic's name can begin so: asked of the shortest such name. */
static bool prefix_is_legal(const struct builder *builder, const char *prefix, size_t length)
{
  return topic_is_legal(span_of_text(texts_format(builder->settings->texts, "%.*sx", (int)length, prefix)));
}

static void check_pattern(struct builder *builder, const char *pattern)
{
  size_t length = strlen(pattern);

  if (length > 1 && pattern[length - 1] == '*') {
    if (!prefix_is_legal(builder, pattern, length - 1)) {
      problem_at(builder, "route.topic.allow", "a prefix holds letters, digits and . _ - only, at most 248, and does not begin with __");
    }
  } else if (strcmp(pattern, "*") == 0) {
    problem_at(builder, "route.topic.allow", "* alone would let a row choose any topic; name the topics, or a prefix and *");
  } else if (strchr(pattern, '*') != NULL) {
    problem_at(builder, "route.topic.allow", "* stands at the end of a prefix only");
  } else {
    check_topic(builder, "route.topic.allow", pattern);
  }
}

/* The literal beginning of a replacement; a backslash ends it as a group does, since what it stands for is no letter of a topic. */
static void derive_allow(struct builder *builder)
{
  const char *replacement = builder->entry->route_replacement;
  size_t literal = strcspn(replacement, "$\\");
  const char **items = texts_array(builder->settings->texts, 1, sizeof(items[0]));

  if (literal == 0) {
    problem_at(builder, "route.topic.allow", "is required, as route.topic.replacement begins with a group and could produce any topic");
    return;
  }
  if (replacement[literal] == '\0') {
    items[0] = replacement;
    check_topic(builder, "route.topic.replacement", replacement);
  } else {
    items[0] = texts_format(builder->settings->texts, "%.*s*", (int)literal, replacement);
    if (!prefix_is_legal(builder, replacement, literal)) {
      problem_at(builder, "route.topic.replacement", "begins with what no topic's name can begin with");
    }
  }
  builder->entry->allow = items;
  builder->entry->allow_count = 1;
}

static void read_allow(struct builder *builder)
{
  const struct setting *setting = setting_of(builder, "route.topic.allow");

  if (setting == NULL) {
    if (builder->entry->route_replacement != NULL) {
      derive_allow(builder);
    }
    return;
  }
  if (value_list(builder->settings, setting, CONFIG_ALLOW_MAX, &builder->entry->allow, &builder->entry->allow_count)) {
    for (size_t i = 0; i < builder->entry->allow_count; i++) {
      check_pattern(builder, builder->entry->allow[i]);
    }
  }
}

static void read_dead_letters(struct builder *builder)
{
  struct config_outbox *entry = builder->entry;

  if (setting_of(builder, "poison") == NULL) {
    entry->poison = builder->config->delivery.poison;
  }
  if (setting_of(builder, "dead.letter.topic") == NULL) {
    entry->dead_letter_topic = builder->config->delivery.dead_letter_topic;
  } else if (entry->dead_letter_topic != NULL) {
    check_topic(builder, "dead.letter.topic", entry->dead_letter_topic);
  }
  if (entry->poison == POISON_DEAD_LETTER && entry->dead_letter_topic == NULL && setting_of(builder, "dead.letter.topic") == NULL &&
      settings_scalar(builder->settings, scalar_option_find("delivery.dead.letter.topic", strlen("delivery.dead.letter.topic"))) == NULL) {
    problem_at(builder, "dead.letter.topic", "is required with poison dead-letter, here or as delivery.dead.letter.topic");
  }
}

/* --- entries --- */

static void read_rows(struct builder *builder)
{
  for (size_t i = 0; i < OUTBOX_OPTION_COUNT; i++) {
    const struct option *option = &outbox_options[i];
    const struct setting *setting = settings_outbox(builder->settings, builder->index, option);

    builder->origins[i] = setting != NULL ? config_origin(builder->settings->texts, setting) : by_default;
    if (setting == NULL) {
      value_store_preset(option, builder->entry);
    } else {
      (void)value_store(builder->settings, setting, builder->entry);
    }
  }
}

static void read_entry(struct builder *builder)
{
  const struct setting *headers = setting_of(builder, "headers.static");

  read_rows(builder);
  builder->entry->field_id_is_set = setting_of(builder, "table.field.event.id") != NULL;
  builder->entry->field_type_is_set = setting_of(builder, "table.field.event.type") != NULL;
  builder->entry->field_event_headers_is_set = setting_of(builder, "table.field.event.headers") != NULL;
  builder->entry->tracing_is_set = setting_of(builder, "tracing.span.context.field") != NULL;
  read_source(builder);
  read_allow(builder);
  read_dead_letters(builder);
  if (headers != NULL) {
    (void)value_object(builder->settings, headers, CONFIG_STATIC_HEADERS_MAX, &builder->entry->static_headers, &builder->entry->static_header_count);
  }
}

static void refuse_duplicates(struct builder *builder)
{
  for (size_t i = 0; i < builder->index; i++) {
    const struct config_outbox *other = &builder->config->priv->outbox[i];
    const struct config_outbox *entry = builder->entry;
    char words[64];

    (void)snprintf(words, sizeof(words), "outbox[%zu] has the same", i);
    if (entry->message_prefix != NULL && other->message_prefix != NULL && strcmp(entry->message_prefix, other->message_prefix) == 0) {
      problem_at(builder, "message.prefix", words);
      return;
    }
    if (entry->table_name != NULL && other->table_name != NULL && strcmp(entry->table_name, other->table_name) == 0 &&
        strcmp(entry->table_schema, other->table_schema) == 0) {
      problem_at(builder, "table", words);
      return;
    }
  }
}

void outbox_build(struct config *config, struct settings *settings)
{
  struct config_priv *priv = config->priv;
  size_t count = settings->entry_count > 0 ? settings->entry_count : 1;

  priv->outbox = texts_array(&priv->texts, count, sizeof(priv->outbox[0]));
  priv->outbox_origins = texts_array(&priv->texts, count, sizeof(priv->outbox_origins[0]));
  config->outbox = priv->outbox;
  config->outbox_count = count;
  for (size_t i = 0; i < count; i++) {
    struct builder builder = {.settings = settings, .config = config, .entry = &priv->outbox[i], .index = i, .origins = priv->outbox_origins[i]};

    read_entry(&builder);
    refuse_duplicates(&builder);
  }
}
