#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/socket.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/near_peer.h"

static int option(int fd, int name)
{
  int value = 0;
  socklen_t length = sizeof(value);

  cr_assert_eq(getsockopt(fd, SOL_SOCKET, name, &value, &length), 0);
  return value;
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

Test(near_peer, loopback_is_near_and_its_window_holds_several_segments)
{
  int listener, fd;

  connect_by_loopback(&listener, &fd);
  cr_assert(near_peer_prepare(fd));
  cr_assert_geq(option(fd, SO_RCVBUF), 2 * NEAR_PEER_WINDOW_BYTES);
  cr_assert_eq(option(fd, SO_BUF_LOCK), 0); /* the kernel may enlarge it */
  cr_assert_eq(option(fd, SO_RCVLOWAT), 1); /* the first byte still wakes who sleeps at the socket */
  (void)close(fd);
  (void)close(listener);
}

Test(near_peer, a_bounded_buffer_keeps_its_size_and_an_unbounded_one_is_the_kernels_again)
{
  int listener, fd;

  connect_by_loopback(&listener, &fd);
  cr_assert(near_peer_prepare(fd));
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
