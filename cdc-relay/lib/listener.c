/*
 * listener.c - binds the first of a name's addresses that this machine has; IPv4 first, since clients that say 127.0.0.1 are the usual ones. Where all addresses
 * are meant, one IPv6 socket takes both families, and IPv4 comes second, for a machine without IPv6.
 */
#include "listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_SIZE = 256 };

static enum verdict cannot_listen(const struct listener_place *place, int error, struct problem *problem)
{
  const char *host = place->host[0] != '\0' ? place->host : "all addresses";
  unsigned int port = place->port;

  (void)problem_set(problem, VERDICT_FATAL, EXIT_USAGE, place->cause, "could not listen on %s, port %u: %s", host, port, strerror(error));
  if (error == EADDRINUSE) {
    problem_hint(problem, "port %u is taken: stop the program that listens on it, or set %s to another port (port 0 takes a free one)", port, place->setting);
  } else if (error == EADDRNOTAVAIL || error == EAFNOSUPPORT) {
    problem_hint(problem, "%s is no address of this machine: set %s to one, for instance 127.0.0.1:%u", host, place->setting, port);
  } else if (error == EACCES) {
    problem_hint(problem, "port %u needs a privilege: set %s to a port from 1024 up", port, place->setting);
  }
  return VERDICT_FATAL;
}

/* One socket, bound and listening; -1 and errno when not. */
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

static void without_brackets(const char *host, char ret_host[HOST_SIZE])
{
  size_t length = strlen(host);
  bool has_brackets = length >= 2 && host[0] == '[' && host[length - 1] == ']';

  (void)snprintf(ret_host, HOST_SIZE, "%.*s", (int)(length - (has_brackets ? 2 : 0)), host + (has_brackets ? 1 : 0));
}

enum verdict listener_open(const struct listener_place *place, int *ret_fd, uint16_t *ret_port, struct problem *problem)
{
  static const int named[] = {AF_INET, AF_INET6};
  static const int all[] = {AF_INET6, AF_INET};
  bool is_named = place->host[0] != '\0';
  const int *families = is_named ? named : all;
  int error = EADDRNOTAVAIL;
  char host[HOST_SIZE];
  char port[8];

  without_brackets(place->host, host);
  (void)snprintf(port, sizeof(port), "%u", (unsigned int)place->port);
  for (size_t i = 0; i < 2 && (error == EADDRNOTAVAIL || error == EAFNOSUPPORT); i++) {
    struct addrinfo wanted = {.ai_family = families[i], .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;

    if (getaddrinfo(is_named ? host : NULL, port, &wanted, &found) != 0) {
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
  return cannot_listen(place, error, problem);
}
