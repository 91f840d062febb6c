/*
 * txn.h - begin .. commit: checks that transactions come whole and in commit order, numbers the events, opens and seals the ledger's slot. Pure.
 *
 *   NONE --begin--> OPEN --event*--> OPEN --commit--> NONE         anything else is damage (RETRY)
 */
#ifndef TXN_TXN_H
#define TXN_TXN_H

#include "ack/ledger.h"
#include "decode/change.h"
#include "route/record.h"
#include "verdict.h"

struct txn {
  struct ledger *ledger; /* borrowed */
  bool is_open;
  Lsn commit_lsn;
  Lsn last_commit_lsn; /* of the session; commit LSNs only grow */
  Lsn last_end_lsn;    /* of the session; the next commit record begins there or later */
  uint32_t xid;
  int64_t commit_time_us;
  uint64_t next_index;
};

void txn_init(struct txn *txn, struct ledger *ledger);
/* With a new session; the ledger is reset by its owner. */
void txn_reset(struct txn *txn);

/* CHANGE_BEGIN. RETRY when one is open, the commit LSN does not grow, or it lies before the end of the one before. */
enum verdict MUST_CHECK txn_begin(struct txn *txn, const struct change *change, struct problem *problem);
/* CHANGE_COMMIT. RETRY when none is open, or it is another's commit, or the end lies before the commit. */
enum verdict MUST_CHECK txn_commit(struct txn *txn, const struct change *change, struct problem *problem);
/* A row or transactional message. RETRY outside of a transaction. *ret_position: where the next event will stand. */
enum verdict MUST_CHECK txn_next_position(const struct txn *txn, struct position *ret_position, struct problem *problem);
/* That event was handed to the publisher: it takes its number and a place in the ledger. Call only if ledger_has_room(). */
LedgerSlot txn_add_event(struct txn *txn);

#endif
