/*
 * setting.c - finds the option that a name means, and keeps one setting for each.
 *
 *   name as written                          section   what it means here
 *   postgres.password_file                   scalar    postgres.password, from a file
 *   sasl.mechanisms                          kafka     sasl.mechanism (an alias)
 *   transforms.outbox.route.by.field         outbox    route.by.field (Debezium's prefix is cut off)
 *   transforms, transforms.outbox.type       outbox    nothing: they only say that this is the outbox event router
 *
 * No value is quoted in a message from here: the name may be wrong because the line is a secret that went astray.
 */
#include "config/setting.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/connection_text.h"
#include "config/nearest.h"

void settings_done(struct settings *settings)
{
  free(settings->items);
  settings->items = NULL;
  settings->count = settings->capacity = 0;
}

static void add_problem(struct problem_list *problems, const char *path, const char *origin, const char *format, va_list arguments) PRINTF_LIKE(4, 0);

static void add_problem(struct problem_list *problems, const char *path, const char *origin, const char *format, va_list arguments)
{
  char words[sizeof(problems->problems[0].text)];

  (void)vsnprintf(words, sizeof(words), format, arguments);
  problem_list_add(problems, path, "%s (%s)", words, origin);
}

void setting_problem(struct problem_list *problems, const struct setting *setting, const char *format, ...)
{
  va_list arguments;

  va_start(arguments, format);
  add_problem(problems, setting->path, setting->origin.text, format, arguments);
  va_end(arguments);
}

void origin_problem(struct problem_list *problems, const char *path, struct origin origin, const char *format, ...)
{
  va_list arguments;

  va_start(arguments, format);
  add_problem(problems, path, origin.text, format, arguments);
  va_end(arguments);
}

const char *setting_path(struct texts *texts, enum setting_section section, size_t entry, const char *name)
{
  switch (section) {
  case SECTION_SCALAR:
    return texts_copy(texts, name, strlen(name));
  case SECTION_KAFKA:
    return texts_format(texts, "kafka.%s", name);
  case SECTION_OUTBOX:
    break;
  }
  return texts_format(texts, "outbox[%zu].%s", entry, name);
}

static const struct setting *find(const struct settings *settings, const struct setting *like)
{
  for (size_t i = 0; i < settings->count; i++) {
    const struct setting *setting = &settings->items[i];

    if (setting->section == like->section && setting->entry == like->entry && strcmp(setting->name, like->name) == 0) {
      return setting;
    }
  }
  return NULL;
}

const struct setting *settings_scalar(const struct settings *settings, const struct option *option)
{
  return find(settings, &(struct setting){.section = SECTION_SCALAR, .name = option->name});
}

const struct setting *settings_outbox(const struct settings *settings, size_t entry, const struct option *option)
{
  return find(settings, &(struct setting){.section = SECTION_OUTBOX, .entry = entry, .name = option->name});
}

/* --- names --- */

static bool option_takes_file(const struct option *option)
{
  return (option->flags & (OPTION_SECRET | OPTION_URL)) != 0;
}

/* Fills option or property by the name's first `length` bytes. */
static bool look_up(struct setting *setting, const char *name, size_t length)
{
  switch (setting->section) {
  case SECTION_SCALAR:
    setting->option = scalar_option_find(name, length);
    return setting->option != NULL;
  case SECTION_KAFKA:
    setting->property = kafka_property_find(name, length);
    return setting->property != NULL;
  case SECTION_OUTBOX:
    break;
  }
  setting->option = outbox_option_find(name, length);
  return setting->option != NULL;
}

