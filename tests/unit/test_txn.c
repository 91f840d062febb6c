#include <criterion/criterion.h>

#include "txn/txn.h"

struct bench {
  struct ledger *ledger;
  struct txn txn;
  struct problem problem;
};

static struct bench set_up(void)
{
  struct bench bench = {.ledger = ledger_new(4)};

  ledger_reset(bench.ledger, 100);
  txn_init(&bench.txn, bench.ledger);
  return bench;
}

static enum verdict begin(struct bench *bench, Lsn commit_lsn)
{
  const struct change change = {.kind = CHANGE_BEGIN, .commit_lsn = commit_lsn, .xid = 7, .commit_time_us = 77};

  return txn_begin(&bench->txn, &change, &bench->problem);
}

static enum verdict commit(struct bench *bench, Lsn commit_lsn, Lsn end_lsn)
{
  const struct change change = {.kind = CHANGE_COMMIT, .commit_lsn = commit_lsn, .end_lsn = end_lsn, .commit_time_us = 77};

  return txn_commit(&bench->txn, &change, &bench->problem);
}

static struct position next(struct bench *bench)
{
  struct position position = {0};

  cr_assert_eq(txn_next_position(&bench->txn, &position, &bench->problem), VERDICT_OK);
  return position;
}

static void assert_damage(struct bench *bench, enum verdict verdict)
{
  cr_assert_eq(verdict, VERDICT_RETRY);
  cr_assert_str_eq(bench->problem.cause, "stream_damaged");
  cr_assert_neq(bench->problem.text[0], '\0');
}

Test(txn, events_are_numbered_from_nought_in_each_transaction)
{
  struct bench bench = set_up();

  for (Lsn at = 200; at <= 300; at += 100) {
    cr_assert_eq(begin(&bench, at), VERDICT_OK);
    for (uint64_t i = 0; i < 3; i++) {
      cr_assert_eq(next(&bench).commit_lsn, at);
      cr_assert_eq(next(&bench).index, i); /* asking does not take it */
      (void)txn_add_event(&bench.txn);
    }
    cr_assert_eq(commit(&bench, at, at + 50), VERDICT_OK);
  }
  cr_assert_eq(ledger_events_in_flight(bench.ledger), 6);
  ledger_free(bench.ledger);
}

Test(txn, a_commit_makes_its_end_safe_not_its_record)
{
  struct bench bench = set_up();
  LedgerSlot slot;

  cr_assert_eq(begin(&bench, 200), VERDICT_OK);
  cr_assert_eq(bench.txn.xid, 7);
  cr_assert_eq(bench.txn.commit_time_us, 77);
  slot = txn_add_event(&bench.txn);
  cr_assert_eq(ledger_commit_time_us(bench.ledger, slot), 77);
  cr_assert_eq(commit(&bench, 200, 250), VERDICT_OK);
  cr_assert(ledger_settle(bench.ledger, slot));
  cr_assert_eq(ledger_safe(bench.ledger), 250);
  ledger_free(bench.ledger);
}

Test(txn, a_transaction_without_events_is_safe_at_its_end)
{
  struct bench bench = set_up();

  cr_assert_eq(begin(&bench, 200), VERDICT_OK);
  cr_assert_eq(commit(&bench, 200, 250), VERDICT_OK);
  cr_assert_eq(ledger_safe(bench.ledger), 250);
  ledger_free(bench.ledger);
}

Test(txn, what_does_not_come_whole_and_in_order_is_damage)
{
  struct bench bench = set_up();
  struct position position = {.index = 42};

  assert_damage(&bench, txn_next_position(&bench.txn, &position, &bench.problem));
  cr_assert_eq(position.index, 42);
  assert_damage(&bench, commit(&bench, 200, 250));
  cr_assert_eq(begin(&bench, 200), VERDICT_OK);
  assert_damage(&bench, begin(&bench, 300));
  assert_damage(&bench, commit(&bench, 201, 250));
  assert_damage(&bench, commit(&bench, 200, 199));
  cr_assert_eq(ledger_safe(bench.ledger), 100);
  cr_assert_eq(commit(&bench, 200, 250), VERDICT_OK);
  assert_damage(&bench, txn_next_position(&bench.txn, &position, &bench.problem));
  assert_damage(&bench, begin(&bench, 200));
  assert_damage(&bench, begin(&bench, 150));
  assert_damage(&bench, begin(&bench, 249));
  cr_assert_eq(ledger_is_open(bench.ledger), false);
  cr_assert_eq(begin(&bench, 250), VERDICT_OK);
  ledger_free(bench.ledger);
}

Test(txn, a_transaction_that_comes_twice_is_damage_even_if_it_has_no_length)
{
  struct bench bench = set_up();

  cr_assert_eq(begin(&bench, 200), VERDICT_OK);
  cr_assert_eq(commit(&bench, 200, 200), VERDICT_OK);
  assert_damage(&bench, begin(&bench, 200));
  ledger_free(bench.ledger);
}

Test(txn, a_new_session_may_begin_anywhere)
{
  struct bench bench = set_up();

  cr_assert_eq(begin(&bench, 800), VERDICT_OK);
  cr_assert_eq(commit(&bench, 800, 850), VERDICT_OK);
  cr_assert_eq(begin(&bench, 900), VERDICT_OK);
  ledger_reset(bench.ledger, 100);
  txn_reset(&bench.txn);
  cr_assert_eq(begin(&bench, 200), VERDICT_OK);
  cr_assert_eq(next(&bench).index, 0);
  ledger_free(bench.ledger);
}

Test(txn, a_problem_names_both_transactions)
{
  struct bench bench = set_up();

  cr_assert_eq(begin(&bench, 0x200), VERDICT_OK);
  assert_damage(&bench, commit(&bench, 0x1600000300, 0x1600000400));
  cr_assert_not_null(strstr(bench.problem.text, "16/300"));
  cr_assert_not_null(strstr(bench.problem.text, "0/200"));
  ledger_free(bench.ledger);
}
