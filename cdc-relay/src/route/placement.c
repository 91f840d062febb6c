/*
 * placement.c - splits at `,` and `:`, trims blanks around every part (Debezium once crashed on them), and judges. Placement words are read in any case.
 */
#include "route/placement.h"

#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

#include "span.h"

static struct span trimmed(const char *from, const char *end)
{
  while (from < end && (unsigned char)*from <= ' ') {
    from++;
  }
  while (end > from && (unsigned char)end[-1] <= ' ') {
    end--;
  }
  return span_of(from, (size_t)(end - from));
}

static char *text_of(struct span span)
{
  char *text = strndup(span.data, span.length);

  if (text == NULL) {
    abort();
  }
  return text;
}

static bool where_of(struct span word, enum placement_where *ret_where)
{
  static const char *const words[] = {[PLACEMENT_HEADER] = "header", [PLACEMENT_ENVELOPE] = "envelope", [PLACEMENT_PARTITION] = "partition"};

  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    if (word.length == strlen(words[i]) && strncasecmp(word.data, words[i], word.length) == 0) {
      *ret_where = (enum placement_where)i;
      return true;
    }
  }
  return false;
}

/* Whether the new item can stand beside those that are there; says why not. */
static bool fits(const struct placement_list *list, const char *alias, enum placement_where where, const char *path, struct problem_list *problems)
{
  if (where == PLACEMENT_ENVELOPE && strcmp(alias, "payload") == 0) {
    problem_list_add(problems, path, "the envelope's member \"payload\" is the payload itself; give the column another alias");
    return false;
  }
  if (where == PLACEMENT_HEADER && span_has_control(span_of_text(alias))) {
    problem_list_add(problems, path, "header name with a control character");
    return false;
  }
  for (size_t i = 0; i < list->count; i++) {
    if (list->items[i].where != where) {
      continue;
    }
    if (where == PLACEMENT_PARTITION) {
      problem_list_add(problems, path, "two columns for the partition: \"%s\" and another", list->items[i].column);
      return false;
    }
    if (strcmp(list->items[i].alias, alias) == 0) {
      problem_list_add(problems, path, "%s \"%s\" twice; give one of them another alias", where == PLACEMENT_HEADER ? "header" : "envelope member", alias);
      return false;
    }
  }
  return true;
}

static void add_item(struct placement_list *list, struct span item, const char *path, struct problem_list *problems)
{
  struct span parts[3];
  size_t count = 0;
  const char *end = item.data + item.length;
  enum placement_where where;
  char *alias;

  for (const char *from = item.data;;) {
    const char *colon = memchr(from, ':', (size_t)(end - from));
    const char *part_end = colon != NULL ? colon : end;

    if (count == 3) {
      count = 4;
      break;
    }
    parts[count++] = trimmed(from, part_end);
    if (colon == NULL) {
      break;
    }
    from = colon + 1;
  }
  if (count < 2 || count > 3 || parts[0].length == 0 || parts[1].length == 0 || (count == 3 && parts[2].length == 0)) {
    problem_list_add(problems, path, "\"%.*s\" is not of the form column:placement or column:placement:alias", (int)item.length, item.data);
    return;
  }
  if (!where_of(parts[1], &where)) {
    problem_list_add(problems, path, "placement \"%.*s\" is none of header, envelope, partition", (int)parts[1].length, parts[1].data);
    return;
  }
  if (list->count == PLACEMENTS_MAX) {
    problem_list_add(problems, path, "more than %d placements", PLACEMENTS_MAX);
    return;
  }
  alias = text_of(parts[count - 1 == 2 ? 2 : 0]);
  if (!fits(list, alias, where, path, problems)) {
    free(alias);
    return;
  }
  list->items[list->count++] = (struct placement){.column = text_of(parts[0]), .where = where, .alias = alias};
}

void placement_list_init(struct placement_list *list, const char *text, const char *path, struct problem_list *problems)
{
  list->count = 0;
  if (text == NULL) {
    return;
  }
  if (trimmed(text, text + strlen(text)).length == 0) {
    problem_list_add(problems, path, "is empty; leave it out if no column is to be placed");
    return;
  }
  for (const char *from = text;;) {
    const char *end = strchrnul(from, ',');

    add_item(list, trimmed(from, end), path, problems);
    if (*end == '\0') {
      break;
    }
    from = end + 1;
  }
}

void placement_list_done(struct placement_list *list)
{
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i].column);
    free(list->items[i].alias);
  }
  list->count = 0;
}
