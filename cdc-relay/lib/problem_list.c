/*
 * problem_list.c - collects and prints mistakes; bounded, so that a hostile file cannot make it grow.
 *
 * Paths and texts quote what the user wrote, so whatever would break a line or drive a terminal is made visible when printed.
 */
#include "problem_list.h"

#include <stdarg.h>
#include <string.h>

/* Marks a text that snprintf() had to cut; steps back over a broken character of UTF-8. */
static void mark_cut(char *text, size_t size)
{
  size_t at = size - sizeof("...");

  while (at > 0 && ((unsigned char)text[at] & 0xC0) == 0x80) {
    at--;
  }
  memcpy(text + at, "...", sizeof("..."));
}

void problem_list_add(struct problem_list *list, const char *path, const char *format, ...)
{
  struct config_problem *problem;
  va_list arguments;

  if (list == NULL || list->count++ >= PROBLEM_LIST_MAX) {
    return;
  }
  problem = &list->problems[list->count - 1];
  if (snprintf(problem->path, sizeof(problem->path), "%s", path) >= (int)sizeof(problem->path)) {
    mark_cut(problem->path, sizeof(problem->path));
  }
  va_start(arguments, format);
  if (vsnprintf(problem->text, sizeof(problem->text), format, arguments) >= (int)sizeof(problem->text)) {
    mark_cut(problem->text, sizeof(problem->text));
  }
  va_end(arguments);
}

void problem_print_text(const char *text, FILE *out)
{
  for (; *text != '\0'; text++) {
    unsigned char byte = (unsigned char)*text;

    (void)fputc(byte < 0x20 || byte == 0x7F ? '?' : byte, out);
  }
}

void problem_list_print(const struct problem_list *list, FILE *out)
{
  size_t listed = list->count < PROBLEM_LIST_MAX ? list->count : PROBLEM_LIST_MAX;

  for (size_t i = 0; i < listed; i++) {
    (void)fputs("configuration: ", out);
    if (list->problems[i].path[0] != '\0') {
      problem_print_text(list->problems[i].path, out);
      (void)fputs(": ", out);
    }
    problem_print_text(list->problems[i].text, out);
    (void)fputc('\n', out);
  }
  if (list->count > listed) {
    (void)fprintf(out, "configuration: %zu more not listed\n", list->count - listed);
  }
}
