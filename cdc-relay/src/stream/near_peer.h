/*
 * near_peer.h - whether a sender is so near that it joins its messages while the reader pauses.
 *
 * As long as the receive window has room each send() of the walsender becomes a segment, with a round through the network stack; once it is full, what is sent behind
 * is joined in the sender's buffer, which costs next to nothing. A reader that pauses longer than a window takes to fill (pace.h) therefore gets the same bytes for half
 * the work on both sides. Across a network a window per pause, or per round trip, would limit the rate.
 *
 * Who does not run leaves nothing to the kernel: a process that is stopped in the midst of a backlog (SIGSTOP, a frozen cgroup, a paused machine) keeps its buffer bounded
 * until it goes on. At worst that costs the connection (near_peer.c), so a reconnect and repetitions, and no event: tests/faults/relay_frozen.sh stops it for 15 s. The
 * connection was seen to outlive that.
 */
#ifndef STREAM_NEAR_PEER_H
#define STREAM_NEAR_PEER_H

#include <stdbool.h>

enum {
  NEAR_PEER_RTT_US =
      100, /* the least round trip seen so far is shorter: this host, or a container on it; also two machines on one switch, where it does no harm */

  /*
   * The receive window while it is bounded; the kernel keeps twice as much room. Several segments of the loopback device (64 kB) must fit: with the kernel's own first 64 kB
   * the window was seen to open by less than the sender's next segment, which then went only when a probe timer ran out, 200 ms each. No larger than what net.core.rmem_max
   * is by default (208 kB).
   */
  NEAR_PEER_WINDOW_BYTES = 196608,
};

/*
 * Whether a connected socket is TCP, its peer near, and its receive buffer one that can be bounded; if so the window is made as large as that, unbounded. False: another kind of
 * socket, a peer further away, a kernel before 5.14, or one that grants less. Does not block.
 */
bool near_peer_prepare(int fd);

/*
 * Fixes the receive buffer's size, for pauses in which the sender joins its messages, or leaves it to the kernel again, as it must be whenever nothing is read for longer
 * (near_peer.c). Only for a socket that near_peer_prepare() said true of. False: refused, and nothing has changed. Does not block.
 */
bool near_peer_bound(int fd, bool is_bounded);

#endif
