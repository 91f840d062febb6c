/* test_session_clock.c - the wall clock jumps; the monotonic one goes on. */
#include "session_bench.h"

#define HOUR_US (INT64_C(3600) * US_PER_S)

Test(session_clock, a_wall_clock_that_goes_back_makes_a_new_producer_and_loses_nothing)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  bench.now.wall_us -= 24 * HOUR_US;
  turn(&bench, 1000);
  cr_assert_eq(bench.failures, 1);
  cr_assert_str_eq(bench.last_failure.cause, "clock_went_back");
  cr_assert_not_null(strstr(bench.last_failure.text, " 86400 s"), "%s", bench.last_failure.text);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 2);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  cr_assert_leq(highest_flush(&bench), 0x100, "confirmed what went with the old producer");
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, US_PER_S);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(bench.failures, 1);
  bench_done(&bench);
}

Test(session_clock, the_next_session_begins_at_once_however_often_the_clock_goes_back)
{
  struct bench bench;

  bench_init(&bench);
  turn(&bench, US_PER_S);
  for (int i = 0; i < 12; i++) {
    bench.now.wall_us -= HOUR_US;
    turn(&bench, 1000);
    cr_assert_eq(bench.failures, i + 1);
    turn(&bench, US_PER_S / 2);
    cr_assert_eq(state_of(&bench), RELAY_STREAMING, "after %d", i);
  }
  bench_done(&bench);
}

Test(session_clock, a_step_forward_or_a_small_one_back_changes_nothing)
{
  static const int64_t steps_us[] = {HOUR_US, US_PER_S, -US_PER_S, 24 * HOUR_US, -4 * US_PER_S};
  struct bench bench;

  bench_init(&bench);
  turn(&bench, US_PER_S);
  for (size_t i = 0; i < sizeof(steps_us) / sizeof(*steps_us); i++) {
    bench.now.wall_us += steps_us[i];
    turn(&bench, US_PER_S);
    cr_assert_eq(bench.failures, 0, "step %zu: %s", i, bench.last_failure.text);
  }
  cr_assert_eq(fake_publisher_opens(bench.publisher), 1);
  bench_done(&bench);
}

Test(session_clock, a_producer_that_waits_for_postgresql_is_made_anew_too)
{
  struct bench bench;
  struct problem refused;
  int failures;

  bench_init(&bench);
  turn(&bench, US_PER_S);
  (void)problem_set(&refused, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection refused");
  fake_stream_on_connect(bench.stream, VERDICT_RETRY, NULL, &refused);
  fake_stream_breaks(bench.stream, &refused);
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_BACKOFF);
  failures = bench.failures;
  bench.now.wall_us -= HOUR_US;
  turn(&bench, 0);
  cr_assert_eq(bench.failures, failures, "told as a failure");
  fake_stream_clear(bench.stream);
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, 20 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 2);
  bench_done(&bench);
}

/* Draining has a limit by the monotonic clock; what is delivered in it is confirmed. */
Test(session_clock, draining_goes_on)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, US_PER_S);
  session_stop(bench.session, bench.now);
  turn(&bench, 1000);
  bench.now.wall_us -= HOUR_US;
  turn(&bench, 1000);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(bench.failures, 0);
  bench_done(&bench);
}
