/*
 * value.c - conversions from text and from JSON, by type. A wrong value is quoted, shortened, unless it is a secret or may hold one.
 */
#include "config/value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file_text.h"

/* What was found in place of what was expected, for a message. */
struct shown {
  char text[80];
};

static struct shown show(const struct setting *setting, const char *text)
{
  struct shown shown;
  bool is_hidden = setting->is_secret || setting->is_file || (setting->option != NULL && (setting->option->flags & OPTION_URL) != 0);

  if (text != NULL && is_hidden) {
    (void)snprintf(shown.text, sizeof(shown.text), "another value");
  } else if (text != NULL) {
    int length = (int)strnlen(text, 60);

    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
      length--; /* not in the middle of a character */
    }
    (void)snprintf(shown.text, sizeof(shown.text), "\"%.*s%s\"", length, text, text[length] != '\0' ? "..." : "");
  } else {
    static const char *const names[] = {"an object", "a list", "a text", "an integer", "a number with a fraction", "true", "false", "null"};

    (void)snprintf(shown.text, sizeof(shown.text), "%s", names[json_typeof(setting->value.json)]);
  }
  return shown;
}

/* The value as text, with its file read; NULL and no word when it is JSON other than a text. False: said what is wrong. */
static bool plain_text(struct settings *settings, const struct setting *setting, const char **ret_text)
{
  bool has_lines = setting->property != NULL && (setting->property->flags & KAFKA_LINES) != 0;
  const char *text = setting->value.json != NULL ? json_string_value(setting->value.json) : setting->value.text;
  const char *refusal;

  if (text == NULL) {
    *ret_text = NULL;
    return true;
  }
  if (strlen(text) > SETTING_TEXT_MAX_BYTES) {
    setting_problem(settings->problems, setting, "longer than %d bytes", SETTING_TEXT_MAX_BYTES);
    return false;
  }
  refusal = text_refusal(text, strlen(text), has_lines && !setting->is_file, setting->is_secret && !setting->is_file);
  if (refusal != NULL) {
    setting_problem(settings->problems, setting, "cannot be used: %s", refusal);
    return false;
  }
  if (setting->is_file) {
    struct problem problem;

    if (text[0] == '\0') {
      setting_problem(settings->problems, setting, "expected the path of a file, got an empty text");
      return false;
    }
    if (secret_file_read(text, has_lines, settings->texts, &text, &problem) != VERDICT_OK) {
      setting_problem(settings->problems, setting, "%s", problem.text);
      return false;
    }
    refusal = setting->is_secret ? NULL : text_refusal(text, strlen(text), has_lines, false);
    if (refusal != NULL) {
      setting_problem(settings->problems, setting, "cannot be used: %s", refusal);
      return false;
    }
  }
  *ret_text = texts_copy(settings->texts, text, strlen(text));
  return true;
}

bool value_text(struct settings *settings, const struct setting *setting, const char **ret_text)
{
  const char *text;

  if (!plain_text(settings, setting, &text)) {
    return false;
  }
  if (text == NULL) {
    setting_problem(settings->problems, setting, "expected %s, got %s", setting->is_file ? "the path of a file" : "a text", show(setting, NULL).text);
    return false;
  }
  if (text[0] == '\0') {
    setting_problem(settings->problems, setting, "must not be empty");
    return false;
  }
  *ret_text = text;
  return true;
}

bool value_property(struct settings *settings, const struct setting *setting, const char **ret_text)
{
  const json_t *json = setting->value.json;
  const char *text;

  if (!plain_text(settings, setting, &text)) {
    return false;
  }
  if (text == NULL && !setting->is_file && (json_is_number(json) || json_is_boolean(json))) {
    char *dump = json_dumps(json, JSON_ENCODE_ANY);

    text = texts_copy(settings->texts, dump, strlen(dump));
    free(dump);
  }
  if (text == NULL) {
    setting_problem(settings->problems, setting, "expected %s, got %s", setting->is_file ? "the path of a file" : "a text, a number, true or false",
                    show(setting, NULL).text);
    return false;
  }
  if (text[0] == '\0' && setting->is_secret) {
    setting_problem(settings->problems, setting, "must not be empty");
    return false;
  }
  *ret_text = text;
  return true;
}

static bool read_integer(const char *text, int64_t *ret_value)
{
  char *end;

  if (!(text[0] >= '0' && text[0] <= '9') && !(text[0] == '-' && text[1] >= '0' && text[1] <= '9')) {
    return false;
  }
  errno = 0;
  *ret_value = strtoll(text, &end, 10);
  return errno == 0 && *end == '\0';
}

