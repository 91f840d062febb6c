/*
 * pace.h - how to wait before the next read of the replication socket. Pure.
 *
 *             several quick wake-ups in a row, or lag is known
 *   IDLE  ------------------------------------------------------>  BEHIND
 *   wait at the socket,                                            wait on a timer, never at the socket;
 *   read at once        <------------------------------------------  read at once while reads are long
 *                           a pause brought nothing
 *
 * PostgreSQL's walsender calls send() for each message. A reader that sleeps at the socket is woken by each, and both sides pay for it; one that sleeps on a
 * timer while there is much to read halves the walsender's work per event. A reader that has caught up must sleep at the socket, or latency suffers.
 */
#ifndef STREAM_PACE_H
#define STREAM_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
  PACE_PAUSE_US = 500,
  PACE_LONG_READ_BYTES = 8192, /* so much in one read means that more is waiting */
  PACE_QUICK_US = 300,         /* a wake-up that comes so soon after the last one is a quick one */
  PACE_QUICK_READS = 16,       /* so many in a row mean that we are behind; one transaction of one event alone makes up to three */
};

enum pace_wait {
  PACE_SOCKET, /* poll() the socket (and everything else) without a limit from here */
  PACE_TIMER,  /* leave the socket out of the poll() set until *ret_deadline_us, then read; a deadline that has passed means at once */
};

struct pace {
  bool is_behind;
  bool has_paused; /* the next read comes after a pause */
  uint32_t quick_reads;
  int64_t last_read_us;
};

/* A new session, or reading goes on after backpressure. */
void pace_init(struct pace *pace);

/*
 * A read was done at `now_us` (monotonic) and brought `bytes`; 0 when nothing was there. `lag_is_known`: the messages' own end of WAL, or a keepalive's, say
 * that the server has much more. *ret_deadline_us is set with PACE_TIMER only.
 */
enum pace_wait pace_on_read(struct pace *pace, uint64_t bytes, bool lag_is_known, int64_t now_us, int64_t *ret_deadline_us);

#endif
