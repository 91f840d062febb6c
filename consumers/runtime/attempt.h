/*
 * attempt.h - the records at the head of a lane are run, and what comes of it is entered: done, one by one from now, again later, or dead.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include "assignment.h"
#include "burial.h"
#include "processing.h"

enum {
  ATTEMPT_TELL_INTERVAL_S = 60, /* between two log lines about an event that waits for the world */
  ATTEMPT_STUCK_S = 300,        /* an event that has waited so long is told as an error, with what a person can do */
};

enum attempt_database { ATTEMPT_DATABASE_UNKNOWN, ATTEMPT_DATABASE_THERE, ATTEMPT_DATABASE_AWAY };

/*
 * Runs the first `count` records of the slot, as lane_next() said. `chance`: state of chance_next(). Says what was learned of the database. Blocks as a transaction and a
 * burial do.
 */
enum attempt_database attempt_run(struct processing *processing, struct burial *burial, struct slot *slot, size_t count, uint64_t *chance);

#endif
