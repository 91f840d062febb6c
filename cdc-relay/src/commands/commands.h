/*
 * commands.h - the one-shot commands. `run` has its own header.
 *
 * Each takes the loaded configuration and its own arguments (argv[0] is the command's name), blocks as long as it needs, and returns the process's exit code
 * (verdict.h). Results go to stdout as plain lines, problems to stderr as `cdc-relay: error: ...` and `hint: ...`. With `--help` among the arguments
 * nothing is done and `config` may be NULL: ask command_wants_help() before loading it. `version` never needs it.
 */
#ifndef COMMANDS_COMMANDS_H
#define COMMANDS_COMMANDS_H

#include <stdbool.h>

#include "config/config.h"
#include "verdict.h"

bool command_wants_help(int argc, char *const *argv); /* --help or -h before a `--` */
/* The value of an option that counts something, from 1 to `most`; false: it is none. */
bool command_read_count(const char *text, int most, int *ret_count);

/* Creates publication and slot. 0 when all exists and matches, 3 what differs, 4 when a gap would have to be accepted, 6 from Kafka (--create-topics). */
int command_init(struct config *config, int argc, char **argv);
/* Every problem with what mends it. The code of the worst; 0 with warnings only. */
int command_check(struct config *config, int argc, char **argv);
/* Slot, lag, the running relay's figures. --probe: 0 or 1 and no output. */
int command_status(struct config *config, int argc, char **argv);
/* Publishes what an old poller had not, and makes the slot behind it. 0, 1 (run it again), 3, 4 when the slot exists, 5 a row, 6 Kafka. */
int command_takeover(struct config *config, int argc, char **argv);
/* Removes slot and publication, after asking. */
int command_drop(struct config *config, int argc, char **argv);
/* The effective configuration, secrets masked. */
int command_config(struct config *config, int argc, char **argv);
/* This program's version, the libraries', the plugins. */
int command_version(struct config *config, int argc, char **argv);

/*
 * For `run --init`: creates publication and slot if neither exists; anything else is left as it is, for the session to judge. Prints nothing. Blocks, bounded
 * by connect and lock timeouts. OK (*ret_created), RETRY (not now: network, a transaction that does not end), FATAL with code 2 or 3.
 */
enum verdict MUST_CHECK init_missing(const struct config *config, bool *ret_created, struct problem *problem);

#endif
