/*
 * problem_list.h - every mistake of a configuration at once, so that a person mends them in one go.
 * A list is plain memory: `{0}` is an empty one, nothing is owned, and it may be copied.
 */
#ifndef PROBLEM_LIST_H
#define PROBLEM_LIST_H

#include <stddef.h>
#include <stdio.h>

#include "verdict.h"

enum { PROBLEM_LIST_MAX = 64 }; /* further ones are counted, not listed */

/* One mistake: where (`outbox[0].route.topic.regex`), and what, with the source it came from (`file shop.json`, `environment`, `--set`). */
struct config_problem {
  char path[256];
  char text[512];
};

struct problem_list {
  size_t count; /* all, also those that did not fit */
  struct config_problem problems[PROBLEM_LIST_MAX];
};

/* Texts too long are cut, between two characters of UTF-8, and end in `...`. `list` NULL is allowed and ignored. `path` may be empty: the configuration as a whole. */
void problem_list_add(struct problem_list *list, const char *path, const char *format, ...) PRINTF_LIKE(3, 4);
/* One line each, `configuration: <path>: <text>`; then a line with the count of what did not fit. Control characters are shown as `?`: a line is one line. */
void problem_list_print(const struct problem_list *list, FILE *out);
/* A text as it is shown there: for what else is printed of a configuration. */
void problem_print_text(const char *text, FILE *out);

#endif
