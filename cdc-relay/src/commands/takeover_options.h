/* takeover_options.h - the arguments of `takeover`. */
#ifndef COMMANDS_TAKEOVER_OPTIONS_H
#define COMMANDS_TAKEOVER_OPTIONS_H

#include <stdbool.h>

/* Texts are borrowed from the arguments; NULL: not given. */
struct takeover_options {
  bool poller_is_stopped;
  bool dry_run;
  const char *table;
  const char *id_column;
  const char *order_by;
  const char *marked_column;
  const char *marked_sql;
  const char *mark_sql;
  int batch;
  int lock_timeout_s;
};

extern const char takeover_help[];

/* EXIT_DONE, or EXIT_USAGE after saying what is wrong: also without --poller-is-stopped, unless --dry-run. */
int takeover_options_parse(int argc, char **argv, struct takeover_options *ret_options);

#endif
