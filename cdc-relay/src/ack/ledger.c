/*
 * ledger.c - the ring of transactions in flight and the one position that may be told to PostgreSQL.
 *
 *        first                        next - 1
 *   ----[ slot ][ slot ][ slot ][ slot ]----          slot number & mask = place in the ring
 *         |                        |
 *         unfinished, always       the only one that can be open or grow
 *
 * A slot is finished when it is sealed and nothing of it is unsettled. Finished slots leave at the oldest end and nowhere else; each that leaves moves the
 * safe position to its end. Hence the oldest slot of a ring that is not empty is never a finished one, which is what makes "empty" and "oldest" O(1).
 *
 * A transaction without events takes no slot. Its end is handed to the newest slot, for it becomes safe exactly when all before it is; in an empty ring it is
 * safe at once. Many empty transactions behind one slow row cost nothing that way.
 *
 * `tail` is the highest end given to anything so far. An end that lies before it is raised to it: positions then only grow, whatever a server says, and
 * raising is harmless since that slot is the newest. (Transactions that come in the wrong order are refused by txn.c.)
 *
 * Every operation is O(1), apart from the slots that one settlement lets go, each of which goes once. No memory is taken after ledger_new(). Single thread.
 */
#include "ack/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ack/invariant.h"
#include "fault_point.h"

struct slot {
  Lsn end_lsn; /* 0 until sealed */
  int64_t commit_time_us;
  uint64_t added;
  uint64_t unsettled;
  bool is_sealed;
};

struct ledger {
  struct slot *ring;
  uint64_t mask;     /* size of the ring (a power of two) less 1 */
  uint64_t capacity; /* slots that may be in use; at most the ring's size */
  LedgerSlot first;  /* the oldest slot */
  LedgerSlot next;   /* the number that the next slot gets */
  LedgerSlot epoch;  /* slots below are from before the last reset */

  Lsn start; /* where the session began */
  Lsn safe;
  Lsn tail;

  bool is_open;
  bool open_has_slot; /* then it is next - 1 */
  Lsn open_commit_lsn;
  int64_t open_commit_time_us;

  uint64_t in_flight;          /* added, not settled */
  uint64_t ring_events;        /* added to slots that are in the ring */
  uint64_t passed_unconfirmed; /* added to slots that have left since the last ledger_confirmed() */
};

struct ledger *ledger_new(uint32_t capacity)
{
  struct ledger *ledger = calloc(1, sizeof(*ledger));
  uint64_t size = 1;

  if (ledger == NULL) {
    abort();
  }
  ledger->capacity = capacity > 0 ? capacity : 1;
  while (size < ledger->capacity) {
    size *= 2;
  }
  ledger->mask = size - 1;
  ledger->ring = calloc(size, sizeof(*ledger->ring));
  if (ledger->ring == NULL) {
    abort();
  }
  return ledger;
}

void ledger_free(struct ledger *ledger)
{
  if (ledger != NULL) {
    free(ledger->ring);
    free(ledger);
  }
}

void ledger_reset(struct ledger *ledger, Lsn confirmed)
{
  /* The numbers go on, so that a late report of the session before cannot hit a slot of this one. */
  ledger->next = MUTANT(LEDGER_NUMBERS_REUSED) ? 0 : ledger->next;
  ledger->first = ledger->next;
  ledger->epoch = ledger->next;
  ledger->start = confirmed;
  ledger->safe = confirmed;
  ledger->tail = confirmed;
  ledger->is_open = false;
  ledger->open_has_slot = false;
  ledger->in_flight = 0;
  ledger->ring_events = 0;
  ledger->passed_unconfirmed = 0;
}

static struct slot *slot_at(const struct ledger *ledger, LedgerSlot number)
{
  return &ledger->ring[number & ledger->mask];
}

static bool has_slots(const struct ledger *ledger)
{
  return ledger->first != ledger->next;
}

static bool is_finished(const struct slot *slot)
{
  return slot->is_sealed && slot->unsettled == 0;
}

static void let_finished_go(struct ledger *ledger)
{
  while (has_slots(ledger) && is_finished(slot_at(ledger, ledger->first))) {
    const struct slot *oldest = slot_at(ledger, ledger->first);

    ledger->safe = oldest->end_lsn;
    ledger->ring_events -= oldest->added;
    ledger->passed_unconfirmed += oldest->added;
    ledger->first++;
  }
}

void ledger_open(struct ledger *ledger, Lsn commit_lsn, int64_t commit_time_us)
{
  if (ledger->is_open) {
    invariant_broken("I1", "transaction %s opened while %s is open", lsn_text(commit_lsn).text, lsn_text(ledger->open_commit_lsn).text);
  }
  ledger->is_open = true;
  ledger->open_has_slot = false;
  ledger->open_commit_lsn = commit_lsn;
  ledger->open_commit_time_us = commit_time_us;
}

bool ledger_is_open(const struct ledger *ledger)
{
  return ledger->is_open;
}

bool ledger_has_room(const struct ledger *ledger)
{
  return ledger->is_open && (ledger->open_has_slot || ledger->next - ledger->first < ledger->capacity);
}

LedgerSlot ledger_add(struct ledger *ledger)
{
  if (!ledger_has_room(ledger)) {
    invariant_broken("I6", "event added to a ledger without %s", ledger->is_open ? "room" : "an open transaction");
  }
  if (!ledger->open_has_slot) {
    *slot_at(ledger, ledger->next) = (struct slot){.commit_time_us = ledger->open_commit_time_us};
    ledger->open_has_slot = true;
    ledger->next++;
  }
  slot_at(ledger, ledger->next - 1)->added++;
  slot_at(ledger, ledger->next - 1)->unsettled++;
  ledger->in_flight++;
  ledger->ring_events++;
  return ledger->next - 1;
}

