/*
 * silence.h - how long a server may say nothing before the connection is given up: a limit of ours, beside those that the server is asked to keep.
 */
#ifndef OUTBOX_SILENCE_H
#define OUTBOX_SILENCE_H

#include "database.h"

enum {
  SILENCE_SLACK_MS = 20000,                                      /* a server that ends a statement in time has said so by then */
  SILENCE_MS = DATABASE_STATEMENT_TIMEOUT_MS + SILENCE_SLACK_MS, /* at least, however short statements are told to be */
  SILENCE_WITHOUT_LIMIT = -1,                                    /* as poll() has it */
};

/*
 * `options`: what the session was started with, as the startup message has it; of several settings of statement_timeout the last counts. A longer one makes us
 * wait as much longer; 0 (no limit) leaves it to TCP alone, since nobody knows then how long a statement may take. What is no time is not counted: the server
 * refuses it. Pure.
 */
int silence_of_options(const char *options);

#endif
