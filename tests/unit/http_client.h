/* http_client.h - a client and the admin server that take turns in one thread, over real sockets on the loopback interface; each wait is bounded by DEADLINE_US. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.h"
#include "moment.h"

enum { RESPONSE_MAX = 4 << 20 };
#define DEADLINE_US (INT64_C(30) * US_PER_S)

/* Gives the server its turn when it has something to do, or for at most `wait_ms` when neither it nor `fd` has. */
static void turn(struct admin *admin, int fd, int wait_ms)
{
  struct pollfd polled[] = {{.fd = admin_fd(admin), .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  int64_t timeout = admin_timeout_ms(admin);

  cr_assert(poll(polled, 2, timeout >= 0 && timeout < wait_ms ? (int)timeout : wait_ms) >= 0);
  admin_step(admin);
}

/* Connects from `source` (an IPv4 address of the loopback net) or by `family` alone. */
static int client_from(const struct admin *admin, const char *source)
{
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(admin_port(admin)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in from = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  cr_assert_geq(fd, 0);
  cr_assert_eq(inet_pton(AF_INET, source, &from.sin_addr), 1);
  cr_assert_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
  cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
  cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  return fd;
}

static void send_all(struct admin *admin, int fd, const char *bytes, size_t length)
{
  int64_t deadline = moment_now().mono_us + DEADLINE_US;

  while (length > 0) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
      return; /* the server has heard enough */
    }
    bytes += sent > 0 ? sent : 0;
    length -= sent > 0 ? (size_t)sent : 0;
    turn(admin, -1, 1);
    cr_assert_lt(moment_now().mono_us, deadline, "the server does not read");
  }
}

static char response[RESPONSE_MAX];

/* Reads until the server closes the connection, or until `enough` is in the response. */
static const char *receive_until(struct admin *admin, int fd, const char *enough)
{
  int64_t deadline = moment_now().mono_us + DEADLINE_US;
  size_t length = 0;

  response[0] = '\0';
  for (;;) {
    ssize_t received = recv(fd, response + length, sizeof(response) - 1 - length, 0);

    if (received == 0 || (received < 0 && errno == ECONNRESET)) {
      return response;
    }
    length += received > 0 ? (size_t)received : 0;
    response[length] = '\0';
    if (enough != NULL && strstr(response, enough) != NULL) {
      return response;
    }
    cr_assert_lt(moment_now().mono_us, deadline, "no end of the answer: %.200s", response);
    turn(admin, fd, 100);
  }
}

static const char *ask_bytes(struct admin *admin, const char *request, size_t length)
{
  int fd = client_from(admin, "127.0.0.1");

  send_all(admin, fd, request, length);
  (void)receive_until(admin, fd, NULL);
  close(fd);
  return response;
}

/* One request on a connection of its own, which the server closes behind the answer. */
static const char *ask(struct admin *admin, const char *request_line)
{
  char request[512];

  (void)snprintf(request, sizeof(request), "%s\r\nHost: localhost\r\nConnection: close\r\n\r\n", request_line);
  return ask_bytes(admin, request, strlen(request));
}

static int status_of(const char *text)
{
  int status = 0;

  (void)sscanf(text, "HTTP/1.%*d %d", &status);
  return status;
}

#endif
