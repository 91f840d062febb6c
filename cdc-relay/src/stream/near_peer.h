/*
 * near_peer.h - a receive buffer that makes a sender close by join its messages.
 *
 * As long as the receive buffer has room each send() of the walsender becomes a segment, with a round through the network stack; once it is full, what is sent behind
 * is joined in the sender's buffer, which costs next to nothing. A reader that pauses (pace.h) with a bounded buffer therefore gets the same bytes for half the work on
 * both sides. Across a network the same bound would limit the rate to a buffer per round trip.
 */
#ifndef STREAM_NEAR_PEER_H
#define STREAM_NEAR_PEER_H

#include <stdbool.h>

enum {
  NEAR_PEER_RTT_US =
      100, /* the least round trip seen so far is shorter: this host, or a container on it; also two machines on one switch, where it does no harm */

  /*
   * What setsockopt() is asked for; the kernel doubles it. Several segments of the loopback device (64 kB) must fit: with 160 kB and less the window was seen to open
   * by less than the sender's next segment, which then went only when a probe timer ran out, 200 ms each. It is also Linux's own net.core.rmem_max.
   */
  NEAR_PEER_BUFFER_BYTES = 212992,
};

/*
 * Bounds the receive buffer of a connected socket if it is TCP and its peer is near. False, with nothing changed: another kind of socket, a peer further away, or a
 * kernel that does not grant the size. Does not block.
 */
bool near_peer_bound_buffer(int fd);

#endif
