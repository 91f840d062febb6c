/*
 * server.h - requests in, answers out: libmicrohttpd in the caller's thread, workers for what needs the database, the limits of service.h. For one thread.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "site.h"
#include "verdict.h"

enum {
  SERVER_CONNECTION_MEMORY_BYTES = 32768, /* a head that does not fit, with what is noted of it, gets libmicrohttpd's own 414 or 431 */
  SERVER_DOOR_MS = 100,                   /* so long the end waits for connections that the kernel is still making */
};

struct server;

/* Starts `workers` threads and one more, and takes connections from the first turn on. `site` and `conninfo` are borrowed; `listen_fd` is taken, by a failure too. */
enum verdict MUST_CHECK server_open(struct site *site, int listen_fd, size_t workers, const char *conninfo, struct server **ret_server,
                                    struct problem *problem);
/* Waits until there is something to do, up to `most_ms`, and does it; never blocks otherwise. True: `signal_fd` is readable, which comes before all else. */
bool server_turn(struct server *server, int signal_fd, int most_ms);
/* From now on nobody else may connect; who has, is let in, as soon as there is room. Each connection is closed when it has nothing here any more: crowd.h. */
void server_drain(struct server *server);
/* After server_drain(): the door is shut, and everybody has gone. */
bool server_is_idle(const struct server *server);
/* Ends the connections and the threads. Only when idle, or before the first turn. False: a question to the database is still there, with all it uses. Takes NULL. */
bool MUST_CHECK server_close(struct server *server);

#endif
