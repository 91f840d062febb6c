/*
 * feedback.h - when to tell PostgreSQL what (standby status update). Pure: time is an argument, the answer is a struct.
 *
 *   reason                                    write         flush = apply
 *   own timer, every third of the timeout     received      safe
 *   the safe position moved                   received      safe           at most once per confirm_interval_us
 *   the server asked                          received      safe
 *   the server asks on and on (shutdown)      end of WAL    0              once per spin: lets the server go, confirms nothing
 *
 * Invariants: I3 the confirmed position never passes the safe one. I4 it never moves back in a session, and is sent on our own timer.
 * The last row: PostgreSQL's walsender, shutting down, asks for a reply at its final position until the reply equals it (WalSndDone() in
 * src/backend/replication/walsender.c compares `write` when `flush` is invalid). Measured: 26,000 requests a second for ever, unless answered so.
 */
#ifndef ACK_FEEDBACK_H
#define ACK_FEEDBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "lsn.h"

enum {
  FEEDBACK_SPIN_US = 500000,     /* so long must the server ask without pause before it is let go */
  FEEDBACK_SPIN_GAP_US = 100000, /* a pause between two requests that ends a spin */
  FEEDBACK_INTERVAL_MAX_US = 10000000,
};

struct feedback {
  int64_t interval_us;         /* own timer */
  int64_t confirm_interval_us; /* least time between two that only move the position */
  int64_t last_sent_us;
  Lsn confirmed; /* the highest flush position sent in this session, or the server's at START */
  Lsn received;  /* the highest end of WAL seen */
  bool reply_is_owed;

  /* spin detection */
  int64_t spin_since_us; /* 0: none */
  int64_t spin_last_us;
  Lsn spin_wal_end;
  bool spin_answered;
};

struct feedback_message {
  Lsn write;
  Lsn flush;
  Lsn apply;
};

/* A session starts at the server's position. `wal_sender_timeout_us` 0 means no timeout; our timer is a third of it, at most FEEDBACK_INTERVAL_MAX_US. */
void feedback_init(struct feedback *feedback, Lsn confirmed, int64_t wal_sender_timeout_us, int64_t confirm_interval_us, int64_t now_us);

/* Data or a keepalive arrived, whose end of WAL is `wal_end`. `reply_requested` only from keepalives; `is_pending`: something is unsettled. */
void feedback_on_received(struct feedback *feedback, Lsn wal_end, bool reply_requested, bool is_pending, int64_t now_us);

/* Whether a message is due now, and which. Does not change state. `safe` is the ledger's. */
bool feedback_due(const struct feedback *feedback, Lsn safe, int64_t now_us, struct feedback_message *ret_message);
/* The message went out. */
void feedback_sent(struct feedback *feedback, const struct feedback_message *message, int64_t now_us);
/* When feedback_due() will next become true by time alone (monotonic us), given `safe`. */
int64_t feedback_deadline_us(const struct feedback *feedback, Lsn safe);

#endif
