/* client_log.c - levels and budget. */
#include "publish/client_log.h"

#include <string.h>

void client_log_init(struct client_log *client_log, const struct log *log)
{
  *client_log = (struct client_log){.log = log};
}

/* syslog's: 0 emergency .. 3 error, 4 warning, 5 notice, 6 info, 7 debug. A broker that cannot be reached is an error to librdkafka and a warning to us. */
static enum log_level level_of(int syslog_level)
{
  if (syslog_level <= 2) {
    return LOG_ERROR;
  }
  if (syslog_level <= 4) {
    return LOG_WARN;
  }
  return syslog_level == 5 ? LOG_INFO : LOG_DEBUG;
}

void client_log_write(struct client_log *client_log, int syslog_level, const char *facility, const char *message, int64_t now_us)
{
  /* At each start it warns of the one experimental property that we set ourselves (kafka_conf.c); a fatal error is the publisher's to tell. */
  bool is_expected = (strcmp(facility, "CONFWARN") == 0 && strstr(message, "enable.gapless.guarantee") != NULL) || strcmp(facility, "FATAL") == 0;
  enum log_level level = is_expected ? LOG_DEBUG : level_of(syslog_level);

  if (level < client_log->log->level) {
    return;
  }
  if (level == LOG_DEBUG) {
    log_event(client_log->log, level, "kafka_client", log_text("facility", facility), log_text("message", message));
    return;
  }
  if (client_log->lines == 0 || now_us - client_log->window_us >= CLIENT_LOG_WINDOW_US) {
    client_log->window_us = now_us;
    client_log->lines = 0;
  }
  if (client_log->lines == CLIENT_LOG_LINES_MAX) {
    client_log->suppressed++;
    return;
  }
  client_log->lines++;
  if (client_log->suppressed > 0) {
    log_event(client_log->log, level, "kafka_client", log_text("facility", facility), log_text("message", message),
              log_int("suppressed", client_log->suppressed));
    client_log->suppressed = 0;
    return;
  }
  log_event(client_log->log, level, "kafka_client", log_text("facility", facility), log_text("message", message));
}
