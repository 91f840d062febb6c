/*
 * fault_point.h - places in the relay where a test build can be made to do wrong or to die. Both macros are nothing unless the build is configured with
 * -DCDC_FAULTS=ON (`./dev build --faults`, build/faults); no release has them, and a test looks for them in its binary.
 *
 *   if (MUTANT(CONFIRM_START_LSN)) ...      a named defect; at most one is on, chosen by the variable CDC_MUTANT=CONFIRM_START_LSN
 *   CRASH_POINT(BEFORE_PUBLISH);            the process ends here as if killed, at the n-th passage: CDC_CRASH_POINT=BEFORE_PUBLISH:n (n from 1)
 *
 * A defect that no test or simulated history notices means that a test is missing (tests/faults/mutants.sh shows which notices which). Names are in the two
 * tables below, with the place that each is at; a name from the environment that is in neither table ends the process at the first look with code 2.
 */
#ifndef FAULT_POINT_H
#define FAULT_POINT_H

#include <stdbool.h>

/* X(NAME, "what the relay does wrong") */
#define FAULT_MUTANTS(X) X(CONFIRM_START_LSN, "confirms the transaction's commit LSN, not the end of its commit record")

/* X(NAME, "where") */
#define FAULT_CRASH_POINTS(X) X(BEFORE_PUBLISH, "a record is routed and was not given to the publisher")

#define FAULT_ENUM_MUTANT(name, text) MUTANT_##name,
enum fault_mutant { MUTANT_NONE, FAULT_MUTANTS(FAULT_ENUM_MUTANT) MUTANT_COUNT };
#undef FAULT_ENUM_MUTANT

#define FAULT_ENUM_CRASH(name, text) CRASH_##name,
enum fault_crash { CRASH_NONE, FAULT_CRASH_POINTS(FAULT_ENUM_CRASH) CRASH_COUNT };
#undef FAULT_ENUM_CRASH

#ifdef CDC_FAULTS
/* The mutant of this process, from the environment at the first call unless fault_mutant_set() was called before. */
enum fault_mutant fault_mutant(void);
void fault_mutant_set(enum fault_mutant mutant);
/* MUTANT_COUNT: no such name. */
enum fault_mutant fault_mutant_named(const char *name);
const char *fault_mutant_name(enum fault_mutant mutant); /* static */
const char *fault_mutant_text(enum fault_mutant mutant); /* static */
/* Ends the process by SIGKILL when it is this point's turn. */
void fault_crash(enum fault_crash point);
#define MUTANT(name) (fault_mutant() == MUTANT_##name)
#define CRASH_POINT(name) fault_crash(CRASH_##name)
#else
#define MUTANT(name) false
#define CRASH_POINT(name) ((void)0)
#endif

#endif
