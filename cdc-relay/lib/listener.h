/*
 * listener.h - the TCP socket that clients find a program by: a service's, a consumer's pages, the relay's admin server.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdint.h>

#include "verdict.h"

enum { LISTENER_BACKLOG = 1024 }; /* connections that the kernel keeps meanwhile */

/* What to listen on, and the words for a person who is told that it cannot be. Texts are borrowed; `cause` is static. */
struct listener_place {
  const char *host;    /* an IP address, IPv6 with or without brackets, or a name; empty: all addresses, of IPv4 alone where there is no IPv6 */
  uint16_t port;       /* 0: any that is free */
  const char *setting; /* that changes the two, by its name in the program's own configuration: `HTTP_LISTEN` */
  const char *cause;   /* of the problem */
};

/*
 * OK: bound, listening, non-blocking; *ret_fd is the caller's, and *ret_port the port in use. FATAL code 2: taken, not ours, not allowed; the hint names the
 * setting. May wait for a resolver.
 */
enum verdict MUST_CHECK listener_open(const struct listener_place *place, int *ret_fd, uint16_t *ret_port, struct problem *problem);

#endif
