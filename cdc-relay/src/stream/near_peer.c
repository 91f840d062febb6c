/*
 * near_peer.c - the least round trip is what the kernel has measured since the connection was made (tcp(7), TCP_INFO; linux/tcp.h, which has the field that netinet/tcp.h
 * lacks). By address one could not tell a container's database from one far away.
 */
#include "stream/near_peer.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_near(int fd)
{
  struct tcp_info info = {0};
  socklen_t length = sizeof(info);

  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && length >= offsetof(struct tcp_info, tcpi_min_rtt) + sizeof(info.tcpi_min_rtt) &&
         info.tcpi_min_rtt < NEAR_PEER_RTT_US;
}

/* Asked of a socket that is thrown away: a smaller buffer is worse than the kernel's own, and there is no way back from it. */
static bool kernel_grants_buffer(void)
{
  const int asked = NEAR_PEER_BUFFER_BYTES;
  int granted = 0;
  socklen_t length = sizeof(granted);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool is_granted = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &asked, sizeof(asked)) == 0 &&
                    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &length) == 0 && granted >= 2 * asked;

  if (fd >= 0) {
    (void)close(fd);
  }
  return is_granted;
}

bool near_peer_bound_buffer(int fd)
{
  const int bytes = NEAR_PEER_BUFFER_BYTES;

  return is_near(fd) && kernel_grants_buffer() && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0;
}
