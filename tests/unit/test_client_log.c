/* test_client_log.c - levels and the budget of librdkafka's log lines. */
#include "publish/client_log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char text[65536];

/* What was written to the pipe since the last call. */
static const char *written(int fd)
{
  ssize_t length = read(fd, text, sizeof(text) - 1);

  text[length > 0 ? length : 0] = '\0';
  return text;
}

static int lines_of(const char *all)
{
  int count = 0;

  for (; *all != '\0'; all++) {
    count += *all == '\n';
  }
  return count;
}

static void open_pipe(int *ret_fds, struct log *ret_log, enum log_level level)
{
  cr_assert_eq(pipe2(ret_fds, O_NONBLOCK), 0);
  *ret_log = (struct log){.level = level, .format = LOG_JSON, .fd = ret_fds[1]};
}

Test(client_log, levels_of_syslog_become_ours)
{
  static const struct {
    int level;
    const char *name;
  } cases[] = {{0, "\"error\""}, {2, "\"error\""}, {3, "\"warn\""}, {4, "\"warn\""}, {5, "\"info\""}, {6, "\"debug\""}, {7, "\"debug\""}};
  int fds[2];
  struct log log;
  struct client_log client_log;

  open_pipe(fds, &log, LOG_DEBUG);
  client_log_init(&client_log, &log);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    client_log_write(&client_log, cases[i].level, "FAIL", "connection refused", 0);
    cr_expect_not_null(strstr(written(fds[0]), cases[i].name), "%d: %s", cases[i].level, text);
    cr_expect_not_null(strstr(text, "\"kafka_client\""));
    cr_expect_not_null(strstr(text, "connection refused"));
  }
}

Test(client_log, outage_does_not_flood_the_log_and_what_was_left_out_is_told)
{
  int fds[2];
  struct log log;
  struct client_log client_log;

  open_pipe(fds, &log, LOG_INFO);
  client_log_init(&client_log, &log);
  for (int i = 0; i < 100; i++) {
    client_log_write(&client_log, 3, "FAIL", "connection refused", i * 100000);
  }
  cr_assert_eq(lines_of(written(fds[0])), CLIENT_LOG_LINES_MAX);
  client_log_write(&client_log, 3, "FAIL", "connection refused", CLIENT_LOG_WINDOW_US);
  cr_assert_not_null(strstr(written(fds[0]), "\"suppressed\":80"), "%s", text);
  client_log_write(&client_log, 3, "FAIL", "connection refused", CLIENT_LOG_WINDOW_US);
  cr_assert_eq(lines_of(written(fds[0])), 1);
  cr_assert_null(strstr(text, "suppressed"));
}

Test(client_log, warning_about_our_own_setting_is_left_out_and_others_are_not)
{
  int fds[2];
  struct log log;
  struct client_log client_log;

  open_pipe(fds, &log, LOG_INFO);
  client_log_init(&client_log, &log);
  client_log_write(&client_log, 4, "CONFWARN", "Configuration property enable.gapless.guarantee is experimental", 0);
  cr_assert_eq(lines_of(written(fds[0])), 0);
  client_log_write(&client_log, 4, "CONFWARN", "Configuration property group.id is a consumer property", 0);
  cr_assert_eq(lines_of(written(fds[0])), 1);
}
