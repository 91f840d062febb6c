/* report.c - words of the one-shot commands. */
#include "commands/report.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

int report_problem(enum verdict verdict, const struct problem *problem)
{
  (void)fflush(stdout);
  (void)fprintf(stderr, "cdc-relay: error: %s\n", problem->text);
  if (problem->hint[0] != '\0') {
    (void)fprintf(stderr, "hint: %s\n", problem->hint);
  }
  return verdict == VERDICT_FATAL && problem->code != EXIT_DONE ? (int)problem->code : EXIT_UNEXPECTED;
}

void report_warning(const char *hint, const char *format, ...)
{
  va_list arguments;

  (void)fflush(stdout);
  (void)fputs("cdc-relay: warning: ", stderr);
  va_start(arguments, format);
  (void)vfprintf(stderr, format, arguments);
  va_end(arguments);
  (void)fputc('\n', stderr);
  if (hint != NULL) {
    (void)fprintf(stderr, "hint: %s\n", hint);
  }
}

int report_usage(const char *command, const char *format, ...)
{
  va_list arguments;

  (void)fflush(stdout);
  (void)fprintf(stderr, "cdc-relay: error: %s: ", command);
  va_start(arguments, format);
  (void)vfprintf(stderr, format, arguments);
  va_end(arguments);
  (void)fprintf(stderr, "\nhint: cdc-relay %s --help\n", command);
  return EXIT_USAGE;
}

int report_bad_option(const char *command, int answer, char *const *argv)
{
  if (answer == ':') {
    return report_usage(command, "option %s needs a value", argv[optind - 1]);
  }
  return report_usage(command, "unknown option %s", argv[optind - 1]);
}

static int weight(int code)
{
  switch (code) {
  case EXIT_DONE:
    return 0;
  case EXIT_UNEXPECTED:
    return 1;
  case EXIT_POSITION:
    return 3;
  default:
    return 2;
  }
}

int report_worse(int a, int b)
{
  return weight(b) > weight(a) ? b : a;
}
