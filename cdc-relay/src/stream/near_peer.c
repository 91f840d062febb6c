/*
 * near_peer.c - the least round trip is what the kernel has measured since the connection was made (tcp(7), TCP_INFO; linux/tcp.h, which has the field that netinet/tcp.h
 * lacks). By address one could not tell a container's database from one far away.
 *
 * SO_RCVLOWAT makes the kernel enlarge a buffer that is too small for it (since Linux 4.18, tcp_set_rcvlowat()), and go on to fit it to what comes. SO_RCVBUF would fix
 * its size: small messages then overflow it although the window had room for them, what overflows is dropped, and until it is read and sent again the peer's
 * acknowledgements count as out of the window. A relay that read nothing for ten seconds was seen to lose its connection so, by tcp_user_timeout.
 */
#include "stream/near_peer.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

static bool is_near(int fd)
{
  struct tcp_info info = {0};
  socklen_t length = sizeof(info);

  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && length >= offsetof(struct tcp_info, tcpi_min_rtt) + sizeof(info.tcpi_min_rtt) &&
         info.tcpi_min_rtt < NEAR_PEER_RTT_US;
}

bool near_peer_prepare(int fd)
{
  const int window_bytes = NEAR_PEER_WINDOW_BYTES, one = 1;
  int buffer_bytes = 0;
  socklen_t length = sizeof(buffer_bytes);

  if (!is_near(fd) || setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &window_bytes, sizeof(window_bytes)) != 0) {
    return false;
  }
  /* An older kernel enlarges nothing, and tcp_rmem may be a limit: then short pauses are better. */
  return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one)) == 0 && getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, &length) == 0 &&
         buffer_bytes >= window_bytes;
}
