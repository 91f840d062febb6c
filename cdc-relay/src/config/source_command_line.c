/*
 * source_command_line.c - `--set PATH=VALUE`: the path as in messages and in `cdc-relay config`: postgres.url, kafka.linger.ms, outbox[0].table or
 * outbox.0.table. Of two with the same path the later one counts.
 */
#include <string.h>

#include "config/sources.h"

/* Reads `[0].` or `.0.` behind `outbox`; the rest, or NULL. A number too large is CONFIG_OUTBOX_MAX. */
static const char *read_entry(const char *text, size_t *ret_entry)
{
  const char *rest;
  size_t entry = 0, number;

  if (text[0] != '[' && text[0] != '.') {
    return NULL;
  }
  number = strspn(text + 1, "0123456789");
  rest = text + 1 + number;
  if (number == 0) {
    return NULL;
  }
  if (text[0] == '[') {
    if (*rest != ']') {
      return NULL;
    }
    rest++;
  }
  for (size_t i = 0; i < number && entry < CONFIG_OUTBOX_MAX; i++) {
    entry = entry * 10 + (size_t)(text[1 + i] - '0');
  }
  *ret_entry = entry;
  return rest[0] == '.' && rest[1] != '\0' ? rest + 1 : NULL;
}

static void put(struct settings *settings, const char *path, struct raw_value value)
{
  struct origin origin = {.rank = RANK_COMMAND_LINE, .text = "--set"};
  const char *name;
  size_t entry = 0;

  if (strncmp(path, "kafka.", strlen("kafka.")) == 0) {
    settings_put(settings, SECTION_KAFKA, 0, path + strlen("kafka."), origin, value);
  } else if (strncmp(path, "outbox", strlen("outbox")) != 0) {
    settings_put(settings, SECTION_SCALAR, 0, path, origin, value);
  } else {
    name = read_entry(path + strlen("outbox"), &entry);
    if (name == NULL) {
      origin_problem(settings->problems, path, origin, "expected outbox[<number>].<option>, such as outbox[0].table");
    } else if (entry >= CONFIG_OUTBOX_MAX) {
      origin_problem(settings->problems, path, origin, "outbox entries are numbered from 0 to %d", CONFIG_OUTBOX_MAX - 1);
    } else {
      settings_put(settings, SECTION_OUTBOX, entry, name, origin, value);
    }
  }
}

void source_command_line_read(struct settings *settings, const char *const *sets, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    const char *equals = strchr(sets[i], '=');

    if (equals == NULL || equals == sets[i]) {
      problem_list_add(settings->problems, "", "--set number %zu: expected PATH=VALUE", i + 1);
      continue;
    }
    put(settings, texts_copy(settings->texts, sets[i], (size_t)(equals - sets[i])), (struct raw_value){.text = equals + 1});
  }
}
