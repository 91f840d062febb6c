/*
 * options.h - the arguments of `dlq`. Pure but for the words on stderr about what is wrong.
 */
#ifndef DLQ_OPTIONS_H
#define DLQ_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "letter.h"

enum { OPTIONS_REDRIVES_MAX_DEFAULT = 3, OPTIONS_RATE_MAX = 100000 };

enum command { COMMAND_HELP, COMMAND_LIST, COMMAND_SHOW, COMMAND_REDRIVE, COMMAND_DISCARD };

/* Texts are those of the arguments. */
struct options {
  enum command command;
  const char *topic;
  struct letter_filter filter;
  int64_t partition, offset; /* show */
  int64_t limit;             /* 0: none */
  int64_t rate;              /* 0: none */
  int64_t redrives_max;
  const char *to;
  bool is_all, is_json, is_dry, is_confirmed;
  bool with_forgotten; /* redrive: also what may have been dealt with and forgotten */
};

/* EXIT_DONE; EXIT_USAGE with words on stderr. */
int options_read(struct options *options, int argc, char **argv);

#endif
