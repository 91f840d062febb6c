/* test_session.c - positions, backpressure, failures, standby and reloads. */
#include "session_bench.h"

/* ---- positions ---- */

Test(session, confirms_the_end_of_a_transaction_and_only_after_all_its_reports)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_leq(highest_flush(&bench), 0x100, "confirmed what is not settled");
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, 20 * US_PER_S);
  cr_assert_leq(highest_flush(&bench), 0x100, "confirmed half a transaction");
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(bench.delivered, 2);
  bench_done(&bench);
}

Test(session, a_younger_transaction_does_not_confirm_an_older_one)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS("b"));
  turn(&bench, US_PER_S);
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_leq(highest_flush(&bench), 0x100);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x340);
  bench_done(&bench);
}

Test(session, a_keepalive_confirms_only_when_nothing_is_pending)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_keepalive(bench.stream, 0x180, false);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x180, "an idle outbox retains WAL");
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  fake_stream_keepalive(bench.stream, 0x900, true);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x180, "a keepalive confirmed what is not settled");
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x900, "the server does not repeat a keepalive that came while something was pending");
  bench_done(&bench);
}

Test(session, a_keepalive_inside_a_transaction_confirms_nothing)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_begin(bench.stream, 0x200, 1);
  fake_stream_keepalive(bench.stream, 0x900, true);
  turn(&bench, US_PER_S);
  cr_assert_leq(highest_flush(&bench), 0x100);
  fake_stream_commit(bench.stream, 0x200, 0x240);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240, "it was remembered until the transaction was over");
  bench_done(&bench);
}

Test(session, what_is_written_is_what_came_and_not_where_the_log_ends)
{
  struct bench bench;

  /* The fake's data messages tell an end of WAL far away. A server that was told its own end sends no keepalive, and an idle slot would not follow. */
  bench_init(&bench);
  fake_stream_begin(bench.stream, 0x200, 1);
  fake_stream_keepalive(bench.stream, 0x900, true);
  fake_stream_commit(bench.stream, 0x200, 0x240);
  turn(&bench, US_PER_S);
  cr_assert_gt(fake_stream_status_count(bench.stream), 0);
  for (size_t i = 0; i < fake_stream_status_count(bench.stream); i++) {
    cr_assert_leq(fake_stream_status(bench.stream, i).write, 0x240);
  }
  bench_done(&bench);
}

Test(session, a_status_goes_out_by_our_own_timer_while_nothing_moves)
{
  struct bench bench;

  bench_init(&bench);
  turn(&bench, 65 * US_PER_S);
  cr_assert_geq(fake_stream_status_count(bench.stream), 6);
  bench_done(&bench);
}

Test(session, a_server_that_spins_in_shutdown_is_let_go_without_confirming)
{
  struct bench bench;
  bool let_go = false;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  for (int i = 0; i < 700; i++) {
    fake_stream_keepalive(bench.stream, 0x240, true);
    turn(&bench, 1000);
  }
  for (size_t i = 0; i < fake_stream_status_count(bench.stream); i++) {
    struct fake_status status = fake_stream_status(bench.stream, i);

    let_go = let_go || (status.flush == 0 && status.write == 0x240);
    cr_assert_leq(status.flush, 0x100);
  }
  cr_assert(let_go);
  bench_done(&bench);
}

/* ---- backpressure ---- */

Test(session, a_full_queue_stops_reading_and_loses_nothing)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 2);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b", "c", "d"));
  turn(&bench, 3 * US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_eq(state_of(&bench), RELAY_PAUSED);
  cr_assert_gt(fake_stream_unread(bench.stream), 0, "read on while there was no room");
  cr_assert_eq(session_poll_events(bench.session) & POLLIN, 0);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 4);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 2)->key, "c");
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 3)->key, "d");
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

Test(session, a_paused_session_still_sends_its_status)
{
  struct bench bench;
  size_t before;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 0);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, US_PER_S);
  before = fake_stream_status_count(bench.stream);
  turn(&bench, 35 * US_PER_S);
  cr_assert_geq(fake_stream_status_count(bench.stream) - before, 3);
  bench_done(&bench);
}