void ledger_seal(struct ledger *ledger, Lsn end_lsn)
{
  if (!ledger->is_open || end_lsn < ledger->open_commit_lsn) {
    invariant_broken("I1", "transaction sealed at %s, %s", lsn_text(end_lsn).text, ledger->is_open ? "before its own commit record" : "but none is open");
  }
  if (end_lsn > ledger->tail) {
    ledger->tail = end_lsn;
  }
  if (ledger->open_has_slot) {
    slot_at(ledger, ledger->next - 1)->is_sealed = true;
  }
  if (has_slots(ledger) && !(MUTANT(EMPTY_TRANSACTION_OVERTAKES) && !ledger->open_has_slot)) {
    slot_at(ledger, ledger->next - 1)->end_lsn = ledger->tail;
  } else {
    ledger->safe = ledger->tail;
  }
  ledger->is_open = false;
  ledger->open_has_slot = false;
  let_finished_go(ledger);
}

LedgerSlot ledger_next_slot(const struct ledger *ledger)
{
  return ledger->open_has_slot ? ledger->next - 1 : ledger->next;
}

bool ledger_knows(const struct ledger *ledger, LedgerSlot number)
{
  return number >= ledger->epoch && number < ledger->next;
}

bool ledger_settle(struct ledger *ledger, LedgerSlot number)
{
  struct slot *slot = slot_at(ledger, number);

  if (number < ledger->epoch) {
    return false;
  }
  /* A second settlement of one event would stand for another that is still in flight. */
  if (number < ledger->first || number >= ledger->next || slot->unsettled == 0) {
    invariant_broken("I2", "event settled in ledger slot %" PRIu64 ", which has none unsettled", number);
  }
  slot->unsettled--;
  ledger->in_flight--;
  if (MUTANT(LEDGER_OUT_OF_ORDER) && is_finished(slot)) {
    ledger->safe = slot->end_lsn;
  }
  let_finished_go(ledger);
  return true;
}

void ledger_advance_idle(struct ledger *ledger, Lsn lsn)
{
  if ((ledger_is_empty(ledger) || MUTANT(KEEPALIVE_OVERTAKES)) && lsn > ledger->safe) {
    ledger->safe = lsn;
    ledger->tail = lsn;
  }
}

Lsn ledger_safe(const struct ledger *ledger)
{
  return ledger->safe;
}

bool ledger_is_empty(const struct ledger *ledger)
{
  return !ledger->is_open && !has_slots(ledger);
}

uint64_t ledger_events_in_flight(const struct ledger *ledger)
{
  return ledger->in_flight;
}

uint64_t ledger_transactions_in_flight(const struct ledger *ledger)
{
  return ledger->next - ledger->first;
}

int64_t ledger_oldest_commit_time_us(const struct ledger *ledger)
{
  if (has_slots(ledger)) {
    return slot_at(ledger, ledger->first)->commit_time_us;
  }
  return ledger->is_open ? ledger->open_commit_time_us : 0;
}

int64_t ledger_commit_time_us(const struct ledger *ledger, LedgerSlot number)
{
  return number >= ledger->first && number < ledger->next ? slot_at(ledger, number)->commit_time_us : 0;
}

uint64_t ledger_unconfirmed_events(const struct ledger *ledger)
{
  return ledger->passed_unconfirmed + ledger->ring_events;
}

void ledger_confirmed(struct ledger *ledger)
{
  ledger->passed_unconfirmed = 0;
}

void ledger_check(const struct ledger *ledger)
{
  const uint64_t count = ledger->next - ledger->first;
  const struct slot *oldest = slot_at(ledger, ledger->first);
  const struct slot *newest = slot_at(ledger, ledger->next - 1);

  if (count > ledger->capacity) {
    invariant_broken("I6", "%" PRIu64 " transactions in a ledger for %" PRIu64, count, ledger->capacity);
  }
  if (ledger->safe < ledger->start || ledger->safe > ledger->tail) {
    invariant_broken("I4", "safe position %s is outside of %s to %s", lsn_text(ledger->safe).text, lsn_text(ledger->start).text, lsn_text(ledger->tail).text);
  }
  if (count > 0 && is_finished(oldest)) {
    invariant_broken("I1", "finished transaction up to %s still holds the safe position at %s", lsn_text(oldest->end_lsn).text, lsn_text(ledger->safe).text);
  }
  if (count > 0 && oldest->is_sealed && ledger->safe > oldest->end_lsn) {
    invariant_broken("I1", "safe position %s has passed the unfinished transaction up to %s", lsn_text(ledger->safe).text, lsn_text(oldest->end_lsn).text);
  }
  if (count == 0 ? ledger->in_flight != 0 : oldest->unsettled > ledger->in_flight || ledger->in_flight > ledger->ring_events) {
    invariant_broken("I2", "%" PRIu64 " events counted in flight in %" PRIu64 " transactions with %" PRIu64, ledger->in_flight, count, ledger->ring_events);
  }
  if (ledger->open_has_slot && (!ledger->is_open || count == 0 || newest->is_sealed)) {
    invariant_broken("I1", "open transaction %s has no open slot", lsn_text(ledger->open_commit_lsn).text);
  }
}
