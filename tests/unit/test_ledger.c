#include <criterion/criterion.h>

#include "ack/ledger.h"

Test(ledger, safe_is_the_end_of_the_commit_record_not_its_start)
{
  struct ledger *ledger = ledger_new(4);
  LedgerSlot slot;

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 1);
  slot = ledger_add(ledger);
  ledger_seal(ledger, 250);
  cr_assert_eq(ledger_safe(ledger), 100);
  cr_assert(ledger_settle(ledger, slot));
  cr_assert_eq(ledger_safe(ledger), 250);
  ledger_free(ledger);
}

Test(ledger, a_later_transaction_does_not_overtake_an_unsettled_one)
{
  struct ledger *ledger = ledger_new(4);
  LedgerSlot first;
  LedgerSlot second;

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 1);
  first = ledger_add(ledger);
  ledger_seal(ledger, 250);
  ledger_open(ledger, 300, 2);
  second = ledger_add(ledger);
  ledger_seal(ledger, 350);
  cr_assert_neq(first, second);
  cr_assert(ledger_settle(ledger, second));
  cr_assert_eq(ledger_safe(ledger), 100);
  cr_assert_eq(ledger_transactions_in_flight(ledger), 2);
  ledger_check(ledger);
  cr_assert(ledger_settle(ledger, first));
  cr_assert_eq(ledger_safe(ledger), 350);
  cr_assert(ledger_is_empty(ledger));
  ledger_free(ledger);
}

Test(ledger, a_settled_transaction_is_not_safe_before_its_commit)
{
  struct ledger *ledger = ledger_new(4);

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 7);
  cr_assert(ledger_settle(ledger, ledger_add(ledger)));
  cr_assert_eq(ledger_safe(ledger), 100);
  cr_assert_not(ledger_is_empty(ledger));
  cr_assert_eq(ledger_oldest_commit_time_us(ledger), 7);
  ledger_check(ledger);
  (void)ledger_add(ledger);
  ledger_seal(ledger, 250);
  cr_assert_eq(ledger_safe(ledger), 100);
  ledger_free(ledger);
}

Test(ledger, an_empty_transaction_behind_a_slow_one_waits_and_takes_no_room)
{
  struct ledger *ledger = ledger_new(1);
  LedgerSlot slot;

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 1);
  slot = ledger_add(ledger);
  ledger_seal(ledger, 250);
  for (Lsn at = 300; at < 1000; at += 100) {
    ledger_open(ledger, at, 2);
    ledger_seal(ledger, at + 50);
    cr_assert_eq(ledger_safe(ledger), 100);
  }
  cr_assert_eq(ledger_transactions_in_flight(ledger), 1);
  cr_assert(ledger_settle(ledger, slot));
  cr_assert_eq(ledger_safe(ledger), 950);
  ledger_free(ledger);
}

Test(ledger, an_empty_transaction_joins_the_newest_slot_not_the_oldest)
{
  struct ledger *ledger = ledger_new(2);
  LedgerSlot oldest;
  LedgerSlot newest;

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 1);
  oldest = ledger_add(ledger);
  ledger_seal(ledger, 250);
  ledger_open(ledger, 300, 2);
  newest = ledger_add(ledger);
  ledger_seal(ledger, 350);
  ledger_open(ledger, 400, 3);
  ledger_seal(ledger, 450);
  cr_assert(ledger_settle(ledger, oldest));
  cr_assert_eq(ledger_safe(ledger), 250);
  cr_assert(ledger_settle(ledger, newest));
  cr_assert_eq(ledger_safe(ledger), 450);
  ledger_free(ledger);
}

Test(ledger, an_empty_transaction_is_safe_at_once_when_nothing_is_in_flight)
{
  struct ledger *ledger = ledger_new(1);

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 9);
  cr_assert_eq(ledger_oldest_commit_time_us(ledger), 9);
  ledger_seal(ledger, 250);
  cr_assert_eq(ledger_safe(ledger), 250);
  cr_assert_eq(ledger_oldest_commit_time_us(ledger), 0);
  ledger_free(ledger);
}

