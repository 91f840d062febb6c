/*
 * admin_client.c - HTTP/1.0 without keep-alive: the answer ends where the connection does, so that neither chunks nor lengths need to be understood.
 */
#include "commands/admin_client.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static enum verdict client_problem(struct problem *problem, const char *host, uint16_t port, const char *reason)
{
  return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "admin", "could not ask the relay at %s port %u: %s", host, port, reason);
}

static int connect_to(const struct addrinfo *addresses)
{
  const struct timeval timeout = {.tv_sec = ADMIN_CLIENT_TIMEOUT_S};

  for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);

    if (fd < 0) {
      continue;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)); /* connect() too */
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
      return fd;
    }
    (void)close(fd);
  }
  return -1;
}

/* The whole answer, zero-terminated; NULL when it does not come or is too long. */
static char *exchange(int fd, const char *request)
{
  size_t length = strlen(request);
  char *answer = malloc(ADMIN_CLIENT_BODY_MAX_BYTES + 1);
  size_t used = 0;

  if (answer == NULL) {
    abort();
  }
  while (length > 0) {
    ssize_t sent = send(fd, request, length, MSG_NOSIGNAL);

    if (sent < 0) {
      free(answer);
      return NULL;
    }
    request += sent;
    length -= (size_t)sent;
  }
  while (used < ADMIN_CLIENT_BODY_MAX_BYTES) {
    ssize_t got = recv(fd, answer + used, ADMIN_CLIENT_BODY_MAX_BYTES - used, 0);

    if (got == 0) {
      answer[used] = '\0';
      return answer;
    }
    if (got < 0 && errno != EINTR) {
      break;
    }
    used += got > 0 ? (size_t)got : 0;
  }
  free(answer);
  return NULL;
}

enum verdict admin_client_get(const char *host, uint16_t port, const char *path, int *ret_status, char **ret_body, struct problem *problem)
{
  const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  const char *target = strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(host, "::") == 0 ? "::1" : host;
  struct addrinfo *addresses = NULL;
  char service[8];
  char request[512];
  char *answer;
  char *body;
  int status = 0;
  int fd;

  (void)snprintf(service, sizeof(service), "%u", port);
  if (getaddrinfo(target, service, &wanted, &addresses) != 0) {
    return client_problem(problem, target, port, "the name is unknown");
  }
  fd = connect_to(addresses);
  freeaddrinfo(addresses);
  if (fd < 0) {
    return client_problem(problem, target, port, strerror(errno));
  }
  (void)snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
  answer = exchange(fd, request);
  (void)close(fd);
  if (answer == NULL) {
    return client_problem(problem, target, port, "no answer in time");
  }
  body = strstr(answer, "\r\n\r\n");
  if (body == NULL || sscanf(answer, "HTTP/1.%*1d %3d", &status) != 1 || status < 100) {
    free(answer);
    return client_problem(problem, target, port, "the answer is no HTTP");
  }
  *ret_status = status;
  if (ret_body != NULL) {
    *ret_body = strdup(body + 4);
    if (*ret_body == NULL) {
      abort();
    }
  }
  free(answer);
  return VERDICT_OK;
}
