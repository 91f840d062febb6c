/*
 * client_log.h - librdkafka's own log lines as lines of ours, event `kafka_client`, and not too many of them.
 *
 * A cluster that is away makes each broker's thread complain about each attempt; the budget lets CLIENT_LOG_LINES_MAX of them through a minute and counts the
 * rest, which the next line that gets through tells (`suppressed`). Lines of level debug cost no budget. Time is an argument.
 */
#ifndef PUBLISH_CLIENT_LOG_H
#define PUBLISH_CLIENT_LOG_H

#include <stdint.h>

#include "log.h"

enum { CLIENT_LOG_LINES_MAX = 20, CLIENT_LOG_WINDOW_US = 60000000 };

struct client_log {
  const struct log *log; /* borrowed */
  int64_t window_us;     /* when the current minute began */
  int lines;             /* written in it */
  int64_t suppressed;    /* since the last line that got through */
};

void client_log_init(struct client_log *client_log, const struct log *log);

/* One line. `syslog_level` and `facility` are librdkafka's. */
void client_log_write(struct client_log *client_log, int syslog_level, const char *facility, const char *message, int64_t now_us);

#endif