static bool identify(struct settings *settings, struct setting *setting, const char *name)
{
  size_t length = strlen(name);
  size_t base = length > strlen("_file") && strcmp(name + length - strlen("_file"), "_file") == 0 ? length - strlen("_file") : 0;

  if (look_up(setting, name, length)) {
    setting->is_file = false;
  } else if (base > 0 && look_up(setting, name, base) &&
             (setting->section == SECTION_KAFKA || setting->origin.rank == RANK_ENVIRONMENT || option_takes_file(setting->option))) {
    setting->is_file = true;
  } else if (setting->section == SECTION_KAFKA && (kafka_prefix_is_allowed(name) || kafka_property_refusal(NULL, name) != NULL)) {
    setting->property = NULL;
    setting->is_file = base > 0;
    setting->name = texts_copy(settings->texts, name, setting->is_file ? base : length);
    return true;
  } else {
    return false;
  }
  setting->name = setting->section == SECTION_KAFKA ? setting->property->name : setting->option->name;
  return true;
}

static void unknown_name(struct settings *settings, enum setting_section section, size_t entry, const char *name, struct origin origin)
{
  struct nearest nearest = {.wanted = name};

  if (settings->problems->count >= PROBLEM_LIST_MAX) { /* a nearest name costs time, and nobody would see it */
    problem_list_add(settings->problems, "", "unknown key");
    return;
  }
  if (section == SECTION_KAFKA) {
    for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
      if (kafka_properties[i].rule != KAFKA_REFUSED) {
        nearest_offer(&nearest, kafka_properties[i].name);
      }
    }
    origin_problem(settings->problems, setting_path(settings->texts, section, entry, name), origin,
                   "not a property that the relay passes to librdkafka, the nearest one is %s", nearest.text);
    return;
  }
  for (size_t i = 0; section == SECTION_SCALAR && i < SCALAR_OPTION_COUNT; i++) {
    char file_name[NEAREST_TEXT_SIZE];

    nearest_offer(&nearest, scalar_options[i].name);
    (void)snprintf(file_name, sizeof(file_name), "%s_file", scalar_options[i].name);
    if (option_takes_file(&scalar_options[i])) {
      nearest_offer(&nearest, file_name);
    }
  }
  for (size_t i = 0; section == SECTION_OUTBOX && i < OUTBOX_OPTION_COUNT; i++) {
    if (outbox_options[i].type != OPTION_REFUSED) {
      nearest_offer(&nearest, outbox_options[i].name);
    }
  }
  origin_problem(settings->problems, setting_path(settings->texts, section, entry, name), origin, "unknown key, the nearest known one is %s", nearest.text);
}

/* --- Debezium's block --- */

/* Cuts `transforms.<name>.` off *name. False: nothing is left to do, the name is dealt with. */
static bool strip_transform(struct settings *settings, size_t entry, const char **name, struct origin origin, struct raw_value value)
{
  static const char prefix[] = "transforms.";
  const char *path = setting_path(settings->texts, SECTION_OUTBOX, entry, *name);
  const char *transform, *dot, *type;

  if (strcmp(*name, "transforms") == 0) {
    return false;
  }
  if (strncmp(*name, prefix, strlen(prefix)) != 0) {
    return true;
  }
  transform = *name + strlen(prefix);
  dot = strchr(transform, '.');
  if (dot == NULL || dot == transform || dot[1] == '\0') {
    origin_problem(settings->problems, path, origin, "expected transforms.<name>.<option>");
    return false;
  }
  transform = texts_copy(settings->texts, transform, (size_t)(dot - transform));
  *name = dot + 1;
  if (strcmp(*name, "type") == 0) {
    type = value.json != NULL ? json_string_value(value.json) : value.text;
    if (type == NULL || !span_ends_with(span_of_text(type), "EventRouter")) {
      origin_problem(settings->problems, path, origin,
                     "only the outbox event router (io.debezium.transforms.outbox.EventRouter) is understood, no other transform");
    }
    return false;
  }
  if (settings->transform[entry] != NULL && strcmp(settings->transform[entry], transform) != 0) {
    origin_problem(settings->problems, path, origin, "belongs to another transform than transforms.%s; write one outbox entry for each",
                   settings->transform[entry]);
    return false;
  }
  settings->transform[entry] = transform;
  return true;
}

