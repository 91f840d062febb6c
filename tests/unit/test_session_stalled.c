/* test_session_stalled.c - after a long pause the server is asked for a word, and a stream that brings none is begun anew. */
#include "session_bench.h"

/* Of the rows a and b the second waits for so long until Kafka takes records again. */
static void pause_for(struct bench *bench, int64_t pause_us)
{
  bench_init(bench);
  fake_publisher_limit(bench->publisher, 1);
  transaction(bench, 0x200, 0x240, KEYS("a", "b"));
  turn(bench, 1000);
  cr_assert_eq(bench->session->hand, HAND_FULL);
  turn(bench, pause_us);
  fake_publisher_report_all(bench->publisher);
  fake_publisher_limit(bench->publisher, 10);
}

/* The same, and Kafka has all that was read: there is only the server to be waited for. */
static void pause_and_settle(struct bench *bench, int64_t pause_us)
{
  pause_for(bench, pause_us);
  turn(bench, 1000);
  fake_publisher_report_all(bench->publisher);
}

static size_t times_asked(const struct bench *bench)
{
  size_t asked = 0;

  for (size_t i = 0; i < fake_stream_status_count(bench->stream); i++) {
    asked += fake_stream_status(bench->stream, i).asks;
  }
  return asked;
}

Test(session_stalled, a_stream_that_brings_nothing_is_begun_anew)
{
  struct bench bench;

  pause_and_settle(&bench, STALL_PAUSE_US);
  cr_assert_eq(times_asked(&bench), 1);
  turn(&bench, STALL_ANSWER_US - 2000);
  cr_assert_eq(bench.failures, 0);
  turn(&bench, 2000);
  cr_assert_eq(bench.failures, 1);
  cr_assert_str_eq(bench.last_failure.cause, "stream_stalled");
  cr_assert_eq(highest_flush(&bench), 0x240);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  /* Once for a pause: the new stream may be silent. */
  turn(&bench, 60 * US_PER_S);
  cr_assert_eq(bench.failures, 1);
  bench_done(&bench);
}

Test(session_stalled, a_word_is_enough)
{
  struct bench bench;

  pause_and_settle(&bench, STALL_PAUSE_US);
  turn(&bench, STALL_ANSWER_US / 2);
  fake_stream_keepalive(bench.stream, 0x240, false);
  turn(&bench, 60 * US_PER_S);
  cr_assert_eq(times_asked(&bench), 1);
  cr_assert_eq(bench.failures, 0);
  bench_done(&bench);
}

Test(session_stalled, what_was_on_its_way_already_is_no_answer)
{
  struct bench bench;

  pause_for(&bench, STALL_PAUSE_US);
  turn(&bench, 1000);
  turn(&bench, STALL_ANSWER_US / 2);
  transaction(&bench, 0x300, 0x340, KEYS("a"));
  turn(&bench, 1000);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, STALL_ANSWER_US - 2000);
  cr_assert_eq(bench.failures, 0);
  turn(&bench, 2000);
  cr_assert_eq(bench.failures, 1);
  cr_assert_eq(times_asked(&bench), 1);
  bench_done(&bench);
}

Test(session_stalled, nobody_is_asked_after_a_short_pause)
{
  struct bench bench;

  pause_and_settle(&bench, STALL_PAUSE_US - US_PER_S);
  turn(&bench, 60 * US_PER_S);
  cr_assert_eq(times_asked(&bench), 0);
  cr_assert_eq(bench.failures, 0);
  bench_done(&bench);
}

/* What is in flight, or settled and not confirmed, would come twice. */
Test(session_stalled, it_goes_only_when_kafka_has_what_was_read_and_postgresql_was_told)
{
  struct bench bench;

  pause_for(&bench, STALL_PAUSE_US);
  turn(&bench, 3 * STALL_ANSWER_US);
  cr_assert_eq(times_asked(&bench), 1);
  cr_assert_eq(bench.failures, 0);
  fake_stream_block_status(bench.stream, true);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(bench.failures, 0, "the last status is still on its way");
  fake_stream_block_status(bench.stream, false);
  turn(&bench, US_PER_S);
  cr_assert_eq(bench.failures, 1);
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session_stalled, a_part_of_a_message_is_a_sign_of_life)
{
  struct bench bench;

  pause_and_settle(&bench, STALL_PAUSE_US);
  for (int i = 0; i < 20; i++) {
    turn(&bench, US_PER_S);
    session_step(bench.session, bench.now, POLLIN);
  }
  cr_assert_eq(bench.failures, 0);
  turn(&bench, STALL_ANSWER_US);
  cr_assert_eq(bench.failures, 1);
  cr_assert_eq(highest_flush(&bench), 0x240, "what was settled last was not confirmed, and comes twice");
  bench_done(&bench);
}

