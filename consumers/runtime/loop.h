/*
 * loop.h - the one thread that takes records and runs them, from joining the group to leaving it.
 */
#ifndef LOOP_H
#define LOOP_H

#include "pages.h"
#include "processing.h"

enum {
  LOOP_TURN_MS = 100,            /* at most, while nothing comes */
  LOOP_COMMIT_INTERVAL_MS = 200, /* between two asynchronous commits of offsets */
  LOOP_LAG_INTERVAL_MS = 1000,
  LOOP_ENDS_INTERVAL_MS = 10000,      /* between two questions to the brokers about partitions that are paused */
  LOOP_PROBE_INTERVAL_MS = 5000,      /* of the database, while no event tells how it is */
  LOOP_PROBE_AWAY_INTERVAL_MS = 1000, /* the same, while it is away */
};

/* Until a signal asks for the end, or Kafka refuses this member. Returns the exit code. */
int loop_run(struct processing *processing, struct vitals *vitals);

#endif
