/* test_session_hurry.c - which records go out at once, and which wait for company. */
#include "session_bench.h"

Test(session_hurry, a_record_is_hurried_in_the_turn_that_published_it)
{
  static const int64_t after_us[] = {-1, 0, SESSION_LAG_US - 1}; /* not known; at once; not long ago */
  struct bench bench;

  bench_init(&bench);
  turn(&bench, 1000);
  for (size_t i = 0; i < sizeof(after_us) / sizeof(after_us[0]); i++) {
    fake_stream_sent_after(bench.stream, after_us[i]);
    transaction(&bench, 0x200 + i * 0x100, 0x240 + i * 0x100, KEYS("a", "b"));
    session_step(bench.session, bench.now, POLLIN);
    cr_assert_eq(fake_publisher_count(bench.publisher), 2 * (i + 1));
    cr_assert_eq(fake_publisher_hurries(bench.publisher), (int)i + 1, "%zu", i);
    session_step(bench.session, bench.now, 0);
    cr_assert_eq(fake_publisher_hurries(bench.publisher), (int)i + 1, "hurried where nothing was published");
    cr_assert(session_wants_reports(bench.session));
    turn(&bench, US_PER_S);
  }
  bench_done(&bench);
}

Test(session_hurry, late_records_wait_for_company_while_more_come_and_no_longer)
{
  struct bench bench;

  bench_init(&bench);
  late_transaction(&bench);
  for (Lsn lsn = 0x300; lsn <= 0x800; lsn += 0x100) {
    transaction(&bench, lsn, lsn + 0x40, KEYS("a"));
    turn(&bench, 1000);
    cr_assert_eq(fake_publisher_hurries(bench.publisher), 0);
    cr_assert_not(session_wants_reports(bench.session), "woken for each report while much is read");
  }
  cr_assert_eq(fake_publisher_count(bench.publisher), 7);
  turn(&bench, (PACE_EMPTY_PAUSES + 1) * 1000);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), 1, "nothing more comes, and the last ones wait");
  cr_assert(session_wants_reports(bench.session));
  bench_done(&bench);
}

/* Nothing keeps a peer from such a time. */
Test(session_hurry, a_commit_as_long_ago_as_can_be_is_late)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  fake_stream_committed_at(bench.stream, INT64_MIN);
  late_transaction(&bench);
  transaction(&bench, 0x300, 0x340, KEYS("a"));
  turn(&bench, 1000);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), 0);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_gt(figures.oldest_unsettled_seconds, 1e12);
  bench_done(&bench);
}

/* Its disk kept the server from answering a few commits; what comes behind them is not old. */
Test(session_hurry, a_few_old_records_are_no_backlog)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_sent_after(bench.stream, 0);
  large_transaction(&bench, 0x200, SESSION_LAG_BYTES);
  turn(&bench, 1000);
  fake_stream_sent_after(bench.stream, SESSION_LAG_US);
  large_transaction(&bench, 0x300, SESSION_LAG_BYTES * 3 / 4);
  turn(&bench, 1000);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), 2);
  cr_assert(session_wants_reports(bench.session), "in lumps");
  large_transaction(&bench, 0x400, SESSION_LAG_BYTES / 4);
  turn(&bench, 0);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), 2, "so many are one");
  cr_assert_not(session_wants_reports(bench.session));
  bench_done(&bench);
}

/* The server says by it that it has sent all that there is. */
Test(session_hurry, late_records_wait_no_longer_once_a_keepalive_ends_what_is_read)
{
  struct bench bench;

  bench_init(&bench);
  late_transaction(&bench);
  fake_stream_keepalive(bench.stream, 0x280, false);
  transaction(&bench, 0x300, 0x340, KEYS("a"));
  turn(&bench, 0);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), 0, "more came behind it");
  transaction(&bench, 0x400, 0x440, KEYS("a"));
  fake_stream_keepalive(bench.stream, 0x480, false);
  turn(&bench, 1000);
  cr_assert_eq(fake_publisher_count(bench.publisher), 3);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), 1);
  turn(&bench, 1000);
  cr_assert(session_wants_reports(bench.session), "one empty pause must do now");
  bench_done(&bench);
}

Test(session_hurry, records_that_come_thick_and_are_not_late_are_read_in_lumps_and_hurried)
{
  struct bench bench;
  size_t count = 0;
  int hurries = 0;

  bench_init(&bench);
  fake_stream_sent_after(bench.stream, 0);
  turn(&bench, 1000);
  for (int i = 0; i < 2 * PACE_QUICK_READS; i++) {
    transaction(&bench, 0x200 + (Lsn)i * 0x100, 0x240 + (Lsn)i * 0x100, KEYS("a"));
    bench.now.mono_us += PACE_QUICK_US - 1;
    session_step(bench.session, bench.now, POLLIN);
    hurries += fake_publisher_count(bench.publisher) > count ? 1 : 0;
    count = fake_publisher_count(bench.publisher);
    cr_assert_eq(fake_publisher_hurries(bench.publisher), hurries);
  }
  cr_assert_not(session_wants_reports(bench.session), "not in lumps");
  cr_assert_lt(hurries, 2 * PACE_QUICK_READS, "not in lumps");
  bench_done(&bench);
}

Test(session_hurry, a_session_that_stops_hurries_what_is_late)
{
  struct bench bench;

  bench_init(&bench);
  late_transaction(&bench);
  turn(&bench, 0);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), 0);
  session_stop(bench.session, bench.now);
  turn(&bench, 0);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), 1);
  cr_assert(session_wants_reports(bench.session));
  bench_done(&bench);
}

Test(session_hurry, a_full_queue_wants_reports_at_once)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 2);
  late_transaction(&bench);
  transaction(&bench, 0x300, 0x340, KEYS("a", "b"));
  turn(&bench, 0);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert(session_wants_reports(bench.session), "there is room for the record in hand when a report comes");
  bench_done(&bench);
}

Test(session_hurry, a_record_that_is_sent_alone_has_no_company_to_wait_for)
{
  struct bench bench;
  int before;

  bench_init(&bench);
  late_transaction(&bench);
  turn(&bench, 0);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
  fake_stream_clear(bench.stream);
  turn(&bench, 0);
  late_transaction(&bench); /* again, alone */
  before = fake_publisher_hurries(bench.publisher);
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(bench.isolations, 1);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  cr_assert_eq(fake_publisher_hurries(bench.publisher), before + 1);
  cr_assert(session_wants_reports(bench.session));
  bench_done(&bench);
}
