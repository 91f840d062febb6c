/*
 * near_peer.c - the least round trip is what the kernel has measured since the connection was made (tcp(7), TCP_INFO; linux/tcp.h, which has the field that netinet/tcp.h
 * lacks). By address one could not tell a container's database from one far away.
 *
 * A buffer that the kernel sizes was seen to grow to 11 MB while a backlog drained, which a pause never fills. SO_RCVBUF fixes its size and sets the lock that SO_BUF_LOCK
 * (since Linux 5.14) takes away again. A fixed one must not be left alone: small messages overflow it although the window has room for them, what overflows is dropped,
 * and until it is read and sent again the peer's acknowledgements count as out of the window. A relay that read nothing for ten seconds was seen to lose its
 * connection so, by tcp_user_timeout. Without the lock the kernel makes room instead.
 *
 * SO_RCVLOWAT is asked for once because it widens the window at once, which SO_RCVBUF leaves to the segments that come (tcp_set_rcvlowat(), since Linux 4.18).
 */
#include "stream/near_peer.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72 /* headers before Linux 5.14; a kernel that does not know it either refuses it, and near_peer_prepare() says no */
#endif

static bool is_near(int fd)
{
  struct tcp_info info = {0};
  socklen_t length = sizeof(info);

  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && length >= offsetof(struct tcp_info, tcpi_min_rtt) + sizeof(info.tcpi_min_rtt) &&
         info.tcpi_min_rtt < NEAR_PEER_RTT_US;
}

static int receive_buffer_bytes(int fd)
{
  int bytes = 0;
  socklen_t length = sizeof(bytes);

  return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length) == 0 ? bytes : 0;
}

bool near_peer_bound(int fd, bool is_bounded)
{
  const int window_bytes = NEAR_PEER_WINDOW_BYTES, no_lock = 0;

  return is_bounded ? setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window_bytes, sizeof(window_bytes)) == 0
                    : setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &no_lock, sizeof(no_lock)) == 0;
}

bool near_peer_prepare(int fd)
{
  const int window_bytes = NEAR_PEER_WINDOW_BYTES, one = 1;
  bool is_granted;

  if (!is_near(fd) || !near_peer_bound(fd, false) || setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &window_bytes, sizeof(window_bytes)) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one)) != 0) {
    return false;
  }
  is_granted = near_peer_bound(fd, true) && receive_buffer_bytes(fd) >= 2 * NEAR_PEER_WINDOW_BYTES;
  return near_peer_bound(fd, false) && is_granted;
}