Test(session, a_paused_session_leaves_a_server_that_shuts_down)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 0);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, US_PER_S);
  session_on_server_shutdown(bench.session, bench.now);
  fake_stream_on_connect(bench.stream, VERDICT_WAIT, NULL, NULL);
  turn(&bench, 10000);
  cr_assert_not(fake_stream_is_open(bench.stream));
  cr_assert_eq(bench.failures, 1);
  cr_assert_eq(highest_flush(&bench), 0);
  bench_done(&bench);
}

Test(session, a_paused_session_notices_that_the_server_is_gone)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 0);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 1000);
  cr_assert_neq(session_poll_events(bench.session) & POLLRDHUP, 0);
  session_step(bench.session, bench.now, POLLRDHUP);
  cr_assert_eq(bench.failures, 1);
  bench_done(&bench);
}

/* poll() tells of the end of a connection again and again, so a phase that does not read must not wait for its own deadline with it. */
Test(session, a_server_that_is_gone_while_a_row_is_about_to_be_held_is_left_at_once)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS(""));
  turn(&bench, 1000);
  cr_assert_neq(session_poll_events(bench.session) & POLLRDHUP, 0);
  session_step(bench.session, bench.now, POLLRDHUP);
  cr_assert_not(fake_stream_is_open(bench.stream));
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert_leq(highest_flush(&bench), 0x100);
  bench_done(&bench);
}

Test(session, what_nobody_reads_wakes_nobody)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS(""));
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_DRAINING);
  cr_assert_eq(session_poll_events(bench.session) & POLLIN, 0, "settling polls a socket that it does not read");
  bench_done(&bench);
}

/* ---- failures ---- */

Test(session, after_a_lost_connection_it_starts_where_the_server_says)
{
  struct bench bench;
  struct problem lost;

  bench_init(&bench);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  fake_stream_breaks(bench.stream, &lost);
  turn(&bench, 10000);
  cr_assert_eq(bench.failures, 1);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  cr_assert_eq(fake_stream_last_start(bench.stream), 0x100);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 1, "a lost PostgreSQL is no reason for a new producer");
  /* The report of the first sending settles nothing of the second stream. */
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_leq(highest_flush(&bench), 0x100);
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session, damaged_bytes_begin_a_new_session)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_bytes(bench.stream, "Z?", 2);
  turn(&bench, 10000);
  cr_assert_eq(bench.failures, 1);
  fake_stream_clear(bench.stream);
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

Test(session, a_broken_producer_is_replaced_and_the_stream_begun_again)
{
  struct bench bench;
  struct problem fatal;

  bench_init(&bench);
  (void)problem_set(&fatal, VERDICT_RETRY, EXIT_UNEXPECTED, "fatal", "fatal producer error");
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  fake_publisher_on_reports(bench.publisher, VERDICT_RETRY, &fatal);
  turn(&bench, 10000);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 2);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session, a_record_that_was_lost_is_sent_again)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 10000);
  fake_publisher_report(bench.publisher, 0, REPORT_LOST);
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, 10000);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  cr_assert_eq(fake_stream_last_start(bench.stream), 0x100);
  cr_assert_leq(highest_flush(&bench), 0x100);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session, a_connection_that_never_answers_is_given_up)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_on_connect(bench.stream, VERDICT_WAIT, NULL, NULL);
  turn(&bench, 65 * US_PER_S);
  cr_assert_eq(bench.failures, 1);
  cr_assert_str_eq(bench.last_failure.cause, "timeout");
  cr_assert_eq(bench.failed_side, SESSION_POSTGRES);
  bench_done(&bench);
}

Test(session, a_producer_that_never_ends_is_kafkas_side_of_the_matter)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_set_ending(bench.publisher, true);
  turn(&bench, 65 * US_PER_S);
  cr_assert_eq(bench.failures, 1);
  cr_assert_eq(bench.failed_side, SESSION_KAFKA, "PostgreSQL was not even asked");
  cr_assert_str_eq(bench.last_failure.cause, "producer_not_ended");
  fake_publisher_set_ending(bench.publisher, false);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

/* ---- standby ---- */

