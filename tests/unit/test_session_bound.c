/* test_session_bound.c - when the receive buffer keeps its size: only while a backlog is read in long pauses. */
#include "session_bench.h"

/* Streaming behind from a server close by. */
static void begin_late(struct bench *bench)
{
  bench_init(bench);
  bench->facts.is_joined = true;
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
  turn(bench, 1000);
  cr_assert_not(fake_stream_is_bounded(bench->stream));
  late_transaction(bench);
  turn(bench, 0);
  transaction(bench, 0x280, 0x2c0, KEYS("a"));
  turn(bench, 1000);
}

Test(session_bound, it_is_while_late_and_no_longer_once_nothing_came)
{
  struct bench bench;

  begin_late(&bench);
  cr_assert(fake_stream_is_bounded(bench.stream));
  turn(&bench, PACE_LONG_PAUSE_US);
  cr_assert_not(fake_stream_is_bounded(bench.stream));
  bench_done(&bench);
}

/* Whoever sends does not know how long nothing will be read: Kafka may be away for a day. */
Test(session_bound, it_is_not_while_a_record_waits_for_room)
{
  struct bench bench;

  begin_late(&bench);
  fake_publisher_limit(bench.publisher, 2);
  transaction(&bench, 0x300, 0x340, KEYS("a", "b"));
  turn(&bench, PACE_LONG_PAUSE_US);
  cr_assert_eq(bench.session->hand, HAND_FULL);
  cr_assert_not(fake_stream_is_bounded(bench.stream));
  fake_publisher_report_all(bench.publisher);
  fake_publisher_limit(bench.publisher, 10);
  turn(&bench, 1000);
  cr_assert_eq(bench.session->hand, HAND_EMPTY);
  cr_assert(fake_stream_is_bounded(bench.stream));
  bench_done(&bench);
}

Test(session_bound, it_is_not_while_what_was_published_is_settled_for_the_end)
{
  struct bench bench;

  begin_late(&bench);
  session_stop(bench.session, bench.now);
  turn(&bench, 0);
  cr_assert_not(fake_stream_is_bounded(bench.stream));
  bench_done(&bench);
}

Test(session_bound, it_never_is_where_nothing_is_joined)
{
  struct bench bench;

  bench_init(&bench);
  late_transaction(&bench);
  turn(&bench, 1000);
  cr_assert_not(fake_stream_is_bounded(bench.stream));
  bench_done(&bench);
}
