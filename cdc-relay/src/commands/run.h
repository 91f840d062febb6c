/* run.h - the long-running command. */
#ifndef COMMANDS_RUN_H
#define COMMANDS_RUN_H

#include "config/config.h"

/* Streams until stopped; returns the process's exit code. `config` is not const: SIGHUP reads its secrets anew. */
int command_run(struct config *config, int argc, char **argv);

#endif