bool value_integer(struct settings *settings, const struct setting *setting, int64_t *ret_value)
{
  const struct option *option = setting->option;
  const char *text;
  int64_t value = 0;
  bool is_integer;

  if (!plain_text(settings, setting, &text)) {
    return false;
  }
  if (text != NULL) {
    is_integer = read_integer(text, &value);
  } else {
    is_integer = json_is_integer(setting->value.json);
    value = json_integer_value(setting->value.json);
  }
  if (!is_integer || value < option->min || value > option->max) {
    char number[32];

    (void)snprintf(number, sizeof(number), "%" PRId64, value);
    setting_problem(settings->problems, setting, "expected an integer from %" PRId64 " to %" PRId64 ", got %s", option->min, option->max,
                    text == NULL && is_integer ? number : show(setting, text).text);
    return false;
  }
  *ret_value = value;
  return true;
}

/* "stop|dead-letter" as "stop, dead-letter". */
static const char *words_listed(struct settings *settings, const char *words)
{
  char *copy = texts_alloc(settings->texts, 2 * strlen(words) + 1);
  char *at = copy;

  for (; *words != '\0'; words++) {
    if (*words == '|') {
      *at++ = ',';
      *at++ = ' ';
    } else {
      *at++ = *words;
    }
  }
  return copy;
}

bool value_boolean(struct settings *settings, const struct setting *setting, bool *ret_value)
{
  const char *words = setting->option->words != NULL ? setting->option->words : "false|true";
  const char *text;
  int index = -1;

  if (!plain_text(settings, setting, &text)) {
    return false;
  }
  if (text != NULL) {
    index = words_index(words, text);
  } else if (setting->option->words == NULL && json_is_boolean(setting->value.json)) {
    index = json_is_true(setting->value.json);
  }
  if (index < 0) {
    setting_problem(settings->problems, setting, "expected one of %s, got %s", words_listed(settings, words), show(setting, text).text);
    return false;
  }
  *ret_value = index == 1;
  return true;
}

bool value_word(struct settings *settings, const struct setting *setting, unsigned *ret_index)
{
  const char *text;
  int index;

  if (!plain_text(settings, setting, &text)) {
    return false;
  }
  index = text != NULL ? words_index(setting->option->words, text) : -1;
  if (index < 0) {
    setting_problem(settings->problems, setting, "expected one of %s, got %s", words_listed(settings, setting->option->words), show(setting, text).text);
    return false;
  }
  *ret_index = (unsigned)index;
  return true;
}

/* --- lists and objects --- */

/* The JSON in a text; NULL and said why. jansson's words end in the text near the mistake, which is left out. The caller's reference. */
static json_t *parse_text(struct settings *settings, const struct setting *setting, const char *text)
{
  json_error_t error;
  json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

  if (json == NULL) {
    char *near = strstr(error.text, " near '");

    if (near != NULL) {
      *near = '\0';
    }
    setting_problem(settings->problems, setting, "not valid JSON: %s at column %d", error.text, error.column);
  }
  return json;
}

static bool item_text(struct settings *settings, const struct setting *setting, const char *item, bool may_be_empty, const char **ret_text)
{
  const char *refusal = text_refusal(item, strlen(item), false, false);

  if (refusal == NULL && item[0] == '\0' && !may_be_empty) {
    refusal = "an item is empty";
  }
  if (refusal != NULL) {
    setting_problem(settings->problems, setting, "cannot be used: %s", refusal);
    return false;
  }
  *ret_text = texts_copy(settings->texts, item, strlen(item));
  return true;
}

static bool list_of_json(struct settings *settings, const struct setting *setting, const json_t *json, size_t max, const char ***ret_items, size_t *ret_count)
{
  size_t count = json_array_size(json);
  const char **items;

  if (!json_is_array(json)) {
    setting_problem(settings->problems, setting, "expected a list of texts, got %s", show(setting, NULL).text);
    return false;
  }
  if (count > max) {
    setting_problem(settings->problems, setting, "holds %zu items, at most %zu are allowed", count, max);
    return false;
  }
  items = texts_array(settings->texts, count + 1, sizeof(items[0]));
  for (size_t i = 0; i < count; i++) {
    const json_t *item = json_array_get(json, i);

    if (!json_is_string(item)) {
      setting_problem(settings->problems, setting, "expected a list of texts, item %zu is none", i);
      return false;
    }
    if (!item_text(settings, setting, json_string_value(item), false, &items[i])) {
      return false;
    }
  }
  *ret_items = items;
  *ret_count = count;
  return true;
}

static bool list_of_commas(struct settings *settings, const struct setting *setting, const char *text, size_t max, const char ***ret_items, size_t *ret_count)
{
  static const char blanks[] = " \t";
  const char **items;
  size_t count = 1;

  for (const char *comma = strchr(text, ','); comma != NULL; comma = strchr(comma + 1, ',')) {
    count++;
  }
  if (count > max) {
    setting_problem(settings->problems, setting, "holds %zu items, at most %zu are allowed", count, max);
    return false;
  }
  items = texts_array(settings->texts, count, sizeof(items[0]));
  for (size_t i = 0; i < count; i++) {
    size_t length = strcspn(text, ",");
    size_t first = strspn(text, blanks);
    size_t end = length;

    while (end > first && strchr(blanks, text[end - 1]) != NULL) {
      end--;
    }
    first = first < end ? first : end;
    if (!item_text(settings, setting, texts_copy(settings->texts, text + first, end - first), false, &items[i])) {
      return false;
    }
    text += length + (text[length] == ',');
  }
  *ret_items = items;
  *ret_count = count;
  return true;
}

