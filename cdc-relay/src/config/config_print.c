/*
 * config_print.c - the effective configuration as one JSON document: the shape of the file, with an object in the place of each value.
 *
 *   "postgres": {
 *     "slot": {"value": "shop_outbox", "origin": "default"},
 *
 * Values are taken from the struct config that the relay runs with, not from the settings, so that what is printed is what is in force. Every value passes
 * through one of two places that mask: leaf_of_option() and print_kafka().
 */
#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"
#include <jansson.h>

static const char mask[] = "***";

/* Text that may be anything, as a path given on the command line: JSON has no words for bytes that are not UTF-8. */
static json_t *json_text(const char *text)
{
  json_t *json = text != NULL ? json_string(text) : json_null();

  return json != NULL ? json : json_string("(not UTF-8)");
}

static json_t *masked_url(const char *url)
{
  char *masked;
  json_t *json;

  if (url == NULL) {
    return json_null();
  }
  masked = config_mask_url(url);
  json = json_text(masked);
  free(masked);
  return json;
}

static json_t *table_text(const struct config_outbox *entry)
{
  return json_text(entry->message_prefix == NULL ? entry->table : NULL);
}

static json_t *listen_text(const struct config *config)
{
  const char *host = config->admin.host;

  if (host == NULL) {
    return json_string("off");
  }
  return json_sprintf(strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, (int)config->admin.port);
}

static json_t *list_of(const struct config_outbox *entry)
{
  json_t *list = json_array();

  for (size_t i = 0; i < entry->allow_count; i++) {
    (void)json_array_append_new(list, json_text(entry->allow[i]));
  }
  return list;
}

static json_t *object_of(const struct config_outbox *entry)
{
  json_t *object = json_object();

  for (size_t i = 0; i < entry->static_header_count; i++) {
    (void)json_object_set_new(object, entry->static_headers[i].name, json_text(entry->static_headers[i].value));
  }
  return object;
}

static json_t *positions_text(const struct config *config)
{
  char text[CONFIG_POISON_ONCE_MAX * sizeof(struct position_text)];
  size_t length = 0;

  for (size_t i = 0; i < config->delivery.poison_once_count; i++) {
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s", i > 0 ? "," : "", position_text(config->delivery.poison_once[i]).text);
  }
  return length > 0 ? json_text(text) : json_null();
}

/* The value of one option; NULL for one that has none. `owner` is what its offset counts from: a struct config, or a struct config_outbox. */
static json_t *leaf_of_option(const void *owner, const struct option *option)
{
  const void *member = (const char *)owner + option->offset;
  const char *text;

  switch (option->type) {
  case OPTION_TEXT:
    text = *(const char *const *)member;
    if (text != NULL && (option->flags & OPTION_SECRET) != 0) {
      return json_string(mask);
    }
    return (option->flags & OPTION_URL) != 0 ? masked_url(text) : json_text(text);
  case OPTION_INTEGER:
    return json_integer(*(const int64_t *)member);
  case OPTION_BOOLEAN:
    if (option->words == NULL) {
      return json_boolean(*(const bool *)member);
    }
    return json_text(words_at(option->words, *(const bool *)member ? 1 : 0).text);
  case OPTION_WORD:
    return json_text(words_at(option->words, (int)*(const unsigned *)member).text);
  case OPTION_LIST:
    return list_of(owner);
  case OPTION_OBJECT:
    return object_of(owner);
  case OPTION_TABLE:
    return table_text(owner);
  case OPTION_LISTEN:
    return listen_text(owner);
  case OPTION_POSITION:
    return positions_text(owner);
  case OPTION_WITHOUT_EFFECT:
  case OPTION_REFUSED:
    break;
  }
  return NULL;
}

/* One line, `"key": {"value": .., "origin": ..}`, with the comma that the line before it still owes. */
static void print_leaf(FILE *out, int indent, bool is_first, const char *key, json_t *value, const char *origin)
{
  json_t *name = json_text(key);
  json_t *leaf = json_pack("{s:o, s:o}", "value", value, "origin", json_text(origin));

  (void)fprintf(out, "%s\n%*s", is_first ? "" : ",", indent, "");
  (void)json_dumpf(name, out, JSON_ENCODE_ANY);
  (void)fputs(": ", out);
  (void)json_dumpf(leaf, out, 0);
  json_decref(leaf);
  json_decref(name);
}

/* Sections follow one another in the table. */
static void print_scalars(const struct config *config, FILE *out)
{
  const char *section = NULL;
  size_t section_length = 0;

  for (size_t i = 0; i < SCALAR_OPTION_COUNT; i++) {
    const struct option *option = &scalar_options[i];
    const char *dot = strchr(option->name, '.');
    bool is_first = i == 0;

    if (dot != NULL && (section == NULL || strncmp(option->name, section, section_length + 1) != 0)) {
      (void)fprintf(out, "%s,\n  \"%.*s\": {", section != NULL ? "\n  }" : "", (int)(dot - option->name), option->name);
      section = option->name;
      section_length = (size_t)(dot - option->name);
      is_first = true;
    }
    print_leaf(out, dot != NULL ? 4 : 2, is_first, dot != NULL ? dot + 1 : option->name, leaf_of_option(config, option), config->priv->scalar_origins[i]);
  }
  (void)fputs("\n  }", out);
}

static void print_kafka(const struct config *config, FILE *out)
{
  (void)fputs(",\n  \"kafka\": {", out);
  for (size_t i = 0; i < config->kafka_count; i++) {
    const struct config_property *property = &config->kafka[i];

    print_leaf(out, 4, i == 0, property->name, json_text(property->is_secret ? mask : property->value), config->priv->kafka_origins[i]);
  }
  (void)fputs("\n  }", out);
}

static void print_outbox(const struct config *config, FILE *out)
{
  (void)fputs(",\n  \"outbox\": [", out);
  for (size_t i = 0; i < config->outbox_count; i++) {
    bool is_first = true;

    (void)fputs(i == 0 ? "\n    {" : ",\n    {", out);
    for (size_t j = 0; j < OUTBOX_OPTION_COUNT; j++) {
      json_t *value = leaf_of_option(&config->outbox[i], &outbox_options[j]);

      if (value != NULL) {
        print_leaf(out, 6, is_first, outbox_options[j].name, value, config->priv->outbox_origins[i][j]);
        is_first = false;
      }
    }
    (void)fputs("\n    }", out);
  }
  (void)fputs("\n  ]", out);
}

void config_print(const struct config *config, FILE *out)
{
  (void)fputc('{', out);
  print_scalars(config, out);
  print_kafka(config, out);
  print_outbox(config, out);
  (void)fputs("\n}\n", out);
}
