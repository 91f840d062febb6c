/*
 * listener.c - binds the first of a name's addresses that this machine has; IPv4 first, since clients that say 127.0.0.1 are the usual ones. Without a name all
 * addresses are meant, of both families.
 */
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum verdict cannot_listen(const struct address *address, int error, struct problem *problem)
{
  unsigned int port = address->port;
  enum verdict verdict = problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "http_listen", "could not listen on %s, port %u: %s",
                                     address->host[0] != '\0' ? address->host : "all addresses", port, strerror(error));

  if (error == EADDRINUSE) {
    problem_hint(problem, "port %u is taken: stop the program that listens on it, or set HTTP_LISTEN to another port (port 0 takes a free one)", port);
  } else if (error == EADDRNOTAVAIL) {
    problem_hint(problem, "%s is no address of this machine: set HTTP_LISTEN to one, for instance 127.0.0.1:%u", address->host, port);
  } else if (error == EACCES) {
    problem_hint(problem, "port %u needs a privilege: set HTTP_LISTEN to a port from 1024 up", port);
  }
  return verdict;
}

/* -1 and errno when not. */
static int listen_on(const struct addrinfo *address)
{
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int saved;

  if (fd < 0) {
    return -1;
  }
  /* A restart must not wait for old connections in TIME_WAIT; two listeners on one port are refused all the same. */
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (address->ai_family == AF_INET6) {
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
  }
  if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, LISTENER_BACKLOG) == 0) {
    return fd;
  }
  saved = errno;
  (void)close(fd);
  errno = saved;
  return -1;
}

static uint16_t bound_port(int fd)
{
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address;
  socklen_t length = sizeof(address);

  memset(&address, 0, sizeof(address));
  if (getsockname(fd, &address.any, &length) != 0) {
    return 0;
  }
  return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

enum verdict listener_open(const struct address *address, int *ret_fd, uint16_t *ret_port, struct problem *problem)
{
  static const int named[] = {AF_INET, AF_INET6};
  static const int all[] = {AF_INET6, AF_INET}; /* one IPv6 socket takes both */
  const int *families = address->host[0] != '\0' ? named : all;
  int error = EADDRNOTAVAIL;
  char port[8];

  (void)snprintf(port, sizeof(port), "%u", (unsigned int)address->port);
  for (size_t i = 0; i < 2 && (error == EADDRNOTAVAIL || error == EAFNOSUPPORT); i++) {
    struct addrinfo wanted = {.ai_family = families[i], .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;

    if (getaddrinfo(address->host[0] != '\0' ? address->host : NULL, port, &wanted, &found) != 0) {
      continue;
    }
    for (const struct addrinfo *each = found; each != NULL; each = each->ai_next) {
      int fd = listen_on(each);

      if (fd >= 0) {
        freeaddrinfo(found);
        *ret_fd = fd;
        *ret_port = bound_port(fd);
        return VERDICT_OK;
      }
      error = errno;
    }
    freeaddrinfo(found);
  }
  return cannot_listen(address, error, problem);
}
