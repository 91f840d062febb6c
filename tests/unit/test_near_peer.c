#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/near_peer.h"

static int buffer_bytes(int fd)
{
  int bytes = 0;
  socklen_t length = sizeof(bytes);

  cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length), 0);
  return bytes;
}

Test(near_peer, loopback_is_near_and_gets_the_bounded_buffer)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  int probe = socket(AF_INET, SOCK_STREAM, 0);
  const int asked = NEAR_PEER_BUFFER_BYTES;
  int before_bytes, granted_bytes;

  cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(listener, 1), 0);
  cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
  cr_assert_eq(connect(fd, (struct sockaddr *)&address, length), 0);
  cr_assert_eq(setsockopt(probe, SOL_SOCKET, SO_RCVBUF, &asked, sizeof(asked)), 0);
  granted_bytes = buffer_bytes(probe);
  before_bytes = buffer_bytes(fd);
  if (granted_bytes < 2 * asked) { /* net.core.rmem_max is lower here */
    cr_assert_not(near_peer_bound_buffer(fd));
    cr_assert_eq(buffer_bytes(fd), before_bytes);
  } else {
    cr_assert(near_peer_bound_buffer(fd));
    cr_assert_eq(buffer_bytes(fd), 2 * NEAR_PEER_BUFFER_BYTES);
  }
  (void)close(probe);
  (void)close(fd);
  (void)close(listener);
}

Test(near_peer, what_is_not_connected_by_tcp_is_left_alone)
{
  int pair[2];
  int bytes;
  int unconnected = socket(AF_INET, SOCK_STREAM, 0);

  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  bytes = buffer_bytes(pair[0]);
  cr_assert_not(near_peer_bound_buffer(pair[0]));
  cr_assert_eq(buffer_bytes(pair[0]), bytes);
  cr_assert_not(near_peer_bound_buffer(unconnected));
  (void)close(pair[0]);
  (void)close(pair[1]);
  (void)close(unconnected);
}
