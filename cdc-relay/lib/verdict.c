/* verdict.c - writes the words of a failure into the caller's struct, bounded. */
#include "verdict.h"

#include <stdio.h>

enum verdict problem_set(struct problem *problem, enum verdict verdict, enum exit_code code, const char *cause, const char *format, ...)
{
  if (problem != NULL) {
    va_list arguments;

    problem->code = code;
    problem->cause = cause;
    problem->hint[0] = '\0';
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
  }
  return verdict;
}

void problem_hint(struct problem *problem, const char *format, ...)
{
  va_list arguments;

  if (problem == NULL) {
    return;
  }
  va_start(arguments, format);
  (void)vsnprintf(problem->hint, sizeof(problem->hint), format, arguments);
  va_end(arguments);
}