Test(ledger, a_keepalive_moves_nothing_while_an_event_is_in_flight_or_a_transaction_open)
{
  struct ledger *ledger = ledger_new(2);
  LedgerSlot slot;

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 1);
  ledger_advance_idle(ledger, 1000);
  cr_assert_eq(ledger_safe(ledger), 100);
  slot = ledger_add(ledger);
  ledger_seal(ledger, 250);
  ledger_advance_idle(ledger, 1000);
  cr_assert_eq(ledger_safe(ledger), 100);
  cr_assert(ledger_settle(ledger, slot));
  cr_assert_eq(ledger_safe(ledger), 250);
  ledger_advance_idle(ledger, 1000);
  cr_assert_eq(ledger_safe(ledger), 1000);
  ledger_advance_idle(ledger, 900);
  cr_assert_eq(ledger_safe(ledger), 1000);
  ledger_free(ledger);
}

Test(ledger, room_is_counted_in_transactions_and_a_huge_one_needs_one_place)
{
  struct ledger *ledger = ledger_new(3);
  LedgerSlot oldest = 0;

  ledger_reset(ledger, 0);
  cr_assert_not(ledger_has_room(ledger));
  for (Lsn at = 1; at <= 3; at++) {
    ledger_open(ledger, at * 10, 1);
    for (int i = 0; i < 1000; i++) {
      LedgerSlot slot;

      cr_assert(ledger_has_room(ledger));
      slot = ledger_add(ledger);
      oldest = at == 1 ? slot : oldest;
    }
    ledger_seal(ledger, at * 10 + 5);
  }
  ledger_open(ledger, 100, 1);
  cr_assert_not(ledger_has_room(ledger));
  for (int i = 0; i < 1000; i++) {
    cr_assert_not(ledger_has_room(ledger));
    cr_assert(ledger_settle(ledger, oldest));
  }
  cr_assert(ledger_has_room(ledger));
  cr_assert_eq(ledger_events_in_flight(ledger), 2000);
  ledger_free(ledger);
}

Test(ledger, capacity_nought_still_holds_one)
{
  struct ledger *ledger = ledger_new(0);

  ledger_open(ledger, 1, 1);
  cr_assert(ledger_has_room(ledger));
  cr_assert(ledger_settle(ledger, ledger_add(ledger)));
  ledger_free(ledger);
  ledger_free(NULL);
}

Test(ledger, a_report_of_the_session_before_settles_nothing_in_this_one)
{
  struct ledger *ledger = ledger_new(2);
  LedgerSlot stale;
  LedgerSlot fresh;

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 1);
  stale = ledger_add(ledger);
  ledger_reset(ledger, 100);
  cr_assert_not(ledger_is_open(ledger));
  cr_assert(ledger_is_empty(ledger));
  ledger_open(ledger, 200, 1);
  fresh = ledger_add(ledger);
  ledger_seal(ledger, 250);
  cr_assert_not(ledger_settle(ledger, stale));
  cr_assert_eq(ledger_safe(ledger), 100);
  cr_assert_eq(ledger_commit_time_us(ledger, stale), 0);
  cr_assert_not(ledger_knows(ledger, stale));
  cr_assert(ledger_knows(ledger, fresh));
  cr_assert(ledger_settle(ledger, fresh));
  cr_assert_eq(ledger_safe(ledger), 250);
  ledger_free(ledger);
}

Test(ledger, a_reset_may_go_back)
{
  struct ledger *ledger = ledger_new(2);

  ledger_reset(ledger, 1000);
  ledger_reset(ledger, 400);
  cr_assert_eq(ledger_safe(ledger), 400);
  ledger_check(ledger);
  ledger_free(ledger);
}

