/*
 * txn.c - one transaction at a time, whole, in commit order.
 *
 *   message   in state   must hold                                            else
 *   BEGIN     NONE       commit LSN behind the last one's, and not before     damage
 *                        the end of that transaction's commit record
 *   event     OPEN                                                            damage
 *   COMMIT    OPEN       same commit LSN, end LSN not before it               damage
 *
 * Damage means that these are not the bytes that a sound server sends: the session is torn down and the server sends again from its own position, so nothing
 * is lost by refusing. What was confirmed stays so.
 *
 * Not checked here: whether a transaction lies before the safe position. Refusing it would make the next session skip it for good; publishing it again is
 * only a duplicate.
 *
 * A transaction without events begins, ends, and takes no place in the ledger. The position of an event is known when it arrives, since BEGIN carries the
 * LSN of the commit record: (commit LSN, index), the same after a redelivery, which is always of whole transactions.
 */
#include "txn/txn.h"

#include <inttypes.h>

#include "fault_point.h"

void txn_init(struct txn *txn, struct ledger *ledger)
{
  *txn = (struct txn){.ledger = ledger};
}

void txn_reset(struct txn *txn)
{
  txn_init(txn, txn->ledger);
}

static enum verdict damage(struct problem *problem, const char *what, Lsn lsn, const char *where, Lsn other)
{
  return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "stream_damaged", "could not follow replication stream: %s %s %s %s", what, lsn_text(lsn).text,
                     where, lsn_text(other).text);
}

enum verdict txn_begin(struct txn *txn, const struct change *change, struct problem *problem)
{
  if (txn->is_open) {
    return damage(problem, "begin of transaction", change->commit_lsn, "inside transaction", txn->commit_lsn);
  }
  if (change->commit_lsn <= txn->last_commit_lsn) {
    return damage(problem, "transaction", change->commit_lsn, "came after transaction", txn->last_commit_lsn);
  }
  if (change->commit_lsn < txn->last_end_lsn) {
    return damage(problem, "transaction", change->commit_lsn, "lies inside the one that ended at", txn->last_end_lsn);
  }
  txn->is_open = true;
  txn->commit_lsn = change->commit_lsn;
  txn->xid = change->xid;
  txn->commit_time_us = change->commit_time_us;
  txn->next_index = MUTANT(INDEX_GOES_ON) ? txn->next_index : 0;
  ledger_open(txn->ledger, change->commit_lsn, change->commit_time_us);
  return VERDICT_OK;
}

enum verdict txn_commit(struct txn *txn, const struct change *change, struct problem *problem)
{
  if (!txn->is_open) {
    return damage(problem, "commit of transaction", change->commit_lsn, "without its begin, after transaction", txn->last_commit_lsn);
  }
  if (change->commit_lsn != txn->commit_lsn) {
    return damage(problem, "commit of transaction", change->commit_lsn, "inside transaction", txn->commit_lsn);
  }
  if (change->end_lsn < change->commit_lsn) {
    return damage(problem, "transaction", change->commit_lsn, "ends before its commit record, at", change->end_lsn);
  }
  txn->is_open = false;
  txn->last_commit_lsn = change->commit_lsn;
  txn->last_end_lsn = change->end_lsn;
  CRASH_POINT(BEFORE_SEAL);
  ledger_seal(txn->ledger, MUTANT(CONFIRM_START_LSN) ? change->commit_lsn : change->end_lsn);
  CRASH_POINT(AFTER_SEAL);
  return VERDICT_OK;
}

enum verdict txn_next_position(const struct txn *txn, struct position *ret_position, struct problem *problem)
{
  if (!txn->is_open) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "stream_damaged", "could not follow replication stream: row outside of a transaction, after %s",
                       lsn_text(txn->last_commit_lsn).text);
  }
  *ret_position = (struct position){.commit_lsn = txn->commit_lsn, .index = txn->next_index};
  return VERDICT_OK;
}

LedgerSlot txn_add_event(struct txn *txn)
{
  txn->next_index++;
  return ledger_add(txn->ledger);
}