Test(session, an_active_slot_means_standby_and_its_release_means_start)
{
  struct bench bench;

  bench_init(&bench);
  bench.facts.slot_is_active = true;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STANDBY);
  cr_assert_eq(fake_stream_starts(bench.stream), 0);
  cr_assert_not(fake_stream_is_open(bench.stream), "a standby keeps a walsender");
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_STANDBY);
  bench.facts.slot_is_active = false;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  session_on_slot_activity(bench.session, false, 4711, bench.now.mono_us, bench.now);
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

Test(session, a_standby_that_hears_of_the_slot_does_not_knock_itself)
{
  struct bench bench;

  bench_init(&bench);
  bench.facts.slot_is_active = true;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, 1000);
  fake_stream_on_connect(bench.stream, VERDICT_WAIT, NULL, NULL);
  for (int i = 0; i < 60; i++) {
    session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
    turn(&bench, 500000);
    cr_assert_eq(state_of(&bench), RELAY_STANDBY);
  }
  turn(&bench, 6 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_CONNECTING, "without news it looks itself");
  bench_done(&bench);
}

/* Another relay may have the slot behind the line that is cut, and nobody says so. */
Test(session, a_relay_that_does_not_get_back_at_once_ends_its_producer_and_makes_no_other_in_vain)
{
  struct bench bench;
  struct problem lost;

  bench_init(&bench);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  transaction(&bench, 0x200, 0x240, KEYS("a", "b", "c"));
  turn(&bench, 10000);
  fake_stream_on_connect(bench.stream, VERDICT_RETRY, NULL, &lost);
  fake_stream_breaks(bench.stream, &lost);
  turn(&bench, 10000);
  cr_assert(fake_publisher_is_open(bench.publisher), "a line that breaks and is there again is no reason for a new producer");
  turn(&bench, US_PER_S);
  cr_assert_geq(bench.failures, 2);
  cr_assert_leq(fake_publisher_opens(bench.publisher), 2);
  turn(&bench, 60 * US_PER_S);
  cr_assert_geq(bench.failures, 4);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 2, "a producer without records is kept, however often PostgreSQL says no");
  bench_done(&bench);
}

Test(session, a_standby_has_no_producer)
{
  struct bench bench;
  struct problem lost;

  bench_init(&bench);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  transaction(&bench, 0x200, 0x240, KEYS("a", "b", "c"));
  turn(&bench, 10000);
  bench.facts.slot_is_active = true;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  fake_stream_breaks(bench.stream, &lost);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STANDBY);
  cr_assert_not(fake_publisher_is_open(bench.publisher), "its records would arrive behind those of the other relay");
  bench_done(&bench);
}

Test(session, a_relay_that_was_slower_does_not_mistrust_what_the_faster_one_confirmed)
{
  struct bench bench;
  struct problem active, lost;

  bench_init(&bench);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  (void)problem_set(&active, VERDICT_RETRY, EXIT_UNEXPECTED, "slot_active", "slot is active");
  fake_stream_on_start(bench.stream, VERDICT_OK, NULL);
  turn(&bench, 1000);
  fake_stream_on_start(bench.stream, VERDICT_RETRY, &active);
  fake_stream_breaks(bench.stream, &lost);
  turn(&bench, US_PER_S);
  bench.facts.confirmed = 0x700;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  fake_stream_on_start(bench.stream, VERDICT_OK, NULL);
  turn(&bench, 20 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

/* ---- reload ---- */

Test(session, a_reload_settles_and_confirms_before_it_reconnects_both_sides)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 1000);
  session_reload(bench.session, bench.now);
  turn(&bench, 1000);
  cr_assert_eq(fake_stream_starts(bench.stream), 1, "reconnected while something was in flight");
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 1000);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 2);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  cr_assert_eq(bench.failures, 0, "a reload is no failure");
  bench_done(&bench);
}

Test(session, a_reload_with_kafka_away_reconnects_all_the_same)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 1000);
  session_reload(bench.session, bench.now);
  turn(&bench, 6 * US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  cr_assert_leq(highest_flush(&bench), 0x100);
  bench_done(&bench);
}

/* ---- stopping ---- */
