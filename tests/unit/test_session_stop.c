/* test_session_stop.c - the first signal: what is read is settled and confirmed, within a limit, and not claimed where it is not so. */
#include "session_bench.h"

Test(session_stop, a_stop_settles_confirms_and_ends_the_stream_in_order)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  session_stop(bench.session, bench.now);
  transaction(&bench, 0x300, 0x340, KEYS("b"));
  turn(&bench, 10000);
  cr_assert_eq(state_of(&bench), RELAY_DRAINING);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 10000);
  cr_assert(session_is_stopped(bench.session));
  session_figures(bench.session, bench.now, &figures);
  cr_assert(figures.drained);
  cr_assert(fake_stream_was_finished(bench.stream));
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1, "read on after the stop");
  bench_done(&bench);
}

Test(session_stop, a_stop_reads_the_transaction_in_hand_to_its_end)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 1);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 10000);
  session_stop(bench.session, bench.now);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 10000);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 10000);
  cr_assert(session_is_stopped(bench.session));
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session_stop, a_stop_with_kafka_down_ends_within_its_limit_and_confirms_nothing)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  session_stop(bench.session, bench.now);
  turn(&bench, 9 * US_PER_S);
  cr_assert_not(session_is_stopped(bench.session));
  turn(&bench, 2 * US_PER_S);
  cr_assert(session_is_stopped(bench.session));
  session_figures(bench.session, bench.now, &figures);
  cr_assert_not(figures.drained);
  cr_assert_eq(figures.events_in_flight, 1);
  cr_assert_leq(highest_flush(&bench), 0x100);
  bench_done(&bench);
}

Test(session_stop, a_stop_while_a_row_is_about_to_be_held_settles_within_the_stops_own_limit)
{
  struct bench bench;

  bench_init(&bench);
  bench.config->delivery.drain_timeout_ms = 1000;
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS(""));
  turn(&bench, 1000);
  session_stop(bench.session, bench.now);
  turn(&bench, 500000);
  cr_assert_not(session_is_stopped(bench.session), "stopped without settling");
  turn(&bench, 600000);
  cr_assert(session_is_stopped(bench.session));
  bench_done(&bench);
}

/* The other way round: the drain reads its transaction to the end, and there is the row. */
Test(session_stop, a_row_that_is_to_be_held_while_a_stop_drains_puts_the_stops_limit_off_by_nothing)
{
  struct bench bench;

  bench_init(&bench);
  bench.config->delivery.drain_timeout_ms = 1000;
  fake_publisher_limit(bench.publisher, 1);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b", ""));
  turn(&bench, 1000);
  session_stop(bench.session, bench.now);
  turn(&bench, 800000);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 100000);
  cr_assert_eq(bench.poisoned, 1, "the row was never reached");
  cr_assert_not(session_is_stopped(bench.session), "stopped without settling");
  turn(&bench, 200000);
  cr_assert(session_is_stopped(bench.session), "it drains for longer than it may");
  bench_done(&bench);
}

Test(session_stop, a_stop_while_a_row_is_about_to_be_held_confirms_what_settles)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS(""));
  turn(&bench, 1000);
  session_stop(bench.session, bench.now);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 1000);
  cr_assert(session_is_stopped(bench.session));
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session_stop, what_was_settled_and_never_confirmed_is_not_called_drained)
{
  struct bench bench;
  struct session_figures figures;
  struct problem problem;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 1000);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 1000);
  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  fake_stream_breaks(bench.stream, &problem);
  turn(&bench, 1000);
  cr_assert_eq(highest_flush(&bench), 0, "the connection was there for long enough to confirm");
  session_stop(bench.session, bench.now);
  cr_assert(session_is_stopped(bench.session));
  session_figures(bench.session, bench.now, &figures);
  cr_assert_not(figures.drained);
  bench_done(&bench);
}
