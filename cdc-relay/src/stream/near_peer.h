/*
 * near_peer.h - whether a sender is so near that it joins its messages while the reader pauses.
 *
 * As long as the receive window has room each send() of the walsender becomes a segment, with a round through the network stack; once it is full, what is sent behind
 * is joined in the sender's buffer, which costs next to nothing. A reader that pauses longer than a window takes to fill (pace.h) therefore gets the same bytes for half
 * the work on both sides. Across a network a window per pause, or per round trip, would limit the rate.
 */
#ifndef STREAM_NEAR_PEER_H
#define STREAM_NEAR_PEER_H

#include <stdbool.h>

enum {
  NEAR_PEER_RTT_US =
      100, /* the least round trip seen so far is shorter: this host, or a container on it; also two machines on one switch, where it does no harm */

  /*
   * What the receive window begins with. Several segments of the loopback device (64 kB) must fit: with the kernel's own 64 kB the window was seen to open by less than
   * the sender's next segment, which then went only when a probe timer ran out, 200 ms each.
   */
  NEAR_PEER_WINDOW_BYTES = 196608,
};

/*
 * Whether a connected socket is TCP and its peer is near; if so its receive window is made large enough for long pauses. False, with nothing changed: another kind of
 * socket, or a peer further away. Does not block.
 */
bool near_peer_prepare(int fd);

#endif
