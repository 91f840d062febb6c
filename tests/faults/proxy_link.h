/*
 * proxy_link.h - one connection through fault_proxy: a client's socket, a server's socket, and a lane each way.
 *
 *   client --request--> server
 *          <--response--
 *
 * An end in order on one side becomes a shutdown on the other once all before it has been sent; a reset becomes a reset. Nothing here blocks.
 */
#ifndef CDC_TESTS_FAULTS_PROXY_LINK_H
#define CDC_TESTS_FAULTS_PROXY_LINK_H

#include "proxy_lane.h"

#include <poll.h>
#include <sys/socket.h>

enum { LINK_SOCKET_BYTES = 256 * 1024 }; /* the kernel's buffers, so that a slow way is felt soon at its beginning */

struct proxy_link {
  int client; /* owned, as is the other */
  int server;
  bool is_connecting;
  struct kafka_calls calls;
  struct proxy_lane request;
  struct proxy_lane response;
  bool request_is_shut; /* its receiver has been told that no more comes */
  bool response_is_shut;
  bool request_blocks; /* its receiver takes no more at present */
  bool response_blocks;
};

/* What of the proxy as a whole a link obeys. */
struct link_mode {
  bool request_is_frozen;
  bool response_is_frozen;
};

/* Takes the client's socket, in any case, and begins to connect to the server. NULL when that cannot be; the client is reset then. */
struct proxy_link *link_open(int client, const struct sockaddr_storage *server, socklen_t server_length, bool is_kafka, struct proxy_rules *rules,
                             struct lane_counts *counts);

/* Closes both sides by RST. Frees. NULL is fine. */
void link_reset(struct proxy_link *link);

/* What poll is to look for. Writes two, client and server; one without events has the descriptor -1, so that an end that nobody may see yet wakes nobody. */
void link_wishes(struct proxy_link *link, const struct link_mode *mode, struct pollfd *ret_pair);

enum link_state {
  LINK_GOES_ON,
  LINK_IS_OVER,   /* link_close it */
  LINK_IS_BROKEN, /* link_reset it */
};

/* Reads what poll found, sends what may be sent. *io_wake_us is made earlier where the link has to be worked on again at a time. */
enum link_state link_work(struct proxy_link *link, const struct link_mode *mode, const struct pollfd *pair, int64_t now_us, int64_t *io_wake_us);

/* Closes both sides in order. Frees. */
void link_close(struct proxy_link *link);

#endif
