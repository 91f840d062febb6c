/* report.h - how the one-shot commands speak: results on stdout, problems and warnings on stderr with what mends them. Flushes stdout first, so that both keep their order. */
#ifndef COMMANDS_REPORT_H
#define COMMANDS_REPORT_H

#include <stdbool.h>

#include "verdict.h"

/* `cdc-relay: error: <text>` and, if there is one, `hint: <hint>`. Returns the exit code: the problem's own, or EXIT_UNEXPECTED for what may heal by itself. */
int report_problem(enum verdict verdict, const struct problem *problem);
/* `cdc-relay: warning: <text>`, then the hint unless NULL. */
void report_warning(const char *hint, const char *format, ...) PRINTF_LIKE(2, 3);
/* Wrong usage of `command`; returns EXIT_USAGE. */
int report_usage(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);
/* The code that tells more of two: FATAL ones before EXIT_UNEXPECTED, 4 before 3 (events may be missing), else the first. */
int report_worse(int a, int b);

/* getopt_long()'s answer for what it does not know (`?` or `:`) as words; returns EXIT_USAGE. */
int report_bad_option(const char *command, int answer, char *const *argv);

#endif
