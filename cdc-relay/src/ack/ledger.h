/*
 * ledger.h - which position is safe. A ring of the transactions in flight, in commit order; pure.
 *
 *      oldest                                      newest
 *   [ sealed 3/3 ][ sealed 1/2 ][ sealed 4/4 ][ open 0/7 ]     safe = end LSN of the first: the second is not settled yet
 *
 * Invariant I1: the safe position is the end LSN of the newest transaction such that it and all older ones are sealed and all their events settled.
 * Only the oldest end moves. A transaction without events needs no slot of its own: its end is given to the newest slot, or is safe at once.
 */
#ifndef ACK_LEDGER_H
#define ACK_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "lsn.h"

/* Names one slot for as long as it is in the ledger; sequence numbers are never reused within a ledger's life, also across ledger_reset(). */
typedef uint64_t LedgerSlot;

struct ledger;

/* Room for `capacity` transactions with unsettled events (at least 1). Never NULL. */
struct ledger *ledger_new(uint32_t capacity);
void ledger_free(struct ledger *ledger); /* takes NULL */

/* Empties it for a new session whose server will resend everything behind `confirmed`; the safe position starts there. */
void ledger_reset(struct ledger *ledger, Lsn confirmed);

/* A transaction begins; there must be no open one. Takes no room before its first event. */
void ledger_open(struct ledger *ledger, Lsn commit_lsn, int64_t commit_time_us);
bool ledger_is_open(const struct ledger *ledger);

/* Whether ledger_add() will succeed for the open transaction; false is backpressure. */
bool ledger_has_room(const struct ledger *ledger);
/* The open transaction has one more event in flight. Returns its slot, the token for ledger_settle(). Call only if ledger_has_room(). */
LedgerSlot ledger_add(struct ledger *ledger);
/* The slot that ledger_add() would return now, for a token that has to be known before. */
LedgerSlot ledger_next_slot(const struct ledger *ledger);

/* The open transaction is complete; `end_lsn` is the first byte behind its commit record. May make positions safe. */
void ledger_seal(struct ledger *ledger, Lsn end_lsn);

/* One event of that slot is in Kafka for good. A slot from before the last ledger_reset() is ignored and false returned. */
bool ledger_settle(struct ledger *ledger, LedgerSlot slot);
/* Whether the slot was given out since the last ledger_reset(). */
bool ledger_knows(const struct ledger *ledger, LedgerSlot slot);

/* The server says that all WAL before `lsn` has been sent. Moves the safe position if nothing at all is in flight or open (I3); else does nothing. */
void ledger_advance_idle(struct ledger *ledger, Lsn lsn);

Lsn ledger_safe(const struct ledger *ledger);
/* Nothing open, nothing unsettled. */
bool ledger_is_empty(const struct ledger *ledger);

uint64_t ledger_events_in_flight(const struct ledger *ledger);       /* added, not settled */
uint64_t ledger_transactions_in_flight(const struct ledger *ledger); /* with a slot */
/* Commit time of the oldest transaction that has an unsettled event or is not sealed; 0 when there is none. */
int64_t ledger_oldest_commit_time_us(const struct ledger *ledger);
/* Commit time of a slot in the ledger; 0 for one that is gone. */
int64_t ledger_commit_time_us(const struct ledger *ledger, LedgerSlot slot);

/* Events added since the last ledger_confirmed(), less those whose transactions that call covered: what a crash now would repeat at most. */
uint64_t ledger_unconfirmed_events(const struct ledger *ledger);
/* PostgreSQL was told the safe position as it is now. */
void ledger_confirmed(struct ledger *ledger);

/*
 * If an invariant broke: says which in one line on stderr and ends the process with exit code 70 (ack/invariant.h). O(1), called in release builds at every
 * status. The other functions end it in the same way when they are called against their contract (no room, not open, settled twice).
 */
void ledger_check(const struct ledger *ledger);

#endif