Test(session_stalled, a_look_with_a_held_record_makes_a_pause)
{
  struct bench bench;

  bench_init(&bench);
  hold_on_topic(&bench);
  fake_stream_clear(bench.stream);
  turn(&bench, SESSION_LOOK_FIRST_US);
  cr_assert_eq(bench.session->phase, PHASE_PROBING);
  turn(&bench, STALL_PAUSE_US);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 1000);
  cr_assert_eq(bench.session->phase, PHASE_STREAMING);
  cr_assert_eq(times_asked(&bench), 1);
  bench_done(&bench);
}

/* While it did not run, nothing was read either. An idle one runs at least as often as its statuses are due. */
Test(session_stalled, a_process_that_was_suspended_asks)
{
  struct bench bench;

  bench_init(&bench);
  turn(&bench, 60 * US_PER_S);
  cr_assert_eq(times_asked(&bench), 0);
  bench.now.mono_us += STALL_SUSPENDED_US;
  bench.now.wall_us += STALL_SUSPENDED_US;
  turn(&bench, 1000);
  cr_assert_eq(times_asked(&bench), 1);
  turn(&bench, STALL_ANSWER_US);
  cr_assert_eq(bench.failures, 1);
  cr_assert_str_eq(bench.last_failure.cause, "stream_stalled");
  bench_done(&bench);
}

/* Its question was put before what the second pause may have put off. */
Test(session_stalled, who_is_suspended_again_asks_again)
{
  struct bench bench;

  bench_init(&bench);
  turn(&bench, 1000);
  for (size_t times = 1; times <= 2; times++) {
    bench.now.mono_us += STALL_SUSPENDED_US;
    bench.now.wall_us += STALL_SUSPENDED_US;
    turn(&bench, 1000);
    cr_assert_eq(times_asked(&bench), times);
    cr_assert_eq(bench.failures, 0);
  }
  turn(&bench, STALL_ANSWER_US);
  cr_assert_eq(bench.failures, 1);
  bench_done(&bench);
}

/* Nothing is read until its report is there, and that comes between two turns. */
Test(session_stalled, a_row_that_waited_for_its_own_report_was_a_pause_too)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 10000);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
  fake_publisher_report(bench.publisher, 1, REPORT_REFUSED_ROW);
  turn(&bench, 10000);
  cr_assert_eq(bench.isolations, 1);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, US_PER_S);
  cr_assert_eq(bench.session->hand, HAND_WATCHED);
  turn(&bench, STALL_PAUSE_US);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 1000);
  cr_assert_eq(times_asked(&bench), 1);
  bench_done(&bench);
}

Test(session_stalled, a_stop_meanwhile_drains_all_the_same)
{
  struct bench bench;
  struct session_figures figures;

  pause_for(&bench, STALL_PAUSE_US);
  turn(&bench, 2 * STALL_ANSWER_US);
  session_stop(bench.session, bench.now);
  turn(&bench, 1000);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 1000);
  cr_assert_eq(bench.failures, 0);
  cr_assert_eq(highest_flush(&bench), 0x240);
  session_figures(bench.session, bench.now, &figures);
  cr_assert(figures.drained);
  bench_done(&bench);
}

/* Of a transaction whose rows fill the queue and whose COMMIT is far away: what follows its rows is decoded for longer than the patience, again and again. */
Test(session_stalled, a_server_that_is_silent_at_one_position_is_waited_for_ever_longer)
{
  struct bench bench;

  bench_init(&bench);
  for (int i = 0; i < STALL_LEFT_MAX; i++) {
    fake_publisher_limit(bench.publisher, 1);
    fake_stream_clear(bench.stream);
    fake_stream_begin(bench.stream, 0x200, 1);
    fake_stream_relation(bench.stream);
    fake_stream_row(bench.stream, "00000000-0000-0000-0000-000000000001", "t", "a", "1");
    fake_stream_row(bench.stream, "00000000-0000-0000-0000-000000000002", "t", "b", "2");
    turn(&bench, STALL_PAUSE_US + US_PER_S);
    fake_publisher_report_all(bench.publisher);
    fake_publisher_limit(bench.publisher, 10);
    turn(&bench, 1000);
    fake_publisher_report_all(bench.publisher);
    turn(&bench, ((int64_t)STALL_ANSWER_US << i) - US_PER_S);
    cr_assert_eq(bench.failures, i);
    turn(&bench, US_PER_S + 10000);
    cr_assert_eq(bench.failures, i + 1);
    turn(&bench, US_PER_S);
  }
  bench_done(&bench);
}
