/*
 * proxy_link.c - two sockets and two lanes. Each round reads at most once from each side and sends until the lane waits or the receiver is full.
 */
#include "proxy_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

static void close_by_reset(int descriptor)
{
  struct linger linger = {.l_onoff = 1, .l_linger = 0};

  if (descriptor >= 0) {
    (void)setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    (void)close(descriptor);
  }
}

static void release(struct proxy_link *link)
{
  lane_done(&link->request);
  lane_done(&link->response);
  free(link);
}

struct proxy_link *link_open(int client, const struct sockaddr_storage *server, socklen_t server_length, bool is_kafka, struct proxy_rules *rules,
                             struct lane_counts *counts)
{
  struct proxy_link *link = calloc(1, sizeof(*link));
  struct kafka_calls *calls;
  int on = 1;
  int size = LINK_SOCKET_BYTES;

  if (link == NULL) {
    close_by_reset(client);
    return NULL;
  }
  link->client = client;
  link->server = socket(server->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  kafka_calls_init(&link->calls);
  calls = is_kafka ? &link->calls : NULL;
  if (!lane_init(&link->request, RULE_REQUEST, calls, rules, counts) || !lane_init(&link->response, RULE_RESPONSE, calls, rules, counts) || link->server < 0) {
    goto fail;
  }
  (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  (void)setsockopt(link->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  (void)setsockopt(link->server, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  (void)setsockopt(link->server, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  if (connect(link->server, (const struct sockaddr *)server, server_length) == 0) {
    return link;
  }
  if (errno == EINPROGRESS) {
    link->is_connecting = true;
    return link;
  }

fail:
  link_reset(link);
  return NULL;
}

void link_reset(struct proxy_link *link)
{
  if (link != NULL) {
    close_by_reset(link->client);
    close_by_reset(link->server);
    release(link);
  }
}

void link_close(struct proxy_link *link)
{
  (void)close(link->client);
  (void)close(link->server);
  release(link);
}

static bool has_room(struct proxy_lane *lane)
{
  uint8_t *room;

  return lane_room(lane, &room) > 0;
}

void link_wishes(struct proxy_link *link, const struct link_mode *mode, struct pollfd *ret_pair)
{
  short client = 0;
  short server = 0;

  if (link->is_connecting) {
    server = POLLOUT;
  } else {
    client = (short)((!mode->request_is_frozen && has_room(&link->request) ? POLLIN : 0) | (link->response_blocks && !mode->response_is_frozen ? POLLOUT : 0));
    server = (short)((!mode->response_is_frozen && has_room(&link->response) ? POLLIN : 0) | (link->request_blocks && !mode->request_is_frozen ? POLLOUT : 0));
  }
  ret_pair[0] = (struct pollfd){.fd = client != 0 ? link->client : -1, .events = client};
  ret_pair[1] = (struct pollfd){.fd = server != 0 ? link->server : -1, .events = server};
}

static void read_into(struct proxy_lane *lane, int descriptor, int64_t now_us)
{
  uint8_t *room;
  size_t space = lane_room(lane, &room);
  ssize_t length;

  if (space == 0) {
    return;
  }
  length = recv(descriptor, room, space, 0);
  if (length > 0) {
    lane_took(lane, (size_t)length, now_us);
  } else if (length == 0) {
    lane_ended(lane, LANE_ENDED_IN_ORDER);
  } else if (errno != EAGAIN && errno != EINTR) {
    lane_ended(lane, LANE_ENDED_BY_RESET);
  }
}

static void shut(int descriptor, bool *io_is_shut)
{
  if (!*io_is_shut) {
    (void)shutdown(descriptor, SHUT_WR);
    *io_is_shut = true;
  }
}

/* Sends what may be sent. False: reset both. */
static bool send_from(struct proxy_lane *lane, int descriptor, bool *io_is_shut, bool *ret_blocks, int64_t now_us, int64_t *io_wake_us)
{
  *ret_blocks = false;
  for (;;) {
    const uint8_t *bytes;
    size_t length;
    int64_t again_us;
    ssize_t sent;

    switch (lane_offer(lane, now_us, &bytes, &length, &again_us)) {
    case LANE_IDLE:
      if (lane->end == LANE_ENDED_IN_ORDER) {
        shut(descriptor, io_is_shut);
      }
      return lane->end != LANE_ENDED_BY_RESET;
    case LANE_WAIT:
      if (again_us < *io_wake_us) {
        *io_wake_us = again_us;
      }
      return true;
    case LANE_HALF_CLOSE:
      shut(descriptor, io_is_shut);
      continue;
    case LANE_RESET:
      return false;
    case LANE_SEND:
      break;
    }
    sent = send(descriptor, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
      *ret_blocks = true;
      return true;
    }
    if (sent < 0) {
      /* It is gone; what it said before is still read, and its end then ends the other side. */
      lane->is_sink = true;
      continue;
    }
    if (lane_sent(lane, (size_t)sent)) {
      *io_wake_us = now_us;
      return true;
    }
  }
}

static bool has_connected(struct proxy_link *link)
{
  int problem = 0;
  socklen_t length = sizeof(problem);

  return getsockopt(link->server, SOL_SOCKET, SO_ERROR, &problem, &length) == 0 && problem == 0;
}

enum link_state link_work(struct proxy_link *link, const struct link_mode *mode, const struct pollfd *pair, int64_t now_us, int64_t *io_wake_us)
{
  if (link->is_connecting) {
    if (pair[1].revents == 0) {
      return LINK_GOES_ON;
    }
    if (!has_connected(link)) {
      return LINK_IS_BROKEN;
    }
    link->is_connecting = false;
    return LINK_GOES_ON;
  }
  if (pair[0].revents != 0 && !mode->request_is_frozen) {
    read_into(&link->request, link->client, now_us);
  }
  if (pair[1].revents != 0 && !mode->response_is_frozen) {
    read_into(&link->response, link->server, now_us);
  }
  if ((!mode->request_is_frozen && !send_from(&link->request, link->server, &link->request_is_shut, &link->request_blocks, now_us, io_wake_us)) ||
      (!mode->response_is_frozen && !send_from(&link->response, link->client, &link->response_is_shut, &link->response_blocks, now_us, io_wake_us))) {
    return LINK_IS_BROKEN;
  }
  if (link->request.end != LANE_OPEN && link->response.end != LANE_OPEN && link->request.length == 0 && link->response.length == 0) {
    return LINK_IS_OVER;
  }
  return LINK_GOES_ON;
}
