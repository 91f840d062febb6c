/*
 * source_file.c - the JSON file: sections at the top, options under their names inside, one level deep.
 *
 *   { "name": .., "postgres": {..}, "kafka": {..}, "outbox": [ {..}, .. ], "delivery": {..}, "admin": {..}, "log": {..} }
 *
 * jansson's messages end in the text near the mistake, which may be a secret: that end is cut off.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config/file_text.h"
#include "config/nearest.h"
#include "config/sources.h"

static void put_section(struct settings *settings, const char *section, const json_t *object, struct origin origin)
{
  bool is_kafka = strcmp(section, "kafka") == 0;
  const char *name;
  json_t *value;

  json_object_foreach((json_t *)(uintptr_t)object, name, value)
  {
    struct raw_value raw = {.json = value};

    if (is_kafka) {
      settings_put(settings, SECTION_KAFKA, 0, name, origin, raw);
    } else {
      settings_put(settings, SECTION_SCALAR, 0, texts_format(settings->texts, "%s.%s", section, name), origin, raw);
    }
  }
}

static void put_outbox(struct settings *settings, const json_t *list, struct origin origin)
{
  if (json_array_size(list) == 0) {
    origin_problem(settings->problems, "outbox", origin, "must not be empty; leave it out for public.outbox");
  }
  if (json_array_size(list) > CONFIG_OUTBOX_MAX) {
    origin_problem(settings->problems, "outbox", origin, "holds %zu entries, at most %d are allowed", json_array_size(list), CONFIG_OUTBOX_MAX);
    return;
  }
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *entry = json_array_get(list, i);
    const char *name;
    json_t *value;

    if (!json_is_object(entry)) {
      origin_problem(settings->problems, texts_format(settings->texts, "outbox[%zu]", i), origin, "expected an object");
    }
    settings->entry_count = i + 1 > settings->entry_count ? i + 1 : settings->entry_count;
    json_object_foreach((json_t *)(uintptr_t)entry, name, value)
    {
      settings_put(settings, SECTION_OUTBOX, i, name, origin, (struct raw_value){.json = value});
    }
  }
}

static void put_top(struct settings *settings, const char *name, const json_t *value, struct origin origin)
{
  static const char *const sections[] = {"postgres", "kafka", "delivery", "admin", "log"};
  struct nearest nearest = {.wanted = name};

  nearest_offer(&nearest, "name");
  nearest_offer(&nearest, "outbox");
  for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
    nearest_offer(&nearest, sections[i]);
    if (strcmp(name, sections[i]) == 0) {
      if (json_is_object(value)) {
        put_section(settings, name, value, origin);
      } else {
        origin_problem(settings->problems, name, origin, "expected an object");
      }
      return;
    }
  }
  if (strcmp(name, "name") == 0) {
    settings_put(settings, SECTION_SCALAR, 0, name, origin, (struct raw_value){.json = value});
  } else if (strcmp(name, "outbox") == 0 && json_is_array(value)) {
    put_outbox(settings, value, origin);
  } else if (strcmp(name, "outbox") == 0) {
    origin_problem(settings->problems, name, origin, "expected a list of objects");
  } else {
    origin_problem(settings->problems, name, origin, "unknown key, the nearest known one is %s", nearest.text);
  }
}

json_t *source_file_read(struct settings *settings, const char *path)
{
  struct origin origin = {.rank = RANK_FILE, .text = texts_format(settings->texts, "file %s", path)};
  struct problem problem;
  json_error_t error;
  json_t *document, *value;
  const char *text, *name;
  size_t length;

  if (file_text_read(path, CONFIG_FILE_MAX_BYTES, settings->texts, &text, &length, &problem) != VERDICT_OK) {
    problem_list_add(settings->problems, "", "%s", problem.text);
    return NULL;
  }
  document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (document == NULL) {
    char *near = strstr(error.text, " near '");

    if (near != NULL) {
      *near = '\0';
    }
    origin_problem(settings->problems, "", origin, "not valid JSON: %s at line %d, column %d", error.text, error.line, error.column);
    return NULL;
  }
  if (!json_is_object(document)) {
    origin_problem(settings->problems, "", origin, "expected an object");
    source_file_free(document);
    return NULL;
  }
  json_object_foreach(document, name, value)
  {
    put_top(settings, name, value, origin);
  }
  return document;
}

static void scrub(json_t *json)
{
  size_t index;
  const char *name;
  json_t *value;

  switch (json_typeof(json)) {
  case JSON_OBJECT:
    json_object_foreach(json, name, value)
    {
      scrub(value);
    }
    break;
  case JSON_ARRAY:
    json_array_foreach(json, index, value)
    {
      scrub(value);
    }
    break;
  case JSON_STRING:
    explicit_bzero((char *)(uintptr_t)json_string_value(json), json_string_length(json));
    break;
  case JSON_INTEGER:
  case JSON_REAL:
  case JSON_TRUE:
  case JSON_FALSE:
  case JSON_NULL:
    break;
  }
}

void source_file_free(json_t *document)
{
  if (document != NULL) {
    scrub(document);
    json_decref(document);
  }
}
