#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "moment.h"
#include "readiness.h"

enum { PATIENCE_MS = 20000, SIZE = 96 };

/* A port of this machine that takes connections and says nothing, as a server that was stopped; or one that nobody listens on. */
static int peer_open(bool is_listening, char ret_conninfo[SIZE])
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert(!is_listening || listen(fd, 8) == 0);
  cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
  (void)snprintf(ret_conninfo, SIZE, "host=127.0.0.1 port=%d user=nobody dbname=nothing connect_timeout=2", ntohs(address.sin_port));
  return fd;
}

static void await_bell(int bell_fd)
{
  struct pollfd bell = {.fd = bell_fd, .events = POLLIN};
  eventfd_t rings;

  cr_assert_eq(poll(&bell, 1, PATIENCE_MS), 1);
  (void)eventfd_read(bell_fd, &rings);
}

Test(readiness, all_who_ask_at_once_are_told_that_the_database_is_away)
{
  char conninfo[SIZE];
  int peer_fd = peer_open(false, conninfo);
  int bell_fd = eventfd(0, EFD_NONBLOCK);
  struct readiness *readiness = readiness_start(conninfo, "test", bell_fd);
  struct problem problem;
  struct task first;
  struct task second;
  enum verdict verdict;
  int64_t now_us = moment_now().mono_us;

  cr_expect_eq(readiness_due_us(readiness), INT64_MAX);
  cr_expect_null(readiness_take(readiness, now_us, &verdict, &problem));
  readiness_ask(readiness, &first, now_us);
  readiness_ask(readiness, &second, now_us);
  await_bell(bell_fd);
  cr_expect_eq(readiness_take(readiness, now_us, &verdict, &problem), &first);
  cr_expect_eq(verdict, VERDICT_RETRY);
  cr_expect_not_null(strstr(problem.text, "refused"), "%s", problem.text);
  cr_expect_eq(readiness_take(readiness, now_us, &verdict, &problem), &second);
  cr_expect_null(readiness_take(readiness, now_us, &verdict, &problem));
  readiness_ask(readiness, &first, now_us); /* a new question */
  await_bell(bell_fd);
  cr_expect_eq(readiness_take(readiness, now_us, &verdict, &problem), &first);
  cr_expect(readiness_stop(readiness));
  (void)close(peer_fd);
  (void)close(bell_fd);
}

Test(readiness, a_database_that_says_nothing_is_waited_for_once)
{
  const int64_t limit_us = (int64_t)READINESS_WAIT_MAX_MS * US_PER_MS;
  char conninfo[SIZE];
  int peer_fd = peer_open(true, conninfo);
  int bell_fd = eventfd(0, EFD_NONBLOCK);
  struct readiness *readiness = readiness_start(conninfo, "test", bell_fd);
  struct problem problem;
  struct task first;
  struct task second;
  enum verdict verdict = VERDICT_OK;
  int64_t now_us = moment_now().mono_us;

  readiness_ask(readiness, &first, now_us);
  cr_expect_eq(readiness_due_us(readiness), now_us + limit_us);
  cr_expect_null(readiness_take(readiness, now_us + limit_us - 1, &verdict, &problem));
  cr_expect_eq(readiness_take(readiness, now_us + limit_us, &verdict, &problem), &first);
  cr_expect_eq(verdict, VERDICT_RETRY);
  cr_expect_eq(readiness_due_us(readiness), INT64_MAX);
  readiness_ask(readiness, &second, now_us + limit_us + 1); /* told at once, as long as the first question has no answer */
  cr_expect_leq(readiness_due_us(readiness), now_us + limit_us + 1);
  cr_expect_eq(readiness_take(readiness, now_us + limit_us + 1, &verdict, &problem), &second);
  await_bell(bell_fd); /* libpq gives up */
  cr_expect_null(readiness_take(readiness, now_us + limit_us + 1, &verdict, &problem), "nobody waits for it");
  cr_expect(readiness_stop(readiness));
  (void)close(peer_fd);
  (void)close(bell_fd);
}
