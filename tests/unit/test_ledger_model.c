/*
 * The ledger against a naive model: a list of all transactions of the session, from which every answer is computed anew after each step. 20,000 seeded
 * histories; a failure names its seed and step. The seed decides the ledger's capacity too, so that backpressure is met.
 */
#include <criterion/criterion.h>

#include "ack/ledger.h"
#include "backoff.h"

enum { MODEL_HISTORIES = 20000, MODEL_STEPS = 60 };

struct model_transaction {
  LedgerSlot slot; /* valid with added > 0 */
  Lsn end_lsn;
  int64_t commit_time_us;
  uint64_t added;
  uint64_t settled;
  bool is_sealed;
  bool is_covered; /* by a ledger_confirmed() */
};

struct model {
  Lsn start;
  Lsn idle; /* the highest that ledger_advance_idle() was entitled to give */
  size_t count;
  struct model_transaction transactions[MODEL_STEPS];
};

static bool model_is_finished(const struct model_transaction *transaction)
{
  return transaction->is_sealed && transaction->settled == transaction->added;
}

/* How many transactions from the first one on are finished without a gap. */
static size_t model_finished(const struct model *model)
{
  size_t i = 0;

  while (i < model->count && model_is_finished(&model->transactions[i])) {
    i++;
  }
  return i;
}

static Lsn model_safe(const struct model *model)
{
  Lsn safe = model->start > model->idle ? model->start : model->idle;

  for (size_t i = 0; i < model_finished(model); i++) {
    safe = model->transactions[i].end_lsn > safe ? model->transactions[i].end_lsn : safe;
  }
  return safe;
}

static bool model_is_open(const struct model *model)
{
  return model->count > 0 && !model->transactions[model->count - 1].is_sealed;
}

static uint64_t model_places(const struct model *model)
{
  uint64_t places = 0;

  for (size_t i = model_finished(model); i < model->count; i++) {
    places += model->transactions[i].added > 0;
  }
  return places;
}

static void compare(const struct ledger *ledger, const struct model *model, uint32_t capacity, uint64_t seed, int step)
{
  const size_t finished = model_finished(model);
  const bool is_open = model_is_open(model);
  const bool has_place = is_open && model->transactions[model->count - 1].added > 0;
  uint64_t in_flight = 0;
  uint64_t unconfirmed = 0;
  int64_t oldest = 0;

  for (size_t i = model->count; i-- > 0;) {
    const struct model_transaction *transaction = &model->transactions[i];

    in_flight += transaction->added - transaction->settled;
    unconfirmed += transaction->is_covered ? 0 : transaction->added;
    oldest = model_is_finished(transaction) ? oldest : transaction->commit_time_us;
    if (transaction->added > 0) {
      cr_assert_eq(ledger_knows(ledger, transaction->slot), true, "knows: seed %lu step %d", seed, step);
      cr_assert_eq(ledger_commit_time_us(ledger, transaction->slot), i < finished ? 0 : transaction->commit_time_us, "seed %lu step %d", seed, step);
    }
  }
  cr_assert_eq(ledger_safe(ledger), model_safe(model), "safe %lu, model %lu: seed %lu step %d", ledger_safe(ledger), model_safe(model), seed, step);
  cr_assert_eq(ledger_is_open(ledger), is_open, "open: seed %lu step %d", seed, step);
  cr_assert_eq(ledger_is_empty(ledger), finished == model->count, "empty: seed %lu step %d", seed, step);
  cr_assert_eq(ledger_events_in_flight(ledger), in_flight, "in flight: seed %lu step %d", seed, step);
  cr_assert_eq(ledger_transactions_in_flight(ledger), model_places(model), "places: seed %lu step %d", seed, step);
  cr_assert_eq(ledger_oldest_commit_time_us(ledger), oldest, "oldest: seed %lu step %d", seed, step);
  cr_assert_eq(ledger_unconfirmed_events(ledger), unconfirmed, "unconfirmed: seed %lu step %d", seed, step);
  cr_assert_eq(ledger_has_room(ledger), is_open && (has_place || model_places(model) < capacity), "room: seed %lu step %d", seed, step);
  ledger_check(ledger);
}

static void settle_any(struct ledger *ledger, struct model *model, uint64_t chance)
{
  for (size_t tries = 0; tries < model->count; tries++) {
    struct model_transaction *transaction = &model->transactions[(chance + tries) % model->count];

    if (transaction->settled < transaction->added) {
      transaction->settled++;
      cr_assert(ledger_settle(ledger, transaction->slot));
      return;
    }
  }
}

static void one_history(uint64_t seed, struct model *model)
{
  uint64_t state = seed;
  const uint32_t capacity = 1 + (uint32_t)(chance_next(&state) % 6);
  struct ledger *ledger = ledger_new(capacity);
  Lsn at = 1000;
  LedgerSlot stale = 0;
  bool has_stale = false;

  *model = (struct model){.start = at};
  ledger_reset(ledger, at);
  for (int step = 0; step < MODEL_STEPS; step++) {
    const uint64_t chance = chance_next(&state);
    struct model_transaction *newest = model->count > 0 ? &model->transactions[model->count - 1] : NULL;

    at += 1 + chance_next(&state) % 5;
    switch (chance % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
      if (!model_is_open(model)) {
        model->transactions[model->count++] = (struct model_transaction){.commit_time_us = (int64_t)at};
        ledger_open(ledger, at, (int64_t)at);
        break;
      }
      __attribute__((fallthrough));
    case 4:
    case 5:
      if (newest != NULL && ledger_has_room(ledger)) {
        const LedgerSlot expected = ledger_next_slot(ledger);

        cr_assert_eq(ledger_knows(ledger, expected), newest->added > 0, "knows: seed %lu step %d", seed, step);
        newest->slot = ledger_add(ledger);
        cr_assert_eq(newest->slot, expected, "next slot: seed %lu step %d", seed, step);
        newest->added++;
      }
      break;
    case 6:
    case 7:
    case 8:
      if (model_is_open(model)) {
        newest->is_sealed = true;
        newest->end_lsn = at;
        ledger_seal(ledger, at);
      }
      break;
    case 9:
    case 10:
    case 11:
    case 12:
      settle_any(ledger, model, chance >> 8);
      break;
    case 13:
      if (model_finished(model) == model->count) {
        model->idle = at;
      }
      ledger_advance_idle(ledger, at);
      break;
    case 14:
      for (size_t i = 0; i < model_finished(model); i++) {
        model->transactions[i].is_covered = true;
      }
      ledger_confirmed(ledger);
      break;
    case 15:
      if (has_stale) {
        cr_assert_not(ledger_knows(ledger, stale));
        cr_assert_not(ledger_settle(ledger, stale));
      }
      if ((chance >> 8) % 8 == 0) {
        has_stale = has_stale || (newest != NULL && newest->added > 0);
        stale = newest != NULL && newest->added > 0 ? newest->slot : stale;
        *model = (struct model){.start = model_safe(model)};
        ledger_reset(ledger, model->start);
      }
      break;
    }
    compare(ledger, model, capacity, seed, step);
  }
  ledger_free(ledger);
}

Test(ledger_model, agrees_with_a_naive_model_in_twenty_thousand_histories)
{
  static struct model model;

  for (uint64_t seed = 1; seed <= MODEL_HISTORIES; seed++) {
    one_history(seed, &model);
  }
}
