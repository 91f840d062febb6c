/*
 * relay.h - the composition root: builds the stages, wires them to one session, and turns the one loop that all of it lives in.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>

#include "config/config.h"

struct relay_options {
  bool init;         /* first create slot and publication, if neither exists */
  bool exit_on_hold; /* end the process with the hold's code instead of holding */
};

/* Runs until a signal, or a hold with exit_on_hold. Returns the process's exit code. Configuration mistakes that only the stages can see go to stderr, code 2. */
int relay_run(struct config *config, const struct relay_options *options);

#endif
