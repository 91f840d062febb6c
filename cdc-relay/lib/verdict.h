/*
 * verdict.h - the five things that a caller can do about an outcome, and the words that go with it.
 *
 * Every fallible function returns a verdict. The words go into a caller-owned `struct problem`, filled in where the failure happened, in PostgreSQL's
 * style: lower case, no period, object named, reason included. Nothing in lib/ logs.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdarg.h>
#include <stddef.h>

#define MUST_CHECK                       __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

enum verdict {
  VERDICT_OK,     /* done */
  VERDICT_WAIT,   /* full or would block; nothing happened, call again later */
  VERDICT_RETRY,  /* the session is broken, the world may heal: tear down, back off, begin again */
  VERDICT_POISON, /* this row can never succeed as it is */
  VERDICT_FATAL,  /* configuration or invariant; a person is needed */
};

/* Exit codes of the process, which are also the reasons for a hold: a promise to users (`cdc-relay --help`). */
enum exit_code {
  EXIT_DONE = 0,
  EXIT_UNEXPECTED = 1,
  EXIT_USAGE = 2,            /* wrong usage or configuration */
  EXIT_DATABASE_REFUSES = 3, /* privilege, no publication, plugin not allowed, table wrong, foreign slot */
  EXIT_POSITION = 4,         /* the position cannot be trusted: events may be missing */
  EXIT_POISON = 5,           /* a poison row, policy stop */
  EXIT_KAFKA_REFUSES = 6,    /* topic unknown or not authorized, authentication */
  EXIT_INVARIANT = 70,       /* a bug of ours */
};

enum { PROBLEM_TEXT_MAX = 768, PROBLEM_HINT_MAX = 512 };

struct problem {
  enum exit_code code;         /* meaningful with VERDICT_FATAL and VERDICT_POISON */
  const char *cause;           /* static: a short snake_case word for metrics (`cdc_relay_reconnects_total{cause}`); never NULL once set */
  char text[PROBLEM_TEXT_MAX]; /* what failed, where, why; truncated, never overrun */
  char hint[PROBLEM_HINT_MAX]; /* what mends it: a statement, a command, a setting; may be empty */
};

/* Fills `problem` (NULL is allowed and ignored) and returns `verdict`, so that a failing function ends with one line. `cause` is static. */
enum verdict problem_set(struct problem *problem, enum verdict verdict, enum exit_code code, const char *cause, const char *format, ...) PRINTF_LIKE(5, 6);
/* Adds the hint; call after problem_set(). */
void problem_hint(struct problem *problem, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