Test(ledger, a_transaction_from_before_the_safe_position_does_not_move_it_back)
{
  struct ledger *ledger = ledger_new(2);

  ledger_reset(ledger, 1000);
  ledger_open(ledger, 200, 1);
  ledger_seal(ledger, 250);
  cr_assert_eq(ledger_safe(ledger), 1000);
  ledger_open(ledger, 300, 1);
  (void)ledger_settle(ledger, ledger_add(ledger));
  ledger_seal(ledger, 350);
  cr_assert_eq(ledger_safe(ledger), 1000);
  ledger_check(ledger);
  ledger_free(ledger);
}

Test(ledger, unconfirmed_counts_whole_transactions_until_they_are_confirmed)
{
  struct ledger *ledger = ledger_new(4);
  LedgerSlot first;
  LedgerSlot second;

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 1);
  first = ledger_add(ledger);
  (void)ledger_add(ledger);
  ledger_seal(ledger, 250);
  ledger_open(ledger, 300, 2);
  second = ledger_add(ledger);
  ledger_seal(ledger, 350);
  (void)ledger_settle(ledger, first);
  (void)ledger_settle(ledger, second);
  cr_assert_eq(ledger_unconfirmed_events(ledger), 3);
  ledger_confirmed(ledger);
  cr_assert_eq(ledger_unconfirmed_events(ledger), 3); /* nothing was covered yet */
  (void)ledger_settle(ledger, first);
  cr_assert_eq(ledger_unconfirmed_events(ledger), 3);
  ledger_confirmed(ledger);
  cr_assert_eq(ledger_unconfirmed_events(ledger), 0);
  ledger_free(ledger);
}

/* What ends the process. */

static struct ledger *ledger_with_one(LedgerSlot *ret_slot)
{
  struct ledger *ledger = ledger_new(1);

  ledger_reset(ledger, 100);
  ledger_open(ledger, 200, 1);
  *ret_slot = ledger_add(ledger);
  ledger_seal(ledger, 250);
  return ledger;
}

Test(ledger, settling_an_event_twice_ends_the_process, .exit_code = EXIT_INVARIANT)
{
  LedgerSlot slot;
  struct ledger *ledger = ledger_with_one(&slot);

  (void)ledger_settle(ledger, slot);
  (void)ledger_settle(ledger, slot);
  ledger_free(ledger);
}

Test(ledger, settling_an_event_twice_before_its_commit_ends_the_process, .exit_code = EXIT_INVARIANT)
{
  struct ledger *ledger = ledger_new(1);
  LedgerSlot slot;

  ledger_open(ledger, 200, 1);
  slot = ledger_add(ledger);
  (void)ledger_settle(ledger, slot);
  (void)ledger_settle(ledger, slot);
  ledger_free(ledger);
}

Test(ledger, settling_what_never_was_ends_the_process, .exit_code = EXIT_INVARIANT)
{
  LedgerSlot slot;
  struct ledger *ledger = ledger_with_one(&slot);

  (void)ledger_settle(ledger, slot + 1);
  ledger_free(ledger);
}

Test(ledger, adding_without_room_ends_the_process, .exit_code = EXIT_INVARIANT)
{
  LedgerSlot slot;
  struct ledger *ledger = ledger_with_one(&slot);

  ledger_open(ledger, 300, 1);
  (void)ledger_add(ledger);
  ledger_free(ledger);
}

Test(ledger, opening_twice_ends_the_process, .exit_code = EXIT_INVARIANT)
{
  struct ledger *ledger = ledger_new(1);

  ledger_open(ledger, 200, 1);
  ledger_open(ledger, 300, 1);
  ledger_free(ledger);
}

Test(ledger, sealing_before_the_commit_record_ends_the_process, .exit_code = EXIT_INVARIANT)
{
  struct ledger *ledger = ledger_new(1);

  ledger_open(ledger, 200, 1);
  ledger_seal(ledger, 199);
  ledger_free(ledger);
}
