/*
 * pace.h - how to wait before the next read of the replication socket. Pure.
 *
 *             several quick wake-ups in a row, or lag is known
 *   IDLE  ------------------------------------------------------>  BEHIND
 *   wait at the socket,                                            wait on a timer, never at the socket,
 *   read at once        <------------------------------------------  for a pause
 *                           a pause brought nothing
 *                           (with known lag: several in a row)
 *
 * PostgreSQL's walsender calls send() for each message. A reader that sleeps at the socket is woken by each, and both sides pay for it; one that sleeps on a
 * timer while there is much to read halves the walsender's work per event. A reader that has caught up must sleep at the socket, or latency suffers.
 *
 * Where the sender is near and joins its messages as soon as we cannot take them (near_peer.h), the pause with known lag is so long that the window is full for the
 * greater part of it. What was joined is more than a window, and follows only as the window opens: a reader that slept long as soon as the socket is empty once would
 * have one window a pause.
 */
#ifndef STREAM_PACE_H
#define STREAM_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
  PACE_PAUSE_US = 500,
  PACE_LONG_PAUSE_US = 20000, /* with known lag, where what is sent meanwhile is joined */
  PACE_MORE_BYTES = 98304,    /* a read that brought so much may have been faster than what waited could follow: no long pause yet */
  PACE_QUICK_US = 300,        /* a wake-up that comes so soon after the last one is a quick one */
  PACE_QUICK_READS = 16,      /* so many in a row mean that we are behind; one transaction of one event alone makes up to three */
  PACE_EMPTY_PAUSES = 20,     /* with known lag: so many in a row that brought nothing end it */
};

enum pace_wait {
  PACE_SOCKET, /* poll() the socket (and everything else) without a limit from here */
  PACE_TIMER,  /* leave the socket out of the poll() set until *ret_deadline_us, then read; a deadline that has passed means at once */
};

struct pace {
  bool is_joined;
  bool is_behind;
  bool is_long; /* whole windows are waited for; between them what was joined is taken in short pauses */
  uint32_t quick_reads;
  uint32_t empty_pauses; /* in a row */
  int64_t last_read_us;
};

/* A new session. `is_joined`: messages that wait are joined on the sender's side, which holds as many as come in a long pause. */
void pace_init(struct pace *pace, bool is_joined);

/*
 * The socket was emptied at `now_us` (monotonic) and brought `bytes` since the last call; 0 when nothing was there. `lag_is_known`: what was read last had been
 * committed long before the server sent it. *ret_deadline_us is set with PACE_TIMER only.
 */
enum pace_wait pace_on_read(struct pace *pace, uint64_t bytes, bool lag_is_known, int64_t now_us, int64_t *ret_deadline_us);

#endif
