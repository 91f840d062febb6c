/*
 * proxy_bench.c - see proxy_bench.h.
 */
#include "proxy_bench.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { QUIET_MS = 50 };

struct proxy_bench bench;

int64_t bench_now_ms(void)
{
  struct timespec now;

  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------ */
/* The proxy */

static void launch(const char *mode)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  char target[64];
  char line[64];
  int port;
  int input[2];
  int output[2];

  bench.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert_eq(bind(bench.listener, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(bench.listener, 16), 0);
  cr_assert_eq(getsockname(bench.listener, (struct sockaddr *)&address, &length), 0);
  (void)snprintf(target, sizeof(target), "127.0.0.1:%d", ntohs(address.sin_port));
  cr_assert_eq(pipe2(input, O_CLOEXEC), 0);
  cr_assert_eq(pipe2(output, O_CLOEXEC), 0);
  bench.proxy = fork();
  if (bench.proxy == 0) {
    (void)dup2(input[0], STDIN_FILENO);
    (void)dup2(output[1], STDOUT_FILENO);
    (void)execl(FAULT_PROXY, FAULT_PROXY, mode, target, (char *)NULL);
    _exit(127);
  }
  (void)close(input[0]);
  (void)close(output[1]);
  bench.to_proxy = fdopen(input[1], "w");
  bench.from_proxy = fdopen(output[0], "r");
  cr_assert_not_null(fgets(line, sizeof(line), bench.from_proxy));
  cr_assert_eq(sscanf(line, "listen=127.0.0.1:%d", &port), 1, "%s", line);
  bench.address = address;
  bench.address.sin_port = htons((uint16_t)port);
}

const char *bench_say(const char *command)
{
  static char said[4096];
  size_t length = 0;

  (void)fprintf(bench.to_proxy, "%s\n", command);
  (void)fflush(bench.to_proxy);
  for (;;) {
    char *line = said + length;

    cr_assert_not_null(fgets(line, (int)(sizeof(said) - length), bench.from_proxy), "%s: no answer", command);
    if (strcmp(line, "ok\n") == 0 || strncmp(line, "error: ", 7) == 0) {
      return said;
    }
    length += strlen(line);
  }
}

void bench_must(const char *command)
{
  const char *said = bench_say(command);

  cr_assert_str_eq(said, "ok\n", "%s: %s", command, said);
}

static void finish(void)
{
  int status;

  (void)fclose(bench.to_proxy); /* the end of its input ends it */
  cr_assert_eq(waitpid(bench.proxy, &status, 0), bench.proxy);
  cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
  (void)fclose(bench.from_proxy);
  (void)close(bench.listener);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------ */
/* Client and server */

bool bench_is_ready(int descriptor, short events, int wait_ms)
{
  struct pollfd found = {.fd = descriptor, .events = events};

  return poll(&found, 1, wait_ms) == 1;
}

int bench_dial(void)
{
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (connect(descriptor, (struct sockaddr *)&bench.address, sizeof(bench.address)) != 0) {
    (void)close(descriptor);
    return -1;
  }
  return descriptor;
}

void bench_join(void)
{
  bench.client = bench_dial();
  cr_assert_geq(bench.client, 0);
  cr_assert(bench_is_ready(bench.listener, POLLIN, WAIT_MS));
  bench.server = accept4(bench.listener, NULL, NULL, SOCK_CLOEXEC);
  cr_assert_geq(bench.server, 0);
}

void bench_part(void)
{
  (void)close(bench.client);
  (void)close(bench.server);
}

void bench_begin(const char *mode)
{
  launch(mode);
  bench_join();
}

void bench_end(void)
{
  bench_part();
  finish();
}

void bench_put(int descriptor, const void *bytes, size_t length)
{
  cr_assert_eq(send(descriptor, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

/* Reads so many bytes, or fails. */
void bench_get(int descriptor, void *ret_bytes, size_t length)
{
  size_t have = 0;

  while (have < length) {
    ssize_t more;

    cr_assert(bench_is_ready(descriptor, POLLIN, WAIT_MS), "%zu of %zu bytes came", have, length);
    more = recv(descriptor, (char *)ret_bytes + have, length - have, 0);
    cr_assert_gt(more, 0, "%zu of %zu bytes came: %s", have, length, more == 0 ? "end" : strerror(errno));
    have += (size_t)more;
  }
}

void bench_must_come(int descriptor, const char *text)
{
  char bytes[256];

  bench_get(descriptor, bytes, strlen(text));
  cr_assert_eq(memcmp(bytes, text, strlen(text)), 0);
}

void bench_must_be_quiet(int descriptor)
{
  cr_assert_not(bench_is_ready(descriptor, POLLIN, QUIET_MS));
}

void bench_must_end(int descriptor)
{
  char byte;

  cr_assert(bench_is_ready(descriptor, POLLIN, WAIT_MS));
  cr_assert_eq(recv(descriptor, &byte, 1, 0), 0);
}

void bench_must_be_reset(int descriptor)
{
  char byte;

  cr_assert(bench_is_ready(descriptor, POLLIN, WAIT_MS));
  cr_assert_eq(recv(descriptor, &byte, 1, 0), -1);
  cr_assert_eq(errno, ECONNRESET);
}

/* Kafka's frames: a head, and as body one letter. */
void bench_ask(int api, int correlation, char letter)
{
  const uint8_t bytes[13] = {0, 0, 0, 9, 0, (uint8_t)api, 0, 0, 0, 0, 0, (uint8_t)correlation, (uint8_t)letter};

  bench_put(bench.client, bytes, sizeof(bytes));
}

void bench_answer(int correlation, char letter)
{
  const uint8_t bytes[9] = {0, 0, 0, 5, 0, 0, 0, (uint8_t)correlation, (uint8_t)letter};

  bench_put(bench.server, bytes, sizeof(bytes));
}

void bench_must_be_asked(char letter)
{
  uint8_t bytes[13];

  bench_get(bench.server, bytes, sizeof(bytes));
  cr_assert_eq((char)bytes[12], letter, "%c came", bytes[12]);
}

void bench_must_be_answered(char letter)
{
  uint8_t bytes[9];

  bench_get(bench.client, bytes, sizeof(bytes));
  cr_assert_eq((char)bytes[8], letter, "%c came", bytes[8]);
}
