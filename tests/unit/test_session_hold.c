/* test_session_hold.c - a hold that was interrupted: another relay had the slot, and this one stood by. What it held for may be over, or not. */
#include "session_bench.h"

static void look_at(struct bench *bench, bool is_active, uint32_t timeline)
{
  bench->facts.slot_is_active = is_active;
  bench->facts.timeline = timeline;
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
}

/* Held for a topic; then a look finds the slot with another relay. */
static void stand_by_behind_a_hold(struct bench *bench)
{
  struct session_figures figures;

  bench_init(bench);
  hold_on_topic(bench);
  fake_stream_clear(bench->stream);
  look_at(bench, true, 1);
  turn(bench, 10 * US_PER_S);
  session_figures(bench->session, bench->now, &figures);
  cr_assert_eq(figures.state, RELAY_STANDBY);
  cr_assert_not(figures.has_problem, "standing by is no problem");
}

/* The other one lets it go. */
static void slot_is_free(struct bench *bench)
{
  session_on_slot_activity(bench->session, false, 0, bench->now.mono_us, bench->now);
  turn(bench, US_PER_S);
}

static void expect_hold_for_topic(struct bench *bench)
{
  struct session_figures figures;

  session_figures(bench->session, bench->now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD);
  cr_assert(figures.has_problem, "held, and does not say why");
  cr_assert_eq(figures.problem.code, EXIT_KAFKA_REFUSES, "it says: %s", figures.problem.text);
}

Test(session_hold, a_hold_that_another_relay_interrupted_goes_on_for_its_own_reason)
{
  struct bench bench;
  struct problem lost;

  stand_by_behind_a_hold(&bench);
  /* What fails meanwhile is not what it is held for. */
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  fake_stream_on_connect(bench.stream, VERDICT_RETRY, NULL, &lost);
  session_on_slot_activity(bench.session, false, 0, bench.now.mono_us, bench.now);
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_BACKOFF);
  look_at(&bench, false, 1);
  turn(&bench, US_PER_S);
  expect_hold_for_topic(&bench);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1, "the kept record alone is tried");
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_TOPIC);
  turn(&bench, 10000);
  expect_hold_for_topic(&bench);
  cr_assert_not(fake_publisher_is_open(bench.publisher));
  bench_done(&bench);
}

Test(session_hold, a_look_that_breaks_behind_a_stand_by_is_followed_by_a_rare_one)
{
  struct bench bench;
  int starts;

  stand_by_behind_a_hold(&bench);
  look_at(&bench, false, 1);
  slot_is_free(&bench);
  starts = fake_stream_starts(bench.stream);
  session_step(bench.session, bench.now, POLLRDHUP);
  turn(&bench, 2 * US_PER_S);
  expect_hold_for_topic(&bench);
  cr_assert_eq(fake_stream_starts(bench.stream), starts, "it looks as often as a relay that only lost its connection");
  bench_done(&bench);
}

Test(session_hold, behind_a_stand_by_a_row_that_is_refused_itself_once_its_topic_is_mended_comes_from_the_stream)
{
  struct bench bench;
  struct session_figures figures;

  stand_by_behind_a_hold(&bench);
  look_at(&bench, false, 1);
  slot_is_free(&bench);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 61 * US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
  turn(&bench, 10000);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD);
  cr_assert(figures.has_problem);
  cr_assert_eq(figures.problem.code, EXIT_POISON);
  cr_assert_eq(bench.poisoned, 1);
  bench_done(&bench);
}

/* Having stood by it has forgotten what it had published before: the record that it tries is all that it knows of. */
Test(session_hold, a_kept_record_that_got_through_is_missed_on_a_server_that_was_promoted_without_it)
{
  struct bench bench;
  struct session_figures figures;
  struct problem lost;

  stand_by_behind_a_hold(&bench);
  look_at(&bench, false, 1);
  slot_is_free(&bench);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench.facts.history.count = 1;
  bench.facts.history.ends[0] = (struct timeline_end){1, 0x200};
  look_at(&bench, false, 2);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  fake_stream_breaks(bench.stream, &lost);
  turn(&bench, US_PER_S);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD, "Kafka has what the server has not, and nobody says so");
  cr_assert_str_eq(figures.problem.cause, "server_behind");
  bench_done(&bench);
}

Test(session_hold, a_stand_by_that_the_other_relay_got_past_is_no_hold_any_more)
{
  struct bench bench;
  struct session_figures figures;

  stand_by_behind_a_hold(&bench);
  bench.facts.confirmed = 0x240;
  look_at(&bench, false, 1);
  slot_is_free(&bench);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_STREAMING);
  cr_assert_not(figures.has_problem);
  cr_assert_eq(fake_publisher_count(bench.publisher), 0);
  bench_done(&bench);
}

Test(session_hold, a_record_of_before_a_promotion_comes_from_the_new_primary_or_not_at_all)
{
  struct bench bench;

  stand_by_behind_a_hold(&bench);
  look_at(&bench, false, 2);
  slot_is_free(&bench);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  cr_assert_eq(fake_publisher_count(bench.publisher), 0, "a record that no transaction of this server need have was sent");
  bench_done(&bench);
}
