/* test_session_backoff.c - how soon a session is begun again, by what went before. */
#include "session_bench.h"

Test(session_backoff, it_grows_while_the_server_is_away)
{
  struct bench bench;
  struct problem refused;

  bench_init(&bench);
  (void)problem_set(&refused, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection refused");
  fake_stream_on_connect(bench.stream, VERDICT_RETRY, NULL, &refused);
  turn(&bench, INT64_C(60) * US_PER_S);
  cr_assert_geq(bench.failures, 5);
  cr_assert_leq(bench.failures, 20, "%d tries in a minute", bench.failures);
  cr_assert_neq(state_of(&bench), RELAY_HELD);
  bench_done(&bench);
}

/* Turns until it streams; returns how long that took. */
static int64_t until_streaming(struct bench *bench)
{
  int64_t start_us = bench->now.mono_us;

  while (state_of(bench) != RELAY_STREAMING) {
    cr_assert_lt(bench->now.mono_us - start_us, INT64_C(60) * US_PER_S, "it does not stream again");
    turn(bench, 10000);
  }
  return bench->now.mono_us - start_us;
}

Test(session_backoff, a_stream_that_had_worked_is_opened_again_at_once_however_often_it_breaks)
{
  struct bench bench;
  struct problem broken;

  bench_init(&bench);
  (void)problem_set(&broken, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection reset");
  (void)until_streaming(&bench);
  for (int i = 0; i < 12; i++) {
    turn(&bench, INT64_C(2) * US_PER_S);
    fake_stream_breaks(bench.stream, &broken);
    turn(&bench, 1000);
    cr_assert_eq(bench.failures, i + 1);
    fake_stream_clear(bench.stream);
    cr_assert_lt(until_streaming(&bench), US_PER_S / 2, "break %d", i);
  }
  bench_done(&bench);
}

Test(session_backoff, a_stream_that_breaks_as_soon_as_it_is_there_is_opened_ever_more_slowly)
{
  struct bench bench;
  struct problem broken;
  int64_t end_us;

  bench_init(&bench);
  (void)problem_set(&broken, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection reset");
  end_us = bench.now.mono_us + INT64_C(60) * US_PER_S;
  while (bench.now.mono_us < end_us) {
    (void)until_streaming(&bench);
    turn(&bench, US_PER_S / 4);
    fake_stream_breaks(bench.stream, &broken);
    turn(&bench, 1000);
    fake_stream_clear(bench.stream);
  }
  cr_assert_geq(bench.failures, 5);
  cr_assert_leq(bench.failures, 20, "%d tries in a minute", bench.failures);
  bench_done(&bench);
}

/* Each new session repeats what was in flight, so a broker that fails after a while again and again is not tried every second. */
Test(session_backoff, failures_of_kafka_are_remembered_for_longer)
{
  struct bench bench;
  struct problem fatal;
  int64_t end_us;

  bench_init(&bench);
  (void)problem_set(&fatal, VERDICT_RETRY, EXIT_UNEXPECTED, "fatal", "fatal producer error");
  end_us = bench.now.mono_us + INT64_C(60) * US_PER_S;
  while (bench.now.mono_us < end_us) {
    (void)until_streaming(&bench);
    turn(&bench, INT64_C(2) * US_PER_S);
    fake_publisher_on_reports(bench.publisher, VERDICT_RETRY, &fatal);
    turn(&bench, 10000);
  }
  cr_assert_geq(bench.failures, 4);
  cr_assert_leq(bench.failures, 14, "%d tries in a minute", bench.failures);
  bench_done(&bench);
}
