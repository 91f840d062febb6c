/*
 * stall.h - whether a stream that was not read for long still brings anything. Pure; moments are monotonic microseconds.
 *
 * While nothing is read the receive buffer fills, and what no longer fits is dropped by our kernel; the sender's sends it again after 0.2 s, 0.4 s, and so on up to two
 * minutes, and that timer runs on when there is room again (RFC 6298). A relay that had been paused for ten minutes was seen to get nothing for two more, with a
 * walsender that was alive and heard it (Linux 6.18). So behind a long pause, as soon as the socket is empty, the server is asked for a keepalive; when neither that nor
 * a single byte comes, the connection is to be made anew, which costs a walsender's start.
 *
 *   pause of STALL_PAUSE_US   -> is_to_ask   (the owner asks in its next status)
 *   asked                     -> a keepalive ends it; bytes, which may have been on their way before, begin the patience again
 *   patience over             -> is over     (the owner leaves the stream, once all that was read is settled and told)
 *
 * A server that decodes something large may be silent for as long, and begins that again for the next stream, which may make the same pause again. So each stream that
 * is left with nothing more told than before the one before has twice the patience of that one, and behind STALL_LEFT_MAX of them the next is waited for: by then TCP has
 * tried by itself. That the next stream begins further back is no progress: who decodes may not have read what it was told last.
 */
#ifndef SESSION_STALL_H
#define SESSION_STALL_H

#include <stdbool.h>
#include <stdint.h>

#include "lsn.h"

enum {
  STALL_PAUSE_US = 5000000,      /* so long unread, and the sender's timer may stand as far away */
  STALL_SUSPENDED_US = 15000000, /* the same for a socket that was left to poll(): statuses turn the loop more often, unless the process did not run */
  STALL_ANSWER_US = 5000000,     /* then the server has so long to say something, the first time */
  STALL_LEFT_MAX = 5,            /* 5 s, 10 s, ... 80 s */
};

struct stall {
  int64_t attended_us; /* when the socket was last read, or left to poll() */
  bool is_unattended;  /* it was not left to poll(): a record was in hand, or nothing has been read yet */
  bool is_to_ask;
  int64_t asked_us; /* since when nothing comes although it was asked; 0: it was not asked, or has answered */
  uint64_t asked_bytes;
  int left;           /* streams in a row that were left as stalled */
  Lsn left_confirmed; /* what was confirmed then */
};

/* A stream has been started, of which nothing has been read. What was left before is remembered: begin with {0}. */
void stall_begin(struct stall *stall, int64_t now_us);
/* Before each turn's reading: whether it may read, and what the server has been told by now. */
void stall_before_read(struct stall *stall, bool may_read, Lsn confirmed, int64_t now_us);
/* After it: whether the socket is left to poll(), how many bytes have been read of the stream, and whether poll() had said that there is something. */
void stall_after_read(struct stall *stall, bool may_read, uint64_t bytes_read, bool was_readable, int64_t now_us);
/* The question has been sent. */
void stall_asked(struct stall *stall, uint64_t bytes_read, int64_t now_us);
/* A keepalive has come. */
void stall_answered(struct stall *stall);
/* When its patience ends; INT64_MAX: it waits for nothing. The stream is stalled from then on. */
int64_t stall_deadline_us(const struct stall *stall);
/* The stream is left as stalled. */
void stall_left(struct stall *stall, Lsn confirmed);

#endif
