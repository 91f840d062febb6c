/*
 * bench.h - what the checks of units of work have in common: a database under test, an onlooker that sees what is there, and a check that ends the program.
 */
#ifndef BENCH_H
#define BENCH_H

#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "line.h"
#include "work.h"

struct bench {
  uint16_t port;    /* of the server */
  const char *name; /* of the database */
  PGconn *onlooker; /* plain, straight to the server, as superuser */
  struct line *line;
  char direct[256];  /* conninfo straight to the server */
  char by_line[256]; /* conninfo by way of the line */
};

#define CHECK(condition, ...)                                                                                                                                  \
  do {                                                                                                                                                         \
    if (!(condition)) {                                                                                                                                        \
      (void)fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                                                                                    \
      (void)fprintf(stderr, __VA_ARGS__);                                                                                                                      \
      (void)fprintf(stderr, "\n");                                                                                                                             \
      exit(1);                                                                                                                                                 \
    }                                                                                                                                                          \
  } while (0)

/* The onlooker runs SQL; the first value of the answer, in a buffer that the next call writes again. */
const char *bench_look(struct bench *bench, const char *sql);
int bench_number(struct bench *bench, const char *sql);
/* conninfo with a change at its end, borrowed until the next call. */
const char *bench_conninfo(const char *conninfo, const char *more);

/* The verdict was as it should be, else the program ends with the outcome. */
void bench_expect(enum verdict expected, enum verdict verdict, const struct work_outcome *outcome, const char *what);

typedef void (*Check)(struct bench *bench);
struct check {
  const char *name;
  Check run;
};
extern const struct check work_checks[];  /* what one connection does; ends with {0} */
extern const struct check break_checks[]; /* what happens when something breaks; ends with {0} */

#endif