/* Whether the name is one of a converter's own options, `value.converter.schemas.enable`: they share the converter's fate. */
static const struct option *converter_of(const char *name)
{
  const char *converter = strstr(name, ".converter");
  const struct option *option;

  if (converter == NULL || (converter[strlen(".converter")] != '\0' && converter[strlen(".converter")] != '.')) {
    return NULL;
  }
  option = outbox_option_find(name, (size_t)(converter - name) + strlen(".converter"));
  return option != NULL ? option : outbox_option_find("value.converter", strlen("value.converter"));
}

/* --- taking a setting --- */

/* True: refused, and said so. */
static bool is_refused(struct settings *settings, const struct setting *setting)
{
  const char *reason = NULL;

  if (setting->section == SECTION_KAFKA) {
    reason = kafka_property_refusal(setting->property, setting->name);
  } else if (setting->option->type == OPTION_REFUSED) {
    reason = setting->option->doc;
  }
  if (reason != NULL) {
    setting_problem(settings->problems, setting, "refused: %s", reason);
    return true;
  }
  if (setting->origin.rank == RANK_COMMAND_LINE && !setting->is_file &&
      (setting->is_secret || (setting->option != NULL && (setting->option->flags & OPTION_URL) != 0 && connection_text_has_password(setting->value.text)))) {
    setting_problem(settings->problems, setting,
                    "a secret on the command line can be read by everybody on this machine; use %s_file, the environment or the configuration file",
                    setting->path);
  }
  return false; /* a secret in the wrong place is kept, so that it is not called missing as well */
}

static void insert(struct settings *settings, const struct setting *setting)
{
  if (setting->section == SECTION_KAFKA && settings->kafka_count++ == SETTING_KAFKA_MAX) {
    problem_list_add(settings->problems, "kafka", "more than %d properties", SETTING_KAFKA_MAX);
  }
  if (setting->section == SECTION_KAFKA && settings->kafka_count > SETTING_KAFKA_MAX) {
    return;
  }
  if (settings->count == settings->capacity) {
    settings->capacity = settings->capacity == 0 ? 64 : settings->capacity * 2;
    settings->items = reallocarray(settings->items, settings->capacity, sizeof(settings->items[0]));
    if (settings->items == NULL) {
      abort();
    }
  }
  settings->items[settings->count++] = *setting;
}

void settings_put(struct settings *settings, enum setting_section section, size_t entry, const char *name, struct origin origin, struct raw_value value)
{
  struct setting setting = {.section = section, .entry = entry, .origin = origin, .value = value};
  struct setting *present;

  if (strlen(name) > SETTING_NAME_MAX_BYTES) {
    origin_problem(settings->problems, setting_path(settings->texts, section, entry, "..."), origin, "unknown key of %zu bytes", strlen(name));
    return;
  }
  if (section == SECTION_OUTBOX && entry >= settings->entry_count) {
    settings->entry_count = entry + 1;
  }
  if (section == SECTION_OUTBOX && !strip_transform(settings, entry, &name, origin, value)) {
    return;
  }
  setting.path = setting_path(settings->texts, section, entry, name);
  if (section == SECTION_OUTBOX && converter_of(name) != NULL) {
    setting.option = converter_of(name);
    setting.name = setting.option->name;
  } else if (!identify(settings, &setting, name)) {
    unknown_name(settings, section, entry, name, origin);
    return;
  }
  setting.is_secret = section == SECTION_KAFKA ? kafka_property_is_secret(setting.property, setting.name) : (setting.option->flags & OPTION_SECRET) != 0;
  if (is_refused(settings, &setting)) {
    return;
  }
  if (setting.section != SECTION_KAFKA && setting.option->type == OPTION_WITHOUT_EFFECT) {
    setting_problem(settings->warnings, &setting, "%s", setting.option->doc);
    return;
  }
  present = (struct setting *)(uintptr_t)find(settings, &setting);
  if (present == NULL) {
    insert(settings, &setting);
  } else if (present->origin.rank == origin.rank && (origin.rank != RANK_COMMAND_LINE || strcmp(present->path, setting.path) != 0)) {
    setting_problem(settings->problems, &setting, "is given twice, the other time as %s (%s)", present->path, present->origin.text);
  } else { /* a later source, or a later --set of the same name */
    *present = setting;
  }
}