bool value_list(struct settings *settings, const struct setting *setting, size_t max, const char *const **ret_items, size_t *ret_count)
{
  json_t *parsed = NULL;
  const char *text, **items;
  size_t count;
  bool is_ok;

  if (!plain_text(settings, setting, &text)) {
    return false;
  }
  if (text != NULL && text[strspn(text, " \t")] == '[') {
    parsed = parse_text(settings, setting, text);
    is_ok = parsed != NULL && list_of_json(settings, setting, parsed, max, &items, &count);
  } else if (text != NULL) {
    is_ok = list_of_commas(settings, setting, text, max, &items, &count);
  } else {
    is_ok = list_of_json(settings, setting, setting->value.json, max, &items, &count);
  }
  json_decref(parsed);
  if (is_ok && count == 0) {
    setting_problem(settings->problems, setting, "must not be empty");
    is_ok = false;
  }
  if (is_ok) {
    *ret_items = items;
    *ret_count = count;
  }
  return is_ok;
}

static bool object_of_json(struct settings *settings, const struct setting *setting, const json_t *json, size_t max, struct config_header **ret_items)
{
  struct config_header *items = texts_array(settings->texts, max, sizeof(items[0]));
  const char *name;
  json_t *value;
  size_t at = 0;

  if (!json_is_object(json)) {
    setting_problem(settings->problems, setting, "expected an object of texts, got %s", show(setting, json_string_value(setting->value.json)).text);
    return false;
  }
  if (json_object_size(json) > max) {
    setting_problem(settings->problems, setting, "holds %zu members, at most %zu are allowed", json_object_size(json), max);
    return false;
  }
  json_object_foreach((json_t *)(uintptr_t)json, name, value)
  {
    if (!json_is_string(value)) {
      setting_problem(settings->problems, setting, "expected an object of texts, member \"%.60s\" is none", name);
      return false;
    }
    if (!item_text(settings, setting, name, false, &items[at].name) || !item_text(settings, setting, json_string_value(value), true, &items[at].value)) {
      return false;
    }
    at++;
  }
  *ret_items = items;
  return true;
}

bool value_object(struct settings *settings, const struct setting *setting, size_t max, const struct config_header **ret_items, size_t *ret_count)
{
  json_t *parsed = NULL;
  const json_t *json = setting->value.json;
  struct config_header *items;
  const char *text;
  bool is_ok;

  if (!plain_text(settings, setting, &text)) {
    return false;
  }
  if (text != NULL) {
    json = parsed = parse_text(settings, setting, text);
  }
  is_ok = json != NULL && object_of_json(settings, setting, json, max, &items);
  if (is_ok) {
    *ret_items = items;
    *ret_count = json_object_size(json);
  }
  json_decref(parsed);
  return is_ok;
}

/* --- members --- */

bool value_store(struct settings *settings, const struct setting *setting, void *base)
{
  void *member = (char *)base + setting->option->offset;

  switch (setting->option->type) {
  case OPTION_TEXT:
    return value_text(settings, setting, member);
  case OPTION_INTEGER:
    return value_integer(settings, setting, member);
  case OPTION_BOOLEAN:
    return value_boolean(settings, setting, member);
  case OPTION_WORD:
    return value_word(settings, setting, member);
  case OPTION_LIST:
  case OPTION_OBJECT:
  case OPTION_TABLE:
  case OPTION_LISTEN:
  case OPTION_POSITION:
  case OPTION_WITHOUT_EFFECT:
  case OPTION_REFUSED:
    break;
  }
  return true;
}

void value_store_preset(const struct option *option, void *base)
{
  void *member = (char *)base + option->offset;

  if (option->preset == NULL || (option->flags & OPTION_DERIVED) != 0) {
    return;
  }
  switch (option->type) {
  case OPTION_TEXT:
    *(const char **)member = option->preset;
    break;
  case OPTION_INTEGER:
    (void)read_integer(option->preset, member);
    break;
  case OPTION_BOOLEAN:
    *(bool *)member = words_index(option->words != NULL ? option->words : "false|true", option->preset) == 1;
    break;
  case OPTION_WORD:
    *(unsigned *)member = (unsigned)words_index(option->words, option->preset);
    break;
  case OPTION_LIST:
  case OPTION_OBJECT:
  case OPTION_TABLE:
  case OPTION_LISTEN:
  case OPTION_POSITION:
  case OPTION_WITHOUT_EFFECT:
  case OPTION_REFUSED:
    break;
  }
}
