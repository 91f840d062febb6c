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

enum attempt_database {
  ATTEMPT_DATABASE_UNKNOWN,
  ATTEMPT_DATABASE_THERE,
  ATTEMPT_DATABASE_DOUBTFUL, /* a session broke: the database is away, or the event did that */
  ATTEMPT_DATABASE_AWAY,     /* there was no session to be had */
};

/* What becomes of a unit of work that failed. */
enum attempt_end {
  ATTEMPT_SPLIT,   /* the batch comes again at once, one by one */
  ATTEMPT_AGAIN,   /* its head comes again, later, without end */
  ATTEMPT_COUNTED, /* as often as the retry policy says, then BURIED */
  ATTEMPT_BURIED,  /* a dead letter */
};

struct attempted {
  const struct failure *failure;
  size_t count;          /* of events, all of the unit */
  bool has_lost_session; /* so has the batch before, and none was done as one since */
  bool is_given_up;      /* GIVE_UP names its one event */
  bool has_dead_letters; /* there is a place for them */
};

/* The table of attempt.c. Pure. */
enum attempt_end attempt_judge(const struct attempted *attempted);

/*
 * Runs the first `count` records of the slot, as lane_next() said. `chance`: state of chance_next(). Says what was learned of the database. Blocks as a transaction and a
 * burial do.
 */
enum attempt_database attempt_run(struct processing *processing, struct burial *burial, struct slot *slot, size_t count, uint64_t *chance);

#endif
