/*
 * admin.h - GET and HEAD on /livez, /readyz, /metrics and the like by libmicrohttpd, without threads: its epoll fd is polled by the caller's loop (the relay's), or
 * by a thread of its own (a consumer's). The pages are made by callbacks, so that this module knows HTTP and nothing of the program.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "listener.h"
#include "verdict.h"

enum {
  ADMIN_CONNECTIONS_MAX = 256,
  ADMIN_CONNECTIONS_KEPT = 192, /* with more than these, those that have waited longest for an answer make room, */
  ADMIN_CROWDED_MS = 100,       /* but each gets this long to send its request */
  ADMIN_TIMEOUT_S = 10,         /* from connecting, or from the answer before, to the end of the next answer; however busily the client trickles */
  ADMIN_CONNECTION_MEMORY_BYTES = 16384,
};

struct admin_page {
  unsigned int status;      /* 200 or 503 */
  const char *content_type; /* static */
  char *body;               /* malloc'ed; taken by the server */
  size_t length;
};

/* Fills *ret_page; `accept` is the request's Accept header or "". Called from admin_step(). */
typedef void (*AdminPageFunction)(void *context, const char *accept, struct admin_page *ret_page);

struct admin_route {
  const char *path;
  AdminPageFunction page;
};

struct admin;

/*
 * Listens. `routes` ends with a NULL path and is borrowed, as is `context`. OK: *ret_admin, at admin_port(). FATAL code 2, with a hint: see listener_open(), whose
 * resolver may block.
 */
enum verdict MUST_CHECK admin_open(const struct listener_place *place, const struct admin_route *routes, void *context, struct admin **ret_admin,
                                   struct problem *problem);
void admin_close(struct admin *admin); /* takes NULL */

int admin_fd(const struct admin *admin); /* readable: call admin_step() */
uint16_t admin_port(const struct admin *admin);
/* Serves what is ready; never blocks. */
void admin_step(struct admin *admin);
/* Milliseconds until admin_step() is due by time alone, or -1. */
int64_t admin_timeout_ms(struct admin *admin);

#endif
