/*
 * failed_event_commands.h - `member-dead-letters list|retry|close`: what a person does about failed events.
 */
#ifndef FAILED_EVENT_COMMANDS_H
#define FAILED_EVENT_COMMANDS_H

#include <stdbool.h>

/* Whether the first argument is one of the commands. */
bool failed_event_is_command(int argc, char **argv);
/* Runs it: the exit code. */
int failed_event_command(int argc, char **argv);

extern const char failed_event_help[];

#endif
