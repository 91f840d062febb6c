/*
 * variable_print.c - the table as people read it: what there is to set, and what is set.
 *
 *   HTTP_WORKERS=0  # environment  # WRONG: must be a whole number from 1 to 64, is "0"
 *
 * What is wrong is not remembered by the reading: each variable is read once more, alone, into a place of ours. So a program may print its settings whether they are
 * sound or not.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "connection_string.h"
#include "variable.h"
#include "variable_priv.h"

static void print_limits(const struct variable *variable, FILE *out)
{
  char words[256];

  switch (variable->kind) {
  case VARIABLE_NUMBER:
    (void)fprintf(out, "; %" PRId64 " to %" PRId64, variable->least, variable->most);
    break;
  case VARIABLE_CHOICE:
    variable_list_choices(variable, words, sizeof(words));
    (void)fprintf(out, "; %s", words);
    break;
  case VARIABLE_ADDRESS:
    (void)fputs("; host:port", out);
    break;
  case VARIABLE_SECRET:
  case VARIABLE_POSTGRES:
    (void)fprintf(out, "; or %s_FILE, a file that holds it", variable->name);
    break;
  case VARIABLE_TEXT:
  case VARIABLE_URL:
    break;
  }
}

static void print_fallback(const struct variable *variable, FILE *out)
{
  char *masked = NULL;

  if (variable->fallback == NULL) {
    (void)fputs("; must be set\n", out);
  } else if (variable->fallback[0] == '\0') {
    (void)fputs("; optional\n", out);
  } else if (variable->kind == VARIABLE_POSTGRES) {
    masked = connection_string_mask(variable->fallback);
    (void)fprintf(out, "; default %s\n", masked);
    free(masked);
  } else {
    (void)fprintf(out, "; default %s\n", variable->kind == VARIABLE_SECRET ? "***" : variable->fallback);
  }
}

void variables_print_help(const struct variable *table, FILE *out)
{
  int width = 0;

  for (const struct variable *variable = table; variable->name != NULL; variable++) {
    int length = (int)strlen(variable->name);

    width = length > width ? length : width;
  }
  for (const struct variable *variable = table; variable->name != NULL; variable++) {
    (void)fprintf(out, "  %-*s  %s", width, variable->name, variable->help);
    print_limits(variable, out);
    print_fallback(variable, out);
  }
}

static void print_value(const struct variable *variable, FILE *out)
{
  const struct address *address;
  const char *text;
  char *masked;

  switch (variable->kind) {
  case VARIABLE_TEXT:
  case VARIABLE_URL:
    text = *(const char *const *)variable->target;
    problem_print_text(text != NULL ? text : "", out);
    break;
  case VARIABLE_SECRET:
    text = *(const char *const *)variable->target;
    (void)fputs(text != NULL && text[0] != '\0' ? "***" : "", out);
    break;
  case VARIABLE_POSTGRES:
    text = *(const char *const *)variable->target;
    masked = connection_string_mask(text != NULL ? text : "");
    problem_print_text(masked, out);
    free(masked);
    break;
  case VARIABLE_NUMBER:
    (void)fprintf(out, "%" PRId64, *(const int64_t *)variable->target);
    break;
  case VARIABLE_CHOICE:
    (void)fputs(variable->choices[*(const int *)variable->target], out);
    break;
  case VARIABLE_ADDRESS:
    address = variable->target;
    (void)fprintf(out, strchr(address->host, ':') != NULL ? "[%s]:%u" : "%s:%u", address->host, (unsigned int)address->port);
    break;
  }
}

/* What stands there and could not be read; of what may hold a secret, as an address that was refused may, not even that. */
static void print_wrong_value(const struct variable *variable, FILE *out)
{
  const char *text = variable_environment(variable->name);

  if (text != NULL) {
    problem_print_text(variable_is_secret(variable) || variable->kind == VARIABLE_URL ? "***" : text, out);
  }
}

static void print_origin(const struct variable *variable, FILE *out)
{
  char file_name[VARIABLE_FILE_NAME_SIZE];
  const char *path = variable_file(variable, file_name);
  bool is_in_environment = variable_environment(variable->name) != NULL;

  if (path != NULL) {
    (void)fprintf(out, "  # %sfile ", is_in_environment ? "environment and " : "");
    problem_print_text(path, out);
  } else {
    (void)fputs(is_in_environment ? "  # environment" : variable->fallback != NULL ? "  # default" : "  # not set", out);
  }
}

static void print_mistake(const struct config_problem *problem, FILE *out)
{
  (void)fputs("  # WRONG: ", out);
  problem_print_text(problem->text, out);
}

static void print_variable(const struct variable *variable, FILE *out)
{
  struct problem_list mistakes = {0};
  char file_name[VARIABLE_FILE_NAME_SIZE];
  union {
    const char *text;
    int64_t number;
    int choice;
    struct address address;
  } value = {0};
  struct variable again = *variable;

  again.target = &value;
  variable_read(&again, &mistakes);
  (void)fprintf(out, "%s=", again.name);
  if (mistakes.count == 0) {
    print_value(&again, out);
  } else {
    print_wrong_value(&again, out);
  }
  print_origin(&again, out);
  if (mistakes.count > 0) {
    print_mistake(&mistakes.problems[0], out);
  } else if (variable_file(&again, file_name) != NULL) {
    char *text = (char *)(uintptr_t)value.text; /* of a file, in memory of its own */

    explicit_bzero(text, strlen(text));
    free(text);
  }
  (void)fputc('\n', out);
}

void variables_print(const struct variable *table, FILE *out)
{
  struct problem_list strangers = {0};

  for (const struct variable *variable = table; variable->name != NULL; variable++) {
    print_variable(variable, out);
  }
  variables_find_strangers(table, &strangers);
  for (size_t i = 0; i < strangers.count && i < PROBLEM_LIST_MAX; i++) {
    problem_print_text(strangers.problems[i].path, out);
    (void)fputs("=***  # environment", out);
    print_mistake(&strangers.problems[i], out);
    (void)fputc('\n', out);
  }
}
