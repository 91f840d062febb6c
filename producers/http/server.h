/*
 * server.h - requests in, answers out: libmicrohttpd with a pool of threads, the limits of service.h, and one handler's turn.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "site.h"
#include "verdict.h"

/* Of a connection: the head of a request must fit into it, else libmicrohttpd answers 413 or 431. */
enum { SERVER_CONNECTION_MEMORY_BYTES = 16384 };

struct server;

/* Answers from now on, on `workers` threads. `site` is borrowed; `listen_fd` is taken, by a failure too. */
enum verdict MUST_CHECK server_open(struct site *site, int listen_fd, unsigned int workers, struct server **ret_server, struct problem *problem);
/* No new connections. */
void server_quiesce(struct server *server);
/* Nothing is in hand, and nothing waits unread on a connection that there is. */
bool server_is_idle(struct server *server);
/* Ends the connections; waits for handlers that are still at work. Takes NULL. */
void server_close(struct server *server);

#endif
