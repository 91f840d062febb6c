/*
 * variable.h - a program's settings as a table of environment variables: read, checked, listed by `--help`, shown masked by `--print-config`.
 *
 *   NAME         the value itself
 *   NAME_FILE    a file that holds it (SECRET and POSTGRES only); a trailing newline does not count; both set: a mistake
 *
 * Every mistake is reported at once. An empty variable counts as one that is not set: that is what a compose file makes of `${X}`.
 *
 * A variable HTTP_... is a mistake in a program whose table has some and not that one (HTTP_PORT for HTTP_LISTEN), except for HTTP_PROXY and what Kubernetes makes
 * for a Service named http.
 */
#ifndef VARIABLE_H
#define VARIABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "problem_list.h"

enum { VARIABLE_VALUE_MAX_BYTES = 65536 };

enum variable_kind {
  VARIABLE_TEXT,     /* const char **; UTF-8 without control characters */
  VARIABLE_URL,      /* const char **; a text that is shown, and so may hold neither user nor password: one with an @ is refused, and not shown */
  VARIABLE_SECRET,   /* const char **; never shown */
  VARIABLE_POSTGRES, /* const char **; a libpq URI or keyword string, whose password is not shown */
  VARIABLE_NUMBER,   /* int64_t *; from `least` to `most` */
  VARIABLE_CHOICE,   /* int *; the index of the word in `choices` */
  VARIABLE_ADDRESS,  /* struct address *; `host:port`, `[::1]:port`, or `:port` for all addresses */
};

struct address {
  char host[256]; /* without brackets; empty: all */
  uint16_t port;  /* 0: any that is free */
};

struct variable {
  const char *name;
  enum variable_kind kind;
  void *target;               /* of the kind's type */
  const char *fallback;       /* written as a value would be; NULL: must be set */
  const char *help;           /* one line, lower case, no period */
  const char *const *choices; /* CHOICE: ends with NULL */
  int64_t least, most;        /* NUMBER */
  const char *credentials;    /* URL: where user and password belong, `A and B`; NULL: there are none */
};

/*
 * A table ends with an entry without a name, {0}. Targets are written where a value is sound. Texts are owned by the process, for its whole life: they stand in
 * the environment, the table, or memory that is never freed. Reads files; does not block on what is none.
 */
void variables_read(const struct variable *table, struct problem_list *problems);
/* One line each: name, what it is for, the fallback. */
void variables_print_help(const struct variable *table, FILE *out);
/*
 * `NAME=value` and where it came from: environment, file or default; secrets as `***`. Where variables_read() finds a mistake, what stands there, unless it may be a
 * secret, and behind it `# WRONG:` and why. Each variable is read again for that; targets are not touched, and need not have been written.
 */
void variables_print(const struct variable *table, FILE *out);

#endif
