#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/near_peer.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK      72
#define SOCK_RCVBUF_LOCK 2
#endif

enum {
  TRIES = 20,
  CONNECTIONS = 4,
  MESSAGES_MEANWHILE = 20000, /* while the reader pauses */
  MESSAGES_UNREAD = 60000,    /* more than the window takes */
  MESSAGE_BYTES = 10,
  STATUS_BYTES = 34,
  PAUSES = 3,
  PAUSE_MS = 20,
  PATIENCE_MS = 5000,
  LOOK_MS = 10,
};

static int option(int fd, int name)
{
  int value = 0;
  socklen_t length = sizeof(value);

  cr_assert_eq(getsockopt(fd, SOL_SOCKET, name, &value, &length), 0);
  return value;
}

static void skip_without_lock(void)
{
  const int no_lock = 0;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  bool is_refused = setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &no_lock, sizeof(no_lock)) != 0;

  (void)close(fd);
  if (is_refused) {
    cr_skip_test("the kernel is older than 5.14");
  }
}

static void connect_by_loopback(int *ret_listener, int *ret_fd)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM, 0);

  cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(listener, 1), 0);
  cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
  *ret_fd = socket(AF_INET, SOCK_STREAM, 0);
  cr_assert_eq(connect(*ret_fd, (struct sockaddr *)&address, length), 0);
  *ret_listener = listener;
}

/* On a busy machine a connection may be measured as one from further away: then the next one. */
static void connect_near(int *ret_listener, int *ret_fd)
{
  connect_by_loopback(ret_listener, ret_fd);
  for (int i = 0; i < TRIES && !near_peer_prepare(*ret_fd); i++) {
    (void)close(*ret_fd);
    (void)close(*ret_listener);
    connect_by_loopback(ret_listener, ret_fd);
  }
  cr_assert(near_peer_prepare(*ret_fd));
}

Test(near_peer, loopback_is_near_and_its_window_holds_several_segments)
{
  int listener, fd;

  skip_without_lock();
  connect_near(&listener, &fd);
  cr_assert_geq(option(fd, SO_RCVBUF), 2 * NEAR_PEER_WINDOW_BYTES);
  cr_assert_eq(option(fd, SO_BUF_LOCK), 0); /* the kernel may enlarge it */
  cr_assert_eq(option(fd, SO_RCVLOWAT), 1); /* the first byte still wakes who sleeps at the socket */
  (void)close(fd);
  (void)close(listener);
}

Test(near_peer, a_bounded_buffer_keeps_its_size_and_an_unbounded_one_is_the_kernels_again)
{
  int listener, fd;

  skip_without_lock();
  connect_near(&listener, &fd);
  for (int i = 0; i < 2; i++) {
    cr_assert(near_peer_bound(fd, true));
    cr_assert_eq(option(fd, SO_RCVBUF), 2 * NEAR_PEER_WINDOW_BYTES);
    cr_assert_eq(option(fd, SO_BUF_LOCK), SOCK_RCVBUF_LOCK);
    cr_assert(near_peer_bound(fd, false));
    cr_assert_eq(option(fd, SO_BUF_LOCK), 0);
  }
  (void)close(fd);
  (void)close(listener);
}

static bool is_acknowledged(int fd)
{
  struct tcp_info info = {0};
  socklen_t length = sizeof(info);

  cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  return info.tcpi_unacked == 0;
}

/* As a walsender does: each message for itself. Returns the bytes that the kernel took; what finds no room in the window waits on the sender's side. */
static size_t send_messages(int sender, int count)
{
  static const char message[MESSAGE_BYTES];
  size_t sent = 0;

  for (int i = 0; i < count; i++) {
    ssize_t bytes = send(sender, message, sizeof(message), MSG_DONTWAIT);

    sent += bytes > 0 ? (size_t)bytes : 0;
  }
  return sent;
}

/* Until so many bytes have come, or nothing for `wait_ms`. */
static size_t read_messages(int reader, size_t most, int wait_ms)
{
  static char buffer[65536];
  struct pollfd readable = {.fd = reader, .events = POLLIN};
  size_t total = 0;

  while (total < most && poll(&readable, 1, wait_ms) == 1) {
    ssize_t bytes = read(reader, buffer, sizeof(buffer));

    cr_assert_gt(bytes, 0);
    total += (size_t)bytes;
  }
  return total;
}

/*
 * A backlog is read in pauses, and then no more, while the sender goes on. What overflows may be dropped and has to be sent again; but then there must be room for it, or
 * the sender's next acknowledgements are out of the window: ours, of a status, would never come, and tcp_user_timeout ends the connection. Without the last
 * near_peer_bound() half of these connections are seen to end so.
 */
static void stop_reading_a_backlog(void)
{
  static const char status[STATUS_BYTES];
  const int one = 1;
  int listener, reader, sender;
  size_t sent = 0, received = 0;

  connect_near(&listener, &reader);
  sender = accept(listener, NULL, NULL);
  cr_assert_eq(setsockopt(sender, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
  cr_assert(near_peer_bound(reader, true));
  for (int i = 0; i < PAUSES; i++) {
    sent += send_messages(sender, MESSAGES_MEANWHILE);
    received += read_messages(reader, SIZE_MAX, 0);
    (void)poll(NULL, 0, PAUSE_MS);
  }
  cr_assert(near_peer_bound(reader, false));
  sent += send_messages(sender, MESSAGES_UNREAD);
  cr_assert_gt(sent - received, NEAR_PEER_WINDOW_BYTES);
  cr_assert_eq(send(reader, status, sizeof(status), 0), STATUS_BYTES);
  for (int ms = 0; ms < PATIENCE_MS && !(is_acknowledged(sender) && is_acknowledged(reader)); ms += LOOK_MS) {
    (void)poll(NULL, 0, LOOK_MS);
  }
  cr_expect(is_acknowledged(sender));
  cr_expect(is_acknowledged(reader));
  cr_expect_eq(received + read_messages(reader, sent - received, PATIENCE_MS), sent);
  (void)close(sender);
  (void)close(reader);
  (void)close(listener);
}

Test(near_peer, what_is_sent_while_an_unbounded_buffer_is_not_read_is_acknowledged_in_both_directions)
{
  skip_without_lock();
  for (int i = 0; i < CONNECTIONS; i++) {
    stop_reading_a_backlog();
  }
}

Test(near_peer, what_is_not_connected_by_tcp_is_left_alone)
{
  int pair[2];
  int bytes;
  int unconnected = socket(AF_INET, SOCK_STREAM, 0);

  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  bytes = option(pair[0], SO_RCVBUF);
  cr_assert_not(near_peer_prepare(pair[0]));
  cr_assert_eq(option(pair[0], SO_RCVBUF), bytes);
  cr_assert_not(near_peer_prepare(unconnected));
  (void)close(pair[0]);
  (void)close(pair[1]);
  (void)close(unconnected);
}
